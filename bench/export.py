"""The records as one tidy table, for pandas, spreadsheets and whatever else reads a table."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from bench import disk, store, wording
from bench.errors import BenchError
from bench.records import Measurement, Record, Training, Use

RUN_COLUMNS = (
    "suite",
    "cell_id",
    "dataset",
    "architecture",
    "techniques",
    "seed",
    "fold",
    "node",
    "status",
    "newest",
    "created",
    "hardware",
    "cpu",
    "backend",
    "artifact",
)
"""What a row says of its record; `hardware` is the fingerprint, `artifact` the digest of what was made or timed."""
MEASUREMENT_COLUMNS = Measurement.__struct_fields__
TRAINING_COLUMNS = tuple(f"training.{name}" for name in Training.__struct_fields__)
WHOLE_NUMBERS = ["seed", "fold", "n", "batch_size"]


def read(results: str | Path = "results") -> pd.DataFrame:
    """Return all records below `results`, one row a measurement, oldest record first.

    A record without measurements, as a failed one, has one row whose `name` and `value` are
    missing. `newest` marks the newest finished record of each node: take `frame[frame.newest]`
    for what leaderboards show. Proportions are 0 to 1. Broken records are skipped with a warning;
    an absent folder raises BenchError.
    """
    folder = Path(results)
    if not folder.is_dir():
        raise BenchError(f"{folder}: no such folder; name the one that `bench run` wrote")
    reading = store.read(folder)
    for problem in reading.problems:
        warnings.warn(problem, stacklevel=2)
    newest = {id(record) for record in store.newest(list(reading.records))}
    rows = (row for record in reading.records for row in _rows(record, id(record) in newest))
    frame = pd.DataFrame(rows, columns=[*RUN_COLUMNS, *MEASUREMENT_COLUMNS, *TRAINING_COLUMNS])
    frame["created"] = pd.to_datetime(frame["created"], utc=True)
    return frame.astype(
        {"newest": bool, "value": float, "low": float, "high": float} | dict.fromkeys(WHOLE_NUMBERS, "Int64")
    )


def write(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a table by the path's suffix: .csv, .json (a list of objects) or .parquet (with pyarrow).

    In .csv a text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    target = Path(path)
    match target.suffix:
        case ".csv":
            text = frame.map(wording.inert)
            disk.write_atomic(target, text.to_csv(index=False).encode(errors="backslashreplace"))
        case ".json":
            disk.write_atomic(target, frame.to_json(orient="records", date_format="iso", indent=1).encode())
        case ".parquet":
            try:
                disk.write_atomic(target, frame.to_parquet(engine="pyarrow", index=False))
            except ImportError as error:
                raise BenchError(f"{target}: .parquet needs pyarrow; `pip install pyarrow`, or write .csv") from error
        case suffix:
            raise BenchError(f"{target}: no format for '{suffix}'; end the name in .csv, .json or .parquet")


def _rows(record: Record, newest: bool) -> Iterator[dict[str, Any]]:
    shared = _run(record, newest) | _settings(record.cell.training)
    for measurement in record.measurements:
        yield {**shared, **msgspec.structs.asdict(measurement)}
    if not record.measurements:
        yield shared


def _run(record: Record, newest: bool) -> dict[str, Any]:
    made = (record.artifact.digest,) if record.artifact else ()
    return {
        "suite": record.suite,
        "cell_id": record.cell_id,
        "dataset": str(record.cell.dataset),
        "architecture": str(record.cell.architecture),
        "techniques": " + ".join(str(use) for use in record.cell.techniques),
        "seed": record.seed,
        "fold": record.fold,
        "node": record.node,
        "status": record.status,
        "newest": newest,
        "created": record.created,
        "hardware": record.provenance.hardware.fingerprint,
        "cpu": record.provenance.hardware.cpu,
        "backend": record.provenance.backend,
        "artifact": next(iter(record.parents if record.node == "measure" else made), None),
    }


def _settings(training: Training) -> dict[str, Any]:
    """Return the training settings by column, plugins as the calls that a suite would write."""
    settings = msgspec.structs.asdict(training)
    return {f"training.{name}": str(value) if isinstance(value, Use) else value for name, value in settings.items()}
