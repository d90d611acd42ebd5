"""VGG: 3 × 3 convolutions, one after the other

Five stages of 3 × 3 convolutions with 64 to 512 maps, each ended by a halving of the image.
`depth` counts the layers with weights: 11, 13, 16 or 19. From 64 pixels up two dense layers of
4,096 units with dropout follow, as published (138.4 M parameters for 1,000 classes); below, the
last stage leaves a pixel or two and one dense layer is enough, as usual on CIFAR (14.7 M).
`batch_norm` came later and is needed to train the deeper ones from scratch.

Paper: K. Simonyan and A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image
Recognition, ICLR 2015, https://arxiv.org/abs/1409.1556

Expect: 92.64 % on CIFAR-10 with depth 16 and batch_norm (kuangliu/pytorch-cifar); 75.6 % on ImageNet (the
paper: 24.4 % error)
"""

from typing import Literal

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 8
ALIASES = {
    "vgg": "vgg16",
    "vgg11": "vgg16(depth=11)",
    "vgg13": "vgg16(depth=13)",
    "vgg19": "vgg16(depth=19)",
    "vgg16_bn": "vgg16(batch_norm=True)",
}

STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    depth: Literal[11, 13, 16, 19] = 16,
    width: int = 64,
    batch_norm: bool = False,
    dropout: float = 0.5,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits."""
    x = inputs
    for stage, convolutions in enumerate(STAGES[depth]):
        for _ in range(convolutions):
            x = layers.Conv2D(width * min(2**stage, 8), 3, padding="same", kernel_initializer=weights(initializer))(x)
            if batch_norm:
                x = layers.BatchNormalization()(x)
            x = layers.Activation(activation)(x)
        x = layers.MaxPooling2D(padding="valid" if min(x.shape[1:3]) > 3 else "same")(x)
    x = layers.Flatten()(x)
    if min(inputs.shape[1:3]) >= 64:
        for _ in range(2):
            x = layers.Dense(width * 64, activation=activation, kernel_initializer=weights(initializer))(x)
            x = layers.Dropout(dropout)(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
