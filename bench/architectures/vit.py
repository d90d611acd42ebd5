"""ViT: an image as a sentence of patches

The image is cut into squares of `patch` pixels, each becomes a vector of `width` numbers, and
`depth` transformer blocks let every patch look at every other. Tiny by default (1.2 M
parameters); ViT-B/16 is `vit(patch=16, width=768, depth=12, heads=12)`, 86.6 M for 1,000 classes.
Knowing nothing of neighbourhood, it needs far more examples than a convolutional network.

Paper: A. Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, https://arxiv.org/abs/2010.11929

Expect: 80 % on CIFAR-10 from scratch, patches of 4, 512 wide, 200 epochs (kentaroy47)
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.blocks.transformer import attend, feed_forward, learned
from bench.errors import Unsupported
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    patch: int = 4,
    width: int = 128,
    depth: int = 6,
    heads: int = 4,
    dropout: float = 0.0,
    activation: Activation = "gelu",
    initializer: Initializer = "glorot",
) -> KerasTensor:
    """Return logits, read off a token that stands for the whole image."""
    height, across = inputs.shape[1:3]
    if height % patch or across % patch:
        raise Unsupported(f"{height} × {across} pixels cannot be cut into patches of {patch}")
    x = layers.Conv2D(width, patch, strides=patch, kernel_initializer=weights(initializer))(inputs)
    x = layers.Reshape((-1, width))(x)
    x = layers.Concatenate(axis=1)([learned(x, 1), x])
    x = layers.Dropout(dropout)(layers.Add()([x, learned(x, x.shape[1])]))
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dropout(dropout)(attend(y, heads=heads, weights=initializer))
        x = layers.Add()([x, y])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = feed_forward(y, hidden=4 * width, activation=activation, dropout=dropout, weights=initializer)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x[:, 0])
