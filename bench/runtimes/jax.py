"""JAX: Keras on JAX, compiled

The network is loaded by Keras on the JAX backend, whatever it was trained on, and compiled once for
each input shape. Needs the extra: pip install "keras-bench[jax]".
"""

import keras
import numpy as np

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
BACKEND = "jax"
INSTALL = 'pip install "keras-bench[jax]"'
PACKAGES = ("jax", "jaxlib", "keras")


def deploy(network: Deployable) -> Deployed:
    """Load the network and compile it."""
    import jax

    model = keras.models.load_model(network.path, compile=False)
    trainable, fixed = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    function = jax.jit(lambda x: model.stateless_call(trainable, fixed, x, training=False)[0])
    return Deployed(
        prepare=lambda x: jax.device_put(x.astype(np.float32)),
        predict=lambda x: np.asarray(function(x), np.float32),
        size_bytes=network.artifact.size_bytes,
    )
