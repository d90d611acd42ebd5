"""LiteRT: the runtime for phones and small devices

Formerly TensorFlow Lite. A Keras network is converted to float32; a LiteRT network, such as
`quantize` leaves, is run as it is. On x86-64 and Arm its XNNPACK kernels are used.
"""

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from bench.deployment import Deployable, Deployed

ACCEPTS = ("keras", "litert")
BACKENDS = ("tensorflow",)
PACKAGES = ("ai-edge-litert", "tensorflow")


def deploy(network: Deployable) -> Deployed:
    """Load the network into an interpreter, converting it first if need be."""
    path = network.path
    if network.artifact.format == "keras":
        model = keras.models.load_model(network.path, compile=False)
        path = network.converted(
            f"tf{tf.__version__}.tflite", lambda path: model.export(path, format="litert", verbose=False)
        )
    interpreter = Interpreter(str(path), num_threads=network.threads)
    entry = interpreter.get_input_details()[0]
    exit_index = interpreter.get_output_details()[0]["index"]

    def prepare(x: NDArray[np.generic]) -> NDArray[np.generic]:
        if tuple(interpreter.get_input_details()[0]["shape"]) != x.shape:
            interpreter.resize_tensor_input(entry["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], x.astype(entry["dtype"]))
        return x

    def predict(_: NDArray[np.generic]) -> NDArray[np.float32]:
        interpreter.invoke()
        outputs: NDArray[np.float32] = interpreter.get_tensor(exit_index)
        return outputs

    return Deployed(prepare=prepare, predict=predict, size_bytes=path.stat().st_size)
