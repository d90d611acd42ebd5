"""Wine: which of three vineyards' varieties?

178 wines of three varieties grown in one region of Italy, told apart by 13 chemical measures.
Bundled with scikit-learn, so it needs no network. The test part is one of five stratified folds.

Source: S. Aeberhard and M. Forina, Wine, UCI Machine Learning Repository, 1992, https://archive.ics.uci.edu/dataset/109

Licence: CC BY 4.0

Expect: 98.9 % by leaving one out, with linear discriminant analysis (Aeberhard 1992)
"""

import numpy as np
from sklearn.datasets import load_wine

from bench.work.data import Column, Dataset

HANDLE = "scikit-learn/wine/versions/1"
INPUT = "table"
TASK = "classification"
SHAPE = (13,)
OUTPUTS = 3


def load() -> Dataset:
    """Return the table as it is."""
    bunch = load_wine()
    return Dataset(
        x=bunch.data.astype(np.float32),
        y=bunch.target.astype(np.int64),
        classes=tuple(str(name).replace("class_", "variety ") for name in bunch.target_names),
        columns=tuple(Column(str(name).replace("_", " ")) for name in bunch.feature_names),
        source=HANDLE,
    )
