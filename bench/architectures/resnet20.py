"""ResNet-20: residual network for small images

Three stages of three residual blocks with 16, 32 and 64 maps. Where a stage halves the image the
shortcut takes every second pixel and pads the new maps with zeros, so shortcuts have no
parameters (option A of the paper). 0.27 M parameters and 40.8 M multiply-adds on CIFAR-10.

Paper: K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016, https://arxiv.org/abs/1512.03385

Expect: 91.25 % on CIFAR-10 after 64,000 steps with augmentation (the paper); 92.6 % (later implementations)
"""

from keras import KerasTensor, layers

INPUT = "image"
SMALLEST_SIDE = 4


def build(inputs: KerasTensor, outputs: int, *, width: int = 16, activation: str = "relu") -> KerasTensor:
    """Return logits."""
    x = _convolution(inputs, width, 1)
    x = layers.Activation(activation)(x)
    for stage in range(3):
        for block in range(3):
            stride = 2 if stage > 0 and block == 0 else 1
            y = _convolution(x, width * 2**stage, stride)
            y = layers.Activation(activation)(y)
            y = _convolution(y, width * 2**stage, 1)
            x = layers.Activation(activation)(layers.Add()([_shortcut(x, stride), y]))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer="he_normal")(x)


def _convolution(x: KerasTensor, maps: int, stride: int) -> KerasTensor:
    x = layers.Conv2D(maps, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization()(x)


def _shortcut(x: KerasTensor, stride: int) -> KerasTensor:
    if stride == 1:
        return x
    x = layers.AveragePooling2D(1, strides=stride)(x)
    maps = x.shape[-1]
    # Maps are the last axis; ZeroPadding pads the middle one of (places, maps, 1).
    height, across = x.shape[1], x.shape[2]
    x = layers.Reshape((height * across, maps, 1))(x)
    x = layers.ZeroPadding2D(((0, 0), (maps // 2, maps // 2)))(x)
    return layers.Reshape((height, across, 2 * maps))(x)
