"""ResNet-8: the image classifier of MLPerf Tiny

Three residual blocks of 16, 32 and 64 maps, the last two halving the image with a 1 × 1
convolution in the shortcut. Small enough for a microcontroller. 78,666 parameters on CIFAR-10,
with L2 decay of 0.0001 on the kernels as in the reference.

Paper: C. Banbury et al., MLPerf Tiny Benchmark, NeurIPS Datasets and Benchmarks 2021, https://arxiv.org/abs/2106.07597

Expect: 87.19 % on CIFAR-10 (the published network, measured on all 10,000 test images)
"""

from keras import KerasTensor, layers, regularizers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4
ADDED = {"initializer": "he"}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 16,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits."""

    def convolution(x: KerasTensor, maps: int, size: int = 3, stride: int = 1) -> KerasTensor:
        return layers.Conv2D(
            maps,
            size,
            strides=stride,
            padding="same",
            kernel_initializer=weights(initializer),
            kernel_regularizer=regularizers.L2(1e-4),
        )(x)

    x = convolution(inputs, width)
    x = layers.BatchNormalization()(x)
    x = layers.Activation(activation)(x)
    for block in range(3):
        maps, stride = width * 2**block, 1 if block == 0 else 2
        y = convolution(x, maps, stride=stride)
        y = layers.BatchNormalization()(y)
        y = layers.Activation(activation)(y)
        y = convolution(y, maps)
        y = layers.BatchNormalization()(y)
        if stride == 2:
            x = convolution(x, maps, size=1, stride=2)
        x = layers.Activation(activation)(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
