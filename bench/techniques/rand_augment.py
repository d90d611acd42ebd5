"""RandAugment: a few random operations an image, all of one strength

For each training image `layers` operations are drawn evenly out of fourteen: none, shift and shear
along and across, rotation, brightness, contrast, colour, sharpness, posterize, solarize,
auto-contrast and equalize. All are as strong as `magnitude` says, on the paper's scale from 0 to
30, where 10 is AutoAugment's largest: 30 degrees, a shear of 0.3, a shift by 0.3 of the side, 0.9
of a colour more or less, 4 of 8 bits, all values solarized. Signs are drawn, too. At 0 nothing changes.

An image is equalized first, then come its other colours in the order drawn, and all that moves it
is done at once at the end, so that it is sampled once. What comes into view is grey, as in the
paper's program. Keras's own layer would draw one operation for the whole batch.

Paper: E. D. Cubuk et al., RandAugment: Practical Automated Data Augmentation with a Reduced Search Space, NeurIPS 2020,
https://arxiv.org/abs/1909.13719

Expect: Wide ResNet-28-10 on CIFAR-10 96.1 → 97.3 %, on CIFAR-100 81.2 → 83.3 % (the paper)
"""

import math
from functools import reduce

import keras
from keras import ops

from bench.blocks.warping import affine, warp
from bench.work.training import Tensor

INPUT = "image"

_OPERATIONS = (
    *("identity", "right", "down", "lean_right", "lean_down", "rotate"),
    *("brightness", "contrast", "colour", "sharpness"),
    *("posterize", "solarize", "auto_contrast", "equalize"),
)
_GREY = 128.0


def batch(
    x: Tensor, y: Tensor, seed: keras.random.SeedGenerator, *, layers: int = 2, magnitude: float = 9.0
) -> tuple[Tensor, Tensor]:
    """Change images (n, height, width, channels); labels stay."""
    n = ops.shape(x)[0]
    drawn = keras.random.randint((layers, n), 0, 2 * len(_OPERATIONS), seed=seed)
    signed = ops.where(drawn % 2 == 0, magnitude / 10, -magnitude / 10)
    # Of each layer and operation: how strong it is on each image, (n,); 0 on those for which it was not drawn.
    strengths = [
        {name: ops.where(drawn[layer] // 2 == i, signed[layer], 0.0) for i, name in enumerate(_OPERATIONS)}
        for layer in range(layers)
    ]
    x = _equalized(x, sum(ops.abs(of["equalize"]) for of in strengths) > 0)
    for of in strengths:
        x = _coloured(x, {name: ops.reshape(strength, (-1, 1, 1, 1)) for name, strength in of.items()}, magnitude)
    maps = [_moved(x, of) for of in strengths]
    return ops.clip(warp(x - _GREY, reduce(ops.matmul, maps)) + _GREY, 0.0, 255.0), y


def _moved(x: Tensor, of: dict[str, Tensor]) -> Tensor:
    height, width = x.shape[1:3]
    return affine(
        ops.shape(x)[0],
        angle=math.radians(30) * of["rotate"],
        right=0.3 * width * of["right"],
        down=0.3 * height * of["down"],
        lean_right=0.3 * of["lean_right"],
        lean_down=0.3 * of["lean_down"],
    )


def _coloured(x: Tensor, of: dict[str, Tensor], magnitude: float) -> Tensor:
    """Return the images of one layer; strengths are given as (n, 1, 1, 1)."""
    low, high = (end(end(x, axis=1, keepdims=True), axis=2, keepdims=True) for end in (ops.min, ops.max))
    spread = ops.where(ops.logical_and(of["auto_contrast"] != 0, high > low), 255.0 / ops.maximum(high - low, 1.0), 1.0)
    weights = (0.299, 0.587, 0.114) if x.shape[3] == 3 else 1 / x.shape[3]
    grey = ops.sum(x * ops.convert_to_tensor(weights, "float32"), axis=3, keepdims=True)
    # The pixels about each, with a weight of 5 for its own and 1 for its neighbours.
    smooth = (9.0 * ops.average_pool(x, 3, strides=1, padding="same", data_format="channels_last") + 4.0 * x) / 13.0
    # Five operations draw an image towards another one or away from it: all of them are one sum.
    more = {name: ops.maximum(0.9 * of[name], -1.0) for name in ("brightness", "contrast", "colour", "sharpness")}
    others = (
        more["contrast"] * ops.mean(grey, axis=(1, 2), keepdims=True)
        + more["colour"] * grey
        + more["sharpness"] * smooth
        + ops.where(spread != 1, spread * low, 0.0)
    )
    x = ops.clip(x * (spread + sum(more.values())) - others, 0.0, 255.0)
    x = ops.where(x < 256.0 * (1.0 - ops.abs(of["solarize"])), x, 255.0 - x)
    step = 2.0 ** min(int(0.4 * magnitude), 7)
    return ops.where(of["posterize"] != 0, ops.floor(x / step) * step, x)


def _equalized(x: Tensor, chosen: Tensor) -> Tensor:
    """Spread the values of the chosen images, (n,), so that all are as frequent; channel by channel."""
    channels, n = x.shape[3], ops.shape(x)[0] * x.shape[3]
    # Another technique may have left pixels that are none.
    values = ops.cast(ops.clip(x, 0.0, 255.0), "int32") + 256 * ops.reshape(ops.arange(n), (-1, 1, 1, channels))
    each = ops.reshape(values, (-1,))
    counts = ops.segment_sum(ops.ones_like(each, dtype="float32"), each, num_segments=256 * n)
    counts = ops.reshape(counts, (n, 256))
    below = ops.cumsum(counts, axis=1) - counts
    brightest = ops.max(ops.where(counts > 0, below, 0.0), axis=1, keepdims=True)
    # An image of one value stays as it is.
    even = ops.where(brightest > 0, below * 255.0 / ops.maximum(brightest, 1.0), ops.arange(256, dtype="float32"))
    equal = ops.take(ops.reshape(even, (-1,)), values, axis=0)
    return ops.where(ops.reshape(chosen, (-1, 1, 1, 1)), equal, x)
