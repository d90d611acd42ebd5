"""Breast cancer: is a tumour malignant?

569 samples of cells from fine-needle biopsies, described by 30 measures of their nuclei (radius,
texture, concavity, …, each as mean, standard error and worst). Bundled with scikit-learn, so it
needs no network. The test part is one of five stratified folds.

Source: W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic),
UCI Machine Learning Repository, 1993, https://archive.ics.uci.edu/dataset/17

Licence: CC BY 4.0

Expect: 97.5 % by cross-validation with a separating plane (Wolberg 1995)
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

from bench.work.data import Column, Dataset

HANDLE = "scikit-learn/breast_cancer/versions/1"
INPUT = "table"
TASK = "classification"
SHAPE = (30,)
OUTPUTS = 2


def load() -> Dataset:
    """Return the table as it is, class 1 being malignant, the one to be found."""
    bunch = load_breast_cancer()
    return Dataset(
        x=bunch.data.astype(np.float32),
        y=1 - bunch.target.astype(np.int64),  # scikit-learn's 0 is malignant
        classes=("benign", "malignant"),
        columns=tuple(Column(str(name)) for name in bunch.feature_names),
        source=HANDLE,
    )
