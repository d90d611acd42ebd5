"""Keras call: the network called as a function

`model(x)`, layer after layer in Python, without the pipeline that `predict` sets up for each call.
"""

import keras
import numpy as np

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
PACKAGES = ("keras", "tensorflow")


def deploy(network: Deployable) -> Deployed:
    """Load the network and call it."""
    model = keras.models.load_model(network.path, compile=False)
    return Deployed(
        prepare=lambda x: keras.ops.convert_to_tensor(x, "float32"),
        predict=lambda x: np.asarray(keras.ops.convert_to_numpy(model(x, training=False)), np.float32),
        size_bytes=network.artifact.size_bytes,
    )
