"""Tiny: a plugin of one's own, for tests of the flow

Forty noise images of 8 × 8 pixels. It needs nothing but NumPy, so that a worker is quick to start.

Source: made here

Licence: MIT
"""

import numpy as np

from bench.work.data import Dataset

HANDLE = "tests/tiny/versions/1"
INPUT = "image"
TASK = "classification"
SHAPE = (8, 8, 1)
OUTPUTS = 10


def load() -> Dataset:
    """Return the same noise every time."""
    x = np.random.default_rng(0).integers(0, 256, (40, *SHAPE)).astype(np.uint8)
    return Dataset(x=x, y=np.arange(40) % 10, classes=tuple("0123456789"), source=HANDLE)
