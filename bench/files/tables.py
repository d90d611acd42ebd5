"""CSV files → matrices of numbers; every fault names file, column and line."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import DataError, first_line, nearest
from bench.work.data import Column

MISSING = ["", "NA", "N/A", "NaN", "nan"]
"""What stands in a field without a value."""
MOST_CATEGORIES = 100
"""A column of text with more different values than this is a name or a number, and no category."""


def read_table(path: Path, target: str, separator: str = ",") -> pd.DataFrame:
    """Read a CSV file whose first line names the columns; raise DataError unless `target` is whole."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header's are no trifle
            frame = pd.read_csv(
                path,
                sep=separator,
                skipinitialspace=True,
                index_col=False,
                keep_default_na=False,
                na_values=MISSING,
                low_memory=False,  # in chunks, a column could be numbers here and text there
                skip_blank_lines=False,  # or lines could not be counted
                compression=None,  # or a small file could fill the memory
            )
    except (Exception, MemoryError) as error:  # pandas' parsers raise anything
        raise DataError(f"{path}: cannot be read as CSV: {first_line(error)}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    frame = frame.dropna(how="all")
    for name in frame.columns[frame.columns.duplicated()]:
        raise DataError(f"{path}: two columns are named '{name}'; rename one")
    if target not in frame:
        shown = ", ".join(frame.columns[:12])
        raise DataError(f"{path}: no column '{target}'{nearest(target, frame.columns)} (columns: {shown})")
    if len(frame.columns) < 2 or not len(frame):
        raise DataError(f"{path}: {len(frame)} rows of {len(frame.columns)} columns; is the separator {separator!r}?")
    missing = frame[target].isna()
    if missing.any():
        raise DataError(
            f"{path}:{_line(missing)}: no value of '{target}', nor in {int(missing.sum()) - 1} more lines; "
            "there is nothing to learn from these, take them out"
        )
    return frame


def numbers(frame: pd.DataFrame, names: Sequence[str], path: Path) -> NDArray[np.float32]:
    """Return columns as (n, columns) float32 with NaN for missing; raise DataError for text and infinities."""
    columns = np.empty((len(frame), len(names)), np.float32)
    for i, name in enumerate(names):
        with np.errstate(over="ignore"):
            values = pd.to_numeric(frame[name], errors="coerce").astype("float32")
        broken = (values.isna() & frame[name].notna()) | np.isinf(values)
        if broken.any():
            text = frame[name][broken].iloc[0]
            raise DataError(f"{path}:{_line(broken)}: '{name}' is '{text}', not a number")
        columns[:, i] = values
    return columns


def codes(frame: pd.DataFrame, names: Sequence[str], path: Path) -> tuple[NDArray[np.float32], list[Column]]:
    """Return columns of categories as (n, columns) codes from 0 with NaN for missing, and what the codes mean."""
    matrix = np.empty((len(frame), len(names)), np.float32)
    columns = []
    for i, name in enumerate(names):
        numbered, categories = pd.factorize(frame[name].astype("str").where(frame[name].notna()), sort=True)
        if len(categories) > MOST_CATEGORIES:
            raise DataError(
                f"{path}: '{name}' has {len(categories)} different texts, more than {MOST_CATEGORIES}; "
                f"leave it out with drop=['{name}']"
            )
        matrix[:, i] = np.where(numbered < 0, np.nan, numbered)
        columns.append(Column(name, tuple(str(category) for category in categories)))
    return matrix, columns


def _line(rows: pd.Series) -> int:
    """Return the number of the line of the first row that is marked; the first line holds the names."""
    return int(rows.index[rows][0]) + 2
