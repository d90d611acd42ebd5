"""MNIST convnet: Keras's own example network

Two convolutions with max pooling, dropout, one dense layer: the network of the first code
example on keras.io. 34,826 parameters on MNIST.

Paper: F. Chollet, Simple MNIST convnet, keras.io/examples/vision/mnist_convnet, 2015

Expect: 99.22 % on MNIST after 15 epochs (the example)
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 10
ADDED = {"activation": "relu", "initializer": "glorot"}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    activation: Activation = "relu",
    initializer: Initializer = "glorot",
    dropout: float = 0.5,
) -> KerasTensor:
    """Return logits."""
    x = layers.Conv2D(32, 3, activation=activation, kernel_initializer=weights(initializer))(inputs)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, activation=activation, kernel_initializer=weights(initializer))(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dropout(dropout)(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
