"""Digits: handwritten digits of 8 × 8 pixels

1,797 grey images of ten digits, bundled with scikit-learn: the test set of the UCI collection,
32 × 32 bitmaps reduced to counts of 4 × 4 blocks. It needs no network and trains in seconds, so
it proves a whole set-up before a large one is started. Its publisher's training part is not
bundled: the test part is one of five stratified folds.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998, https://archive.ics.uci.edu/dataset/80

Licence: CC BY 4.0

Expect: 98 % for an MLP, 99 % for small convolutional networks (measured here)
"""

import numpy as np
from sklearn.datasets import load_digits

from bench.work.data import Dataset

HANDLE = "scikit-learn/digits/versions/1"
INPUT = "image"
TASK = "classification"
SHAPE = (8, 8, 1)
OUTPUTS = 10


def load() -> Dataset:
    """Return the images scaled from 0–16 to bytes, without a test part of their own."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    return Dataset(
        x=images,
        y=bunch.target.astype(np.int64),
        classes=tuple(str(digit) for digit in range(10)),
        source=HANDLE,
    )
