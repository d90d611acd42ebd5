"""Wine quality: what will the tasters say?

1,599 red Vinho Verde wines, eleven chemical measures each, and the median of at least three
tasters' marks from 0 to 10; nearly all are 5 or 6. A regression. 240 rows stand there more than
once, so a test part drawn at random holds wines that were trained on.

Source: P. Cortez et al., Modeling wine preferences by data mining from physicochemical properties,
Decision Support Systems 47(4), 2009; CSV file from
https://www.kaggle.com/datasets/uciml/red-wine-quality-cortez-et-al-2009

Licence: ODbL (Kaggle), please cite

Expect: mean absolute error 0.51 for a neural network, 0.46 for a support vector machine (the paper,
5-fold cross-validation)
"""

import numpy as np

from bench.files.downloads import download, find
from bench.files.tables import read_table
from bench.work.data import Column, Dataset

HANDLE = "uciml/red-wine-quality-cortez-et-al-2009/versions/2"
INPUT = "table"
TASK = "regression"
SHAPE = (11,)
OUTPUTS = 1


def load() -> Dataset:
    """Return the table as it is."""
    frame = read_table(find(download(HANDLE), "winequality-red.csv"), "quality")
    names = [name for name in frame.columns if name != "quality"]
    return Dataset(
        x=frame[names].to_numpy(np.float32),
        y=frame["quality"].to_numpy(np.float32),
        task="regression",
        target="quality, 0 to 10",
        columns=tuple(Column(name) for name in names),
        source=HANDLE,
    )
