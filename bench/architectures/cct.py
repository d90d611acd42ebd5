"""CCT: a compact transformer that reads convolutions

Convolutions with pooling take the place of ViT's patches, and a weighted mean of all tokens that
of its class token, so a transformer can be trained on a small dataset. The default is CCT-2/3×2
(0.28 M parameters); CCT-7/3×1 is `cct(depth=7, width=256, heads=4, expansion=2, convolutions=1)`,
3.76 M. `dropout` is that of the attention's weights. Against the authors' code two things are
missing: stochastic depth, and the bias of the attention's last layer.

Paper: A. Hassani et al., Escaping the Big Data Paradigm with Compact Transformers, 2021,
https://arxiv.org/abs/2104.05704

Expect: 89.17 % for CCT-2/3×2 and 94.78 % for CCT-7/3×1 on CIFAR-10 (the authors' repository,
SHI-Labs/Compact-Transformers, 200 epochs with strong augmentation)
"""

from keras import KerasTensor, layers, ops

from bench.blocks.initializers import initializer as weights
from bench.blocks.transformer import attend, feed_forward, learned
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 8


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    depth: int = 2,
    width: int = 128,
    heads: int = 2,
    expansion: int = 1,
    convolutions: int = 2,
    dropout: float = 0.1,
    activation: Activation = "gelu",
    initializer: Initializer = "random_normal(0.02)",
) -> KerasTensor:
    """Return logits."""
    x = inputs
    for i in range(convolutions):
        maps = width if i == convolutions - 1 else 64
        x = layers.Conv2D(maps, 3, padding="same", use_bias=False, activation="relu", kernel_initializer=weights("he"))(
            x
        )
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Reshape((-1, width))(x)
    x = layers.Add()([x, learned(x, x.shape[1], deviation=0.2)])
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        y = attend(y, heads=heads, weights=initializer, bias=False, dropout=dropout)
        x = layers.LayerNormalization(epsilon=1e-5)(layers.Add()([x, y]))
        y = feed_forward(x, hidden=expansion * width, activation=activation, dropout=0.0, weights=initializer)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    shares = ops.softmax(layers.Dense(1, kernel_initializer=weights(initializer))(x), axis=1)
    pooled = layers.Dot(axes=1)([shares, x])
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(layers.Flatten()(pooled))
