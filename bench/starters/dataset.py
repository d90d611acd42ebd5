"""NAME: say in one line what it is

How many examples of what, who made them and what is special about them.

Source: who, what, when, and where it can be had

Licence: which

Expect: the best figure that is published, and whose it is
"""

import numpy as np

from bench.work.data import Dataset

HANDLE = "NAME/versions/1"  # of a Kaggle dataset `owner/name/versions/1`; see bench.files.downloads.download
INPUT = "image"  # or "table": then x is float32 (n, columns), and Dataset takes a Column for each
TASK = "classification"  # or "regression": then y is float32 and classes stay empty
SHAPE = (12, 12, 1)
OUTPUTS = 2


def load(*, examples: int = 500) -> Dataset:
    """Return pictures of disks and rings: put your own data here."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, examples)
    centres = rng.uniform(4, 7, (examples, 2, 1, 1))
    down, across = np.indices((12, 12))
    distance = np.hypot(down - centres[:, 0], across - centres[:, 1])
    inside = np.where(y[:, None, None] == 0, distance < 4, np.abs(distance - 3) < 1)
    return Dataset(
        x=np.where(inside, 255, 0).astype(np.uint8)[..., np.newaxis],
        y=y,
        classes=("disk", "ring"),
        source=HANDLE,
    )
