"""NAME: say in one line what it does

Then how, in two or three sentences. This one adds noise to each training batch; the other doors
that a technique can open stand in CONTRIBUTING.md.

Paper: who, what, where, when

Expect: what it changes, on which network and dataset
"""

import keras

from bench.work.training import Tensor

INPUT = "image"  # or "table", or "any"


def batch(x: Tensor, y: Tensor, seed: keras.random.SeedGenerator, *, deviation: float = 8.0) -> tuple[Tensor, Tensor]:
    """Return the batch to train on: x has the dataset's own scale (pixels 0–255), y is one-hot."""
    return x + keras.random.normal(keras.ops.shape(x), stddev=deviation, seed=seed), y
