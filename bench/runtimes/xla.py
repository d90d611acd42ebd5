"""XLA: the network as one compiled program

TensorFlow traces the network once for each input shape and XLA compiles it, for the processor that
it runs on. Compiling takes seconds, which the first call pays.
"""

from bench.runtimes.tf_function import deploy as deploy_traced
from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
BACKENDS = ("tensorflow",)
PACKAGES = ("keras", "tensorflow")


def deploy(network: Deployable) -> Deployed:
    """Trace the network, compiled."""
    return deploy_traced(network, jit_compile=True)
