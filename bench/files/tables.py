"""CSV files → matrices of numbers; every fault names file, column and line."""

import re
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.errors import DataError, first_line, nearest
from bench.files import regular
from bench.work.data import Column

MISSING = ["", "NA", "N/A", "NaN", "nan"]
"""What stands in a field without a value."""
MOST_CATEGORIES = 100
"""A column of text with more different values than this is a name or a number, and no category."""

MOST_BYTES = 8_000_000_000
MOST_COLUMNS = 50_000
MOST_HEADER = 5_000_000
"""Bytes of the line that names the columns."""
MOST_LETTERS = 500
"""Of a column's name."""
MOST_SHOWN = 60
"""Letters of a value in a message."""


def read_table(path: Path, target: str, separator: str = ",") -> pd.DataFrame:
    """Read a CSV file whose first line names the columns; raise DataError unless `target` is whole."""
    regular.size(path, MOST_BYTES, "give a CSV file")
    names = _header(path, separator)
    frame = _parsed(
        path,
        separator,
        na_values=MISSING,
        low_memory=False,  # in chunks, a column could be numbers here and text there
    )
    frame.columns = names
    frame = frame.dropna(how="all")
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


def _parsed(path: Path, separator: str, **how: Any) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # fields beyond the header's are no trifle
            frame: pd.DataFrame = pd.read_csv(
                path,
                sep=separator,
                skipinitialspace=True,
                index_col=False,
                keep_default_na=False,
                skip_blank_lines=False,  # or lines could not be counted
                compression=None,  # or a small file could fill the memory
                **how,
            )
    except Exception as error:  # pandas' parsers raise anything
        raise DataError(f"{path}: cannot be read as CSV: {first_line(error)}") from error
    return frame


def _header(path: Path, separator: str) -> list[str]:
    """Return the names of the columns as they stand in the file, where pandas would rename some in silence."""
    _look(path, separator)
    fields = _parsed(path, separator, header=None, nrows=1, dtype=str)
    names = [str(name).strip() for name in fields.iloc[0]]
    places: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"{path}:1: column {place} has no name; name it, or write the file without row numbers")
        if len(name) > MOST_LETTERS or any(unicodedata.category(letter) == "Cc" for letter in name):
            raise DataError(
                f"{path}:1: the name {name[:MOST_SHOWN]!r} of column {place} holds control characters or has more than "
                f"{MOST_LETTERS} letters; rename it"
            )
        if name in places:
            raise DataError(f"{path}:1: two columns are named '{name}', {places[name]} and {place}; rename one")
        places[name] = place
    return names


def _look(path: Path, separator: str) -> None:
    """Refuse what would take pandas hours or is no text, by one pass over the bytes."""
    try:
        with path.open("rb") as file:
            head = re.split(rb"[\r\n]", file.read(MOST_HEADER), maxsplit=1)[0]
            file.seek(0)
            line = 1
            while block := file.read(1 << 20):
                if (at := block.find(b"\0")) >= 0:
                    line += block.count(b"\n", 0, at)
                    raise DataError(f"{path}:{line}: a NUL byte, so no text; save the table as CSV in UTF-8")
                line += block.count(b"\n")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as CSV: {error.strerror}") from error
    if len(head) == MOST_HEADER or head.count(separator.encode()) >= MOST_COLUMNS:
        raise DataError(
            f"{path}:1: names more than {MOST_COLUMNS:,} columns or takes more than {MOST_HEADER:,} bytes; "
            "leave columns out of the file"
        )


def numbers(frame: pd.DataFrame, names: Sequence[str], path: Path) -> NDArray[np.float32]:
    """Return columns as (n, columns) float32 with NaN for missing; raise DataError for text and infinities."""
    columns = np.empty((len(frame), len(names)), np.float32)
    for i, name in enumerate(names):
        with np.errstate(over="ignore"):
            values = _numeric(frame[name]).astype("float32")
        broken = (values.isna() & frame[name].notna()) | np.isinf(values)
        if broken.any():
            raise DataError(f"{path}:{_line(broken)}: '{name}' is {_text(frame[name][broken])}, not a number")
        columns[:, i] = values
    return columns


def refuse_strays(frame: pd.DataFrame, names: Sequence[str], path: Path, cure: str) -> None:
    """Raise DataError for a column of text more than half of whose values are numbers: the others are mistakes."""
    for name in names:
        known = frame[name].notna()
        numeric = _numeric(frame[name]).notna()
        strays = known & ~numeric
        if strays.any() and numeric.sum() > strays.sum():
            raise DataError(
                f"{path}:{_line(strays)}: '{name}' is {_text(frame[name][strays])}, where {int(numeric.sum()):,} of "
                f"{int(known.sum()):,} values are numbers; {cure}"
            )


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


def _numeric(column: pd.Series) -> pd.Series:
    """Return a column's numbers, with NaN for text and for what is missing."""
    try:
        return pd.to_numeric(column, errors="coerce")
    except OverflowError:  # whole numbers of hundreds of digits
        return pd.to_numeric(column.astype("str"), errors="coerce")


def _text(column: pd.Series) -> str:
    """Return the first value as it can stand in a message."""
    text = str(column.iloc[0])
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")


def _line(rows: pd.Series) -> int:
    """Return the number of the line of the first row that is marked; the first line holds the names."""
    return int(rows.index[rows][0]) + 2
