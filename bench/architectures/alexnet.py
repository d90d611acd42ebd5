"""AlexNet: the network that won ImageNet in 2012

Five convolutions with local response normalization and overlapping pooling, then two dense
layers of 4,096 units with dropout. As published, the second, fourth and fifth convolution see
half of the maps each (`groups=2`, once the two graphics cards). 60.97 M parameters for 1,000
classes. Images below 64 pixels would be gone after the first layers: for them the first
convolution is 5 × 5 and takes steps of one instead of four, everything else stays.
`width` is the number of maps of the first convolution; all other layers follow in proportion. As
published, pixels keep their scale of 0–255 less their mean (here 128 for all), for which the small
first weights and the normalization are made, and the biases of convolutions 2, 4 and 5 and of the
hidden dense layers start at one.

Paper: A. Krizhevsky, I. Sutskever and G. Hinton, ImageNet Classification with Deep Convolutional
Neural Networks, NeurIPS 2012

Expect: 62.5 % on the test set of ILSVRC-2010 (the paper: 37.5 % top-1 error)
"""

from typing import Any

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.blocks.normalization import local_response
from bench.records import Activation, Initializer

INPUT = "image"
PREPARATION = "none"
SMALLEST_SIDE = 8


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 96,
    groups: int = 2,
    dropout: float = 0.5,
    activation: Activation = "relu",
    initializer: Initializer = "random_normal(0.01)",
) -> KerasTensor:
    """Return logits."""

    def convolution(x: KerasTensor, maps: int, size: int, *, bias: str, **how: Any) -> KerasTensor:
        return layers.Conv2D(
            maps * width // 96,
            size,
            activation=activation,
            kernel_initializer=weights(initializer),
            bias_initializer=bias,
            **{"padding": "same"} | how,
        )(x)

    def pool(x: KerasTensor) -> KerasTensor:
        return layers.MaxPooling2D(3, strides=2, padding="valid" if min(x.shape[1:3]) > 8 else "same")(x)

    side = min(inputs.shape[1:3])
    x = layers.Rescaling(1.0, offset=-128.0, name="less_the_mean")(inputs)
    if side >= 64:
        x = convolution(x, 96, 11, bias="zeros", strides=4, padding="valid" if side >= 227 else "same")
    else:
        x = convolution(x, 96, 5, bias="zeros")
    x = pool(local_response(x))
    x = convolution(x, 256, 5, bias="ones", groups=groups)
    x = pool(local_response(x))
    x = convolution(x, 384, 3, bias="zeros")
    x = convolution(x, 384, 3, bias="ones", groups=groups)
    x = convolution(x, 256, 3, bias="ones", groups=groups)
    x = layers.Flatten()(pool(x))
    for _ in range(2):
        x = layers.Dense(
            4096 * width // 96,
            activation=activation,
            kernel_initializer=weights(initializer),
            bias_initializer="ones",
        )(x)
        x = layers.Dropout(dropout)(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
