"""CSV: a table of your own

The first line names the columns; `target` is the one to be learned. Columns of numbers are
standardized, columns of text become categories, empty fields, NA and NaN are missing values: the network
itself fills them, with what the training part taught. Where more than half of a column's values are
numbers, any other is taken for a mistake and named. `categorical` names columns of numbers
that are categories all the same, `drop` those to leave out, as names and row numbers. The test
part is one of five stratified folds.

Source: your file; its path stands in the suite, its arrays' fingerprints in every record

Licence: yours
"""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from bench.errors import DataError, nearest
from bench.files.tables import codes, numbers, read_table, refuse_strays
from bench.work.data import FOLDS, Array, Column, Dataset

HANDLE = "csv"
INPUT = "table"
TASK = {"task": {"classification": "classification", "regression": "regression"}}
PATHS = ("path",)


def load(
    *,
    path: str,
    target: str,
    task: Literal["classification", "regression"] = "classification",
    categorical: list[str] = [],  # noqa: B006 (read by ast as the default; never changed)
    drop: list[str] = [],  # noqa: B006
    separator: str = ",",
) -> Dataset:
    """Return columns of numbers first, then categories, each in the order of the file."""
    file = Path(path)
    frame = read_table(file, target, separator)
    for name in (*categorical, *drop):
        if name not in frame or name == target:
            raise DataError(f"{path}: no column '{name}' beside the target{nearest(name, frame.columns)}")
    names = [name for name in frame.columns if name not in {target, *drop}]
    if not names:
        raise DataError(f"{path}: no column is left to learn '{target}' from; drop fewer")
    chosen = [name for name in names if name in categorical or not pd.api.types.is_numeric_dtype(frame[name])]
    text = [name for name in chosen if name not in categorical]
    refuse_strays(frame, text, file, "mend it, empty it if it is missing, or name the column in categorical=[…]")
    measured = [name for name in names if name not in chosen]
    coded, categories = codes(frame, chosen, file)
    x = np.concatenate([numbers(frame, measured, file), coded], axis=1)
    y, classes = (numbers(frame, [target], file)[:, 0], ()) if task == "regression" else _labels(frame, target, file)
    return Dataset(
        x=x,
        y=y,
        classes=classes,
        task=task,
        target=target if task == "regression" else "",
        columns=(*(Column(name) for name in measured), *categories),
        source=f"csv/{file.name}",
    )


def _labels(frame: pd.DataFrame, target: str, file: Path) -> tuple[Array, tuple[str, ...]]:
    if frame[target].value_counts().min() < FOLDS:  # too few of a class to be meant, so it may be a slip
        refuse_strays(frame, [target], file, "mend it, or give every class a name in words")
    labels, classes = pd.factorize(frame[target], sort=True)
    if len(classes) < 2:
        raise DataError(f"{file}: '{target}' has one value alone; there is nothing to learn")
    if len(classes) > max(len(frame) // 5, 2):
        raise DataError(
            f"{file}: '{target}' has {len(classes)} different values in {len(frame)} lines, too many for classes; "
            "for numbers to be predicted write task='regression'"
        )
    return labels, tuple(str(name) for name in classes)
