"""Parts that vision transformers share, of Keras's own layers alone, so that saved networks load anywhere."""

from keras import KerasTensor, layers, ops
from keras.initializers import RandomNormal

from bench.blocks.initializers import initializer
from bench.errors import Unsupported


def learned(x: KerasTensor, tokens: int, *, deviation: float = 0.02) -> KerasTensor:
    """Return as many learned vectors as there are `tokens`, (n, tokens, width), the same for every example of `x`."""
    # A table of vectors is an Embedding; counting along the input gives its rows, example by example.
    ones = ops.ones_like(x[:, :1, 0])
    rows = ops.cast(ops.cumsum(ops.repeat(ones, tokens, axis=1), axis=1) - 1, "int32")
    return layers.Embedding(tokens, x.shape[-1], embeddings_initializer=RandomNormal(stddev=deviation))(rows)


def attend(x: KerasTensor, *, heads: int, weights: str, bias: bool = True, dropout: float = 0.0) -> KerasTensor:
    """Return multi-head self-attention of tokens (n, tokens, width); each head sees width / heads of it.

    `dropout` is that of the attention's own weights.
    """
    width = x.shape[-1]
    if width % heads:
        raise Unsupported(f"width={width} is not a multiple of heads={heads}")
    return layers.MultiHeadAttention(
        heads, width // heads, dropout=dropout, use_bias=bias, kernel_initializer=initializer(weights)
    )(x, x)


def feed_forward(x: KerasTensor, *, hidden: int, activation: str, dropout: float, weights: str) -> KerasTensor:
    """Send each token through two dense layers, the first `hidden` wide."""
    width = x.shape[-1]
    x = layers.Dense(hidden, activation=activation, kernel_initializer=initializer(weights))(x)
    x = layers.Dense(width, kernel_initializer=initializer(weights))(layers.Dropout(dropout)(x))
    return layers.Dropout(dropout)(x)
