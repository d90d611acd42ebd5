"""Random erasing: a rectangle of noise in some images

With `probability`, a rectangle of a training image is overwritten with random pixels. It takes a
share of the image that is drawn evenly between `smallest` and `largest`; its height divided by its
width is drawn evenly between `ratio` and 1 / `ratio`. It lies inside the image. Where it is too
long for that it is cut to the image's side; the paper draws again.

Paper: Z. Zhong et al., Random Erasing Data Augmentation, AAAI 2020, https://arxiv.org/abs/1708.04896

Expect: Wide ResNet-28-10 on CIFAR-10 3.72 → 3.08 % error (the paper's first version, of 2017)
"""

import keras
from keras import ops

from bench.blocks.warping import rectangle
from bench.work.training import Tensor

INPUT = "image"


def batch(
    x: Tensor,
    y: Tensor,
    seed: keras.random.SeedGenerator,
    *,
    probability: float = 0.5,
    smallest: float = 0.02,
    largest: float = 0.4,
    ratio: float = 0.3,
) -> tuple[Tensor, Tensor]:
    """Erase a rectangle of some images (n, height, width, channels); labels stay."""
    n = ops.shape(x)[0]
    height, width = x.shape[1:3]
    chosen = keras.random.uniform((n,), seed=seed) < probability
    area = keras.random.uniform((n,), smallest, largest, seed=seed) * (height * width)
    form = keras.random.uniform((n,), ratio, 1 / ratio, seed=seed)
    tall = ops.clip(ops.round(ops.sqrt(area * form)), 1, height)
    wide = ops.clip(ops.round(ops.sqrt(area / form)), 1, width)
    top = ops.floor(keras.random.uniform((n,), seed=seed) * (height + 1 - tall))
    left = ops.floor(keras.random.uniform((n,), seed=seed) * (width + 1 - wide))
    erased = rectangle(x, top, left, ops.where(chosen, tall, 0), wide)
    return ops.where(erased, keras.random.uniform(ops.shape(x), 0.0, 255.0, seed=seed), x), y
