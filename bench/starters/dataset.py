"""NAME: say in one line what it is

How many examples of what, who made them and what is special about them.

Source: who, what, when, and where it can be had

Licence: which

Expect: the best figure that is published, and whose it is
"""

import numpy as np

from bench.work.data import Column, Dataset

HANDLE = "NAME/versions/1"  # of a Kaggle dataset `owner/name/versions/1`; see bench.files.downloads.download
INPUT = "table"  # or "image": then x is uint8 (n, height, width, channels)
TASK = "classification"  # or "regression": then y is float32 and classes stay empty
SHAPE = (2,)
OUTPUTS = 2


def load(*, examples: int = 500) -> Dataset:
    """Return points inside and outside of a circle: put your own data here."""
    x = np.random.default_rng(0).uniform(-1, 1, (examples, 2)).astype(np.float32)
    return Dataset(
        x=x,
        y=(np.hypot(x[:, 0], x[:, 1]) > 0.75).astype(np.int64),
        classes=("inside", "outside"),
        columns=(Column("across"), Column("up")),
        source=HANDLE,
    )
