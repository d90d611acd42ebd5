"""Local response normalization, which Keras has no layer for."""

from keras import KerasTensor, ops


def local_response(
    x: KerasTensor, *, size: int = 5, offset: float = 2.0, alpha: float = 1e-4, beta: float = 0.75
) -> KerasTensor:
    """Divide each value by a sum over the `size` neighbouring maps at its place, (n, height, width, maps).

    As in Krizhevsky 2012, section 3.3, with its constants: x / (offset + alpha Σ x²)^beta.
    """
    maps, half = x.shape[-1], size // 2
    squares = ops.pad(ops.square(x), ((0, 0), (0, 0), (0, 0), (half, half)))
    total = sum(squares[..., i : i + maps] for i in range(size))
    return x * ops.power(offset + alpha * total, -beta)
