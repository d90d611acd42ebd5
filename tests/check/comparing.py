"""Two folders of records, and a check of one against the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from factory import LATER, record

from bench import store
from bench.check import Report, Row, check
from bench.records import Cell, Record


def fill(folder: Path, found: Iterable[Record]) -> None:
    for one in found:
        store.write(folder, one)


def seeds(of: Cell | None = None, count: int = 3, **fields: Any) -> list[Record]:
    return [record(of, seed=seed, **{"n_test": 1000, **fields}) for seed in range(count)]


def compare(new: Path, old: Path, after: Sequence[Record], before: Sequence[Record], **options: float) -> Report:
    fill(old, before)
    fill(new, after)
    return check(new, old, **options)


def only(report: Report) -> Row:
    (row,) = report.rows
    return row


def again(**fields: Any) -> dict[str, Any]:
    """Return fields of an execution whose noise is drawn anew."""
    return {"network": "again", "created": LATER, **fields}
