"""Diabetes: who falls ill within five years?

768 women of Pima heritage, eight measures each; 268 of them had diabetes at a later visit. In
glucose, blood pressure, skin thickness, insulin and body mass index a zero means that nobody
measured: these become missing values, which the network itself fills with the training part's
mean. Small and uneven (65 to 35 %), so look at ROC-AUC and several folds before believing a
difference. The test part is one of five stratified folds.

Source: J. Smith et al., Using the ADAP Learning Algorithm to Forecast the Onset of Diabetes
Mellitus, 1988; CSV file from https://www.kaggle.com/datasets/uciml/pima-indians-diabetes-database

Licence: CC0

Expect: ROC-AUC 0.80–0.83 and accuracy 75–77 % for small neural networks, by cross-validation
(Machines 7(4):74; Hameed and Joshi 2024)
"""

import numpy as np

from bench.files.downloads import download, find
from bench.files.tables import read_table
from bench.work.data import Column, Dataset

HANDLE = "uciml/pima-indians-diabetes-database/versions/1"
INPUT = "table"
TASK = "classification"
SHAPE = (8,)
OUTPUTS = 2

NEVER_ZERO = ("Glucose", "BloodPressure", "SkinThickness", "Insulin", "BMI")


def load() -> Dataset:
    """Return the table with NaN where a zero means missing."""
    frame = read_table(find(download(HANDLE), "diabetes.csv"), "Outcome")
    names = [name for name in frame.columns if name != "Outcome"]
    x = frame[names].to_numpy(np.float32)
    missing = np.isin(names, NEVER_ZERO) & (x == 0)
    return Dataset(
        x=np.where(missing, np.float32(np.nan), x),
        y=frame["Outcome"].to_numpy(np.int64),
        classes=("healthy", "diabetic"),
        columns=tuple(Column(name) for name in names),
        source=HANDLE,
    )
