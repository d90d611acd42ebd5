"""ResNet: the residual networks for small images

Three stages of residual blocks with 16, 32 and 64 maps, `depth` layers with weights in all. Where
a stage halves the image the shortcut takes every second pixel and pads the new maps with zeros,
so shortcuts have no parameters (option A of the paper). With depth 20, 32, 44, 56 and 110 they
have 0.27, 0.46, 0.66, 0.85 and 1.73 M parameters on CIFAR-10.

Paper: K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016,
https://arxiv.org/abs/1512.03385

Expect: 91.25 / 92.49 / 92.83 / 93.03 / 93.57 % on CIFAR-10 with depth 20 / 32 / 44 / 56 / 110, after 64,000 steps
with augmentation (the paper)
"""

from typing import Literal

from keras import KerasTensor, layers, ops

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4
ADDED = {"initializer": "he"}
FORMERLY = {"resnet20": "resnet(depth=20)", "resnet32": "resnet(depth=32)", "resnet56": "resnet(depth=56)"}
ALIASES = {"resnet44": "resnet(depth=44)", "resnet110": "resnet(depth=110)"}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    depth: Literal[20, 32, 44, 56, 110] = 20,
    width: int = 16,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits."""

    def convolution(x: KerasTensor, maps: int, stride: int) -> KerasTensor:
        x = layers.Conv2D(
            maps, 3, strides=stride, padding="same", use_bias=False, kernel_initializer=weights(initializer)
        )(x)
        return layers.BatchNormalization()(x)

    x = layers.Activation(activation)(convolution(inputs, width, 1))
    for stage in range(3):
        for block in range((depth - 2) // 6):
            stride = 2 if stage > 0 and block == 0 else 1
            y = layers.Activation(activation)(convolution(x, width * 2**stage, stride))
            y = convolution(y, width * 2**stage, 1)
            x = layers.Activation(activation)(layers.Add()([_shortcut(x, stride), y]))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)


def _shortcut(x: KerasTensor, stride: int) -> KerasTensor:
    if stride == 1:
        return x
    # Of one pixel the largest is the mean, which LiteRT takes 16 µs for in 8-bit integers, and the largest 3.
    x = layers.MaxPooling2D(1, strides=stride, padding="same")(x)
    maps = x.shape[-1]
    return ops.pad(x, ((0, 0), (0, 0), (0, 0), (maps // 2, maps - maps // 2)))
