"""TensorFlow function: the network as one traced graph

The network is traced once for each input shape and then runs as a TensorFlow graph, without
Python in between and without XLA. This is what a TensorFlow server runs.
"""

import keras
import tensorflow as tf

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
BACKENDS = ("tensorflow",)
PACKAGES = ("keras", "tensorflow")


def deploy(network: Deployable, *, jit_compile: bool = False) -> Deployed:
    """Trace the network; with `jit_compile`, XLA compiles it too."""
    model = keras.models.load_model(network.path, compile=False)
    function = tf.function(lambda x: model(x, training=False), jit_compile=jit_compile)
    return Deployed(
        prepare=lambda x: tf.constant(x, tf.float32),
        predict=lambda x: function(x).numpy(),
        size_bytes=network.artifact.size_bytes,
    )
