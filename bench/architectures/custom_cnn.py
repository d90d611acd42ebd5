"""Custom CNN: the network that tutorials end with

`depth` blocks of two 3 × 3 convolutions and a halving of the image, each block twice as wide as
the one before, then global average pooling. Meant to be varied: its parameters are the choices
that one makes by hand. `pooling` halves by the largest of four values, by their average, or by a
second convolution that takes steps of two.

Expect: 99.0 % on digits after 12 epochs, two blocks 16 and 32 wide (measured here)
"""

from typing import Literal

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4
ADDED = {"initializer": "glorot", "pooling": "max", "dropout": 0.0}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 32,
    depth: int = 3,
    activation: Activation = "relu",
    initializer: Initializer = "glorot",
    pooling: Literal["max", "average", "stride"] = "max",
    batch_norm: bool = True,
    dropout: float = 0.0,
) -> KerasTensor:
    """Return logits; blocks past the point where one pixel is left no longer halve the image."""
    x = inputs
    for block in range(depth):
        halving = min(x.shape[1:3]) >= 2
        for step in (1, 2 if halving and pooling == "stride" else 1):
            x = layers.Conv2D(
                width * 2**block,
                3,
                strides=step,
                padding="same",
                use_bias=not batch_norm,
                kernel_initializer=weights(initializer),
            )(x)
            if batch_norm:
                # Keras's default of 0.99 would need more steps than a small dataset has in ten epochs.
                x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.Activation(activation)(x)
        if halving and pooling != "stride":
            x = layers.MaxPooling2D()(x) if pooling == "max" else layers.AveragePooling2D(2)(x)
        if dropout:
            x = layers.Dropout(dropout)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
