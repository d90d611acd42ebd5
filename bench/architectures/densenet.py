"""DenseNet: every layer sees all layers before it

Three dense blocks for small images, in which each layer adds `width` maps (the growth rate, k)
to what it was given. `bottleneck` gives DenseNet-BC: a 1 × 1 convolution before each 3 × 3, and
half of the maps after each block. 1.0 M parameters with depth 40, 0.8 M with depth 100 and
bottleneck, at growth rate 12. DenseNet-121 for large images is `imagenet(backbone='DenseNet121')`.

Paper: G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, Densely Connected Convolutional
Networks, CVPR 2017, https://arxiv.org/abs/1608.06993

Expect: 94.76 % on CIFAR-10 with augmentation (the paper, depth 40, 300 epochs); 95.5 % with depth 100 and bottleneck
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.errors import Unsupported
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    depth: int = 40,
    width: int = 12,
    bottleneck: bool = False,
    dropout: float = 0.0,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits; `depth` is 3n + 4, with bottleneck 6n + 4."""
    count, rest = divmod(depth - 4, 6 if bottleneck else 3)
    if rest or count < 1:
        raise Unsupported(f"depth={depth} is not {6 if bottleneck else 3}n + 4")

    def convolution(x: KerasTensor, maps: int, size: int) -> KerasTensor:
        x = layers.Activation(activation)(layers.BatchNormalization()(x))
        x = layers.Conv2D(maps, size, padding="same", use_bias=False, kernel_initializer=weights(initializer))(x)
        return layers.Dropout(dropout)(x) if dropout else x

    x = layers.Conv2D(
        2 * width if bottleneck else 16, 3, padding="same", use_bias=False, kernel_initializer=weights(initializer)
    )(inputs)
    for block in range(3):
        for _ in range(count):
            y = convolution(x, 4 * width, 1) if bottleneck else x
            x = layers.Concatenate()([x, convolution(y, width, 3)])
        if block < 2:
            maps = x.shape[-1]
            x = layers.AveragePooling2D(2)(convolution(x, maps // 2 if bottleneck else maps, 1))
    x = layers.Activation(activation)(layers.BatchNormalization()(x))
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(layers.GlobalAveragePooling2D()(x))
