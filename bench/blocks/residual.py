"""The residual networks of He et al. for small images, of any depth."""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer


def residual_network(
    inputs: KerasTensor, outputs: int, *, blocks: int, width: int, activation: str, weights: str
) -> KerasTensor:
    """Return logits of a network with three stages of `blocks` residual blocks, 6 × blocks + 2 layers in all.

    Where a stage halves the image the shortcut takes every second pixel and pads the new maps
    with zeros, so shortcuts have no parameters (option A of the paper).
    """

    def convolution(x: KerasTensor, maps: int, stride: int) -> KerasTensor:
        x = layers.Conv2D(
            maps, 3, strides=stride, padding="same", use_bias=False, kernel_initializer=initializer(weights)
        )(x)
        return layers.BatchNormalization()(x)

    x = layers.Activation(activation)(convolution(inputs, width, 1))
    for stage in range(3):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            y = layers.Activation(activation)(convolution(x, width * 2**stage, stride))
            y = convolution(y, width * 2**stage, 1)
            x = layers.Activation(activation)(layers.Add()([_shortcut(x, stride), y]))
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer=initializer(weights))(x)


def _shortcut(x: KerasTensor, stride: int) -> KerasTensor:
    if stride == 1:
        return x
    x = layers.AveragePooling2D(1, strides=stride, padding="same")(x)
    maps = x.shape[-1]
    # Maps are the last axis; ZeroPadding pads the middle one of (places, maps, 1).
    height, across = x.shape[1], x.shape[2]
    x = layers.Reshape((height * across, maps, 1))(x)
    x = layers.ZeroPadding2D(((0, 0), (maps // 2, maps - maps // 2)))(x)
    return layers.Reshape((height, across, 2 * maps))(x)
