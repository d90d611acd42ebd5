"""NAME: say in one line what executes the network

Then what it is for, in two or three sentences. This one calls the Keras network itself.
"""

import keras
import numpy as np

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)  # formats of networks: keras, litert, onnx, openvino
PACKAGES = ("keras",)  # whose versions are part of what is measured


def deploy(network: Deployable) -> Deployed:
    """Load the network; `prepare` is not timed, `predict` is, and ends with the outputs in host memory."""
    model = keras.models.load_model(network.path, compile=False)
    return Deployed(
        prepare=lambda x: keras.ops.convert_to_tensor(x, "float32"),
        predict=lambda x: np.asarray(keras.ops.convert_to_numpy(model(x, training=False))),
        size_bytes=network.artifact.size_bytes,
    )
