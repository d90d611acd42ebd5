"""MLP: fully connected layers

The input is flattened and sent through `depth` hidden layers of `width` units. For images it is
the network to beat: it knows nothing of neighbouring pixels.

Paper: D. Rumelhart, G. Hinton and R. Williams, Learning representations by back-propagating errors, Nature 323, 1986

Expect: 98.4 % on MNIST with 800 hidden units (Simard 2003)
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "any"
ADDED = {"initializer": "glorot", "dropout": 0.0, "batch_norm": False}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 128,
    depth: int = 2,
    activation: Activation = "relu",
    initializer: Initializer = "glorot",
    dropout: float = 0.0,
    batch_norm: bool = False,
) -> KerasTensor:
    """Return logits."""
    x = layers.Flatten()(inputs)
    for _ in range(depth):
        x = layers.Dense(width, use_bias=not batch_norm, kernel_initializer=weights(initializer))(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation(activation)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
