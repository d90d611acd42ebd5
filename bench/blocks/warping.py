"""Places in images: maps that turn, resize and move them, sampled in one gather; and rectangles."""

from keras import ops

from bench.work.training import Tensor


def affine(
    n: Tensor,
    *,
    angle: Tensor | float = 0.0,
    size: Tensor | float = 1.0,
    right: Tensor | float = 0.0,
    down: Tensor | float = 0.0,
    lean_right: Tensor | float = 0.0,
    lean_down: Tensor | float = 0.0,
    mirrored: Tensor | float = 1.0,
) -> Tensor:
    """Return `n` maps (n, 3, 3) from a place (x, y, 1) of the new image to that of the old one it shows.

    Places are counted in pixels from the middle, y downwards. All else is a number, or one an image, (n,).

    Args:
        n: Images in the batch.
        angle: In radians, counterclockwise.
        size: What the image's contents are enlarged by.
        right: Pixels that the view moves to the right, so that the contents move left.
        down: Pixels that the view moves down.
        lean_right: Pixels that it moves to the right with each row.
        lean_down: Pixels that it moves down with each column.
        mirrored: -1 for an image that is seen from behind, left to right, before all else; 1 for others.
    """
    cosine, sine = ops.cos(angle) / size, ops.sin(angle) / size
    rows = (
        (cosine * mirrored, lean_right - sine, right),
        ((lean_down + sine) * mirrored, cosine, down),
        (0.0, 0.0, 1.0),
    )
    every = [ops.broadcast_to(ops.cast(value, "float32"), (n,)) for row in rows for value in row]
    return ops.reshape(ops.stack(every, axis=1), (-1, 3, 3))


def warp(x: Tensor, maps: Tensor) -> Tensor:
    """Return images (n, height, width, channels) as seen through their maps, linear between pixels, zero outside."""
    height, width, channels = x.shape[1:]
    padded = ops.pad(x, ((0, 0), (1, 2), (1, 2), (0, 0)))
    # Each place holds its pixel, the one below and the two at their right, so that one gather finds all four.
    four = [padded[:, :-1, :-1], padded[:, 1:, :-1], padded[:, :-1, 1:], padded[:, 1:, 1:]]
    tall, wide = height + 2, width + 2
    flat = ops.reshape(ops.concatenate(four, axis=-1), (-1, 4 * channels))
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    across = (ops.arange(width, dtype="float32") - middle_x)[None, None, :]
    along = (ops.arange(height, dtype="float32") - middle_y)[None, :, None]
    cells = maps[:, :, :, None, None]
    column = cells[:, 0, 0] * across + cells[:, 0, 1] * along + cells[:, 0, 2] + (middle_x + 1)
    row = cells[:, 1, 0] * across + cells[:, 1, 1] * along + cells[:, 1, 2] + (middle_y + 1)
    column, row = ops.clip(column, 0, wide - 1), ops.clip(row, 0, tall - 1)
    left, top = ops.floor(column), ops.floor(row)
    first = ops.arange(ops.shape(x)[0])[:, None, None] * (tall * wide)
    found = ops.take(flat, first + ops.cast(top * wide + left, "int32"), axis=0)
    near, far = found[..., : 2 * channels], found[..., 2 * channels :]
    pair = near + (column - left)[..., None] * (far - near)
    upper, lower = pair[..., :channels], pair[..., channels:]
    return upper + (row - top)[..., None] * (lower - upper)


def rectangle(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Tell which pixels of images lie in the rectangle of each, (n, height, width, 1); given as numbers or (n,)."""
    rows, columns = ops.arange(x.shape[1])[None], ops.arange(x.shape[2])[None]
    top, left, height, width = (ops.reshape(ops.cast(value, "int32"), (-1, 1)) for value in (top, left, height, width))
    tall = ops.logical_and(rows >= top, rows < top + height)
    wide = ops.logical_and(columns >= left, columns < left + width)
    return ops.logical_and(tall[:, :, None, None], wide[:, None, :, None])
