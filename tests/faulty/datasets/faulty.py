"""A dataset that goes wrong when it is loaded for the first or second time."""

import os
from pathlib import Path

import numpy as np
from fault_kinds import KINDS

from bench.work.data import Column, Dataset

HANDLE = "faulty/versions/1"
INPUT = "table"
TASK = "classification"


def load(*, kind: str, at: int = 1) -> Dataset:
    mark = Path(os.environ["FAULTS"]) / f"{kind}-{at}"
    with mark.open("a") as file:
        file.write("x")
    if mark.stat().st_size == at:
        KINDS[kind]()
    x = np.random.default_rng(0).normal(size=(100, 2)).astype("float32")
    return Dataset(x=x, y=np.arange(100) % 2, classes=("a", "b"), columns=(Column("a"), Column("b")), source=HANDLE)
