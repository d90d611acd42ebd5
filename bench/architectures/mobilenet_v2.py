"""MobileNetV2: inverted residuals

Seventeen blocks that widen their input sixfold by a 1 × 1 convolution, look at each map by
itself with a 3 × 3 convolution, and narrow it again without an activation. 3.50 M parameters
for 1,000 classes, 2.24 M for ten. Below 64 pixels the first convolution and the second stage do
not halve the image, as usual on CIFAR. `width` multiplies all numbers of maps. With weights
from ImageNet: `imagenet(backbone='MobileNetV2')`.

Paper: M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018,
https://arxiv.org/abs/1801.04381

Expect: 94.43 % on CIFAR-10 from scratch (kuangliu/pytorch-cifar); 72.0 % on ImageNet (the paper)
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 8

# Expansion, maps, blocks, stride of the first block (table 2 of the paper).
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: float = 1.0,
    dropout: float = 0.2,
    activation: Activation | None = None,
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits; the activation is ReLU6 unless another is named."""

    def normalized(x: KerasTensor, *, active: bool = True) -> KerasTensor:
        x = layers.BatchNormalization()(x)
        if not active:
            return x
        return layers.Activation(activation)(x) if activation else layers.ReLU(6.0)(x)

    def convolution(x: KerasTensor, maps: int, size: int = 1, stride: int = 1, *, active: bool = True) -> KerasTensor:
        x = layers.Conv2D(
            maps, size, strides=stride, padding="same", use_bias=False, kernel_initializer=weights(initializer)
        )(x)
        return normalized(x, active=active)

    small = min(inputs.shape[1:3]) < 64
    x = convolution(inputs, _rounded(32 * width), 3, stride=1 if small else 2)
    for stage, (expansion, maps, blocks, first_stride) in enumerate(STAGES):
        for block in range(blocks):
            stride = first_stride if block == 0 and not (small and stage == 1) else 1
            y = convolution(x, expansion * x.shape[-1]) if expansion > 1 else x
            y = layers.DepthwiseConv2D(
                3, strides=stride, padding="same", use_bias=False, depthwise_initializer=weights(initializer)
            )(y)
            y = convolution(normalized(y), _rounded(maps * width), active=False)
            x = layers.Add()([x, y]) if stride == 1 and x.shape[-1] == y.shape[-1] else y
    x = convolution(x, _rounded(1280 * max(width, 1.0)))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)


def _rounded(maps: float) -> int:
    """Return the nearest multiple of eight that is not more than a tenth smaller."""
    nearest = max(8, int(maps + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * maps else nearest + 8
