"""What is known of a dataset once it has been looked at: `results/datasets/<name>-<digest>.json`.

Written by the first run that needs the dataset and by `bench data`; the site shows it without
the data. See `bench.work.exploration` for who fills it.
"""

from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import records
from bench.errors import RecordError
from bench.records import SCHEMA, Use
from bench.store import read_file, write_atomic

FOLDER = "datasets"


class PartSummary(Struct, frozen=True):
    """A part of a dataset."""

    name: str
    """`train` or `test`, of fold 0."""
    n: int
    class_counts: tuple[int, ...]
    """In the order of the classes; empty for regression."""
    fingerprint: str


class Duplicates(Struct, frozen=True):
    """Examples that stand there more than once, byte for byte."""

    within_train: int
    """Training examples that equal an earlier one."""
    test_in_train: int
    """Test examples that are in the training part too."""
    contradicting: int
    """Examples of either part that equal one with another label or value."""


class ImageSummary(Struct, frozen=True):
    """What the training part's images are like."""

    shape: tuple[int, ...]
    """Height, width, channels."""
    channel_means: tuple[float, ...]
    """Of pixels 0–255, as are the deviations."""
    channel_deviations: tuple[float, ...]
    samples: dict[str, bytes]
    """A few images of each class side by side, as WebP."""
    tiles: int
    """Images side by side in a sample, at most."""
    sizes: dict[str, int] = {}
    """Images of each size, `width × height`, before all were resized to one."""


class ColumnSummary(Struct, frozen=True):
    """What the training part holds in a column of a table."""

    name: str
    missing: int
    mean: float | None = None
    deviation: float | None = None
    quartiles: tuple[float, ...] = ()
    """Smallest, first quartile, median, third quartile, largest."""
    edges: tuple[float, ...] = ()
    """Of the histogram's bins, one more than there are bins."""
    counts: tuple[int, ...] = ()
    """In each bin, or of each category."""
    categories: tuple[str, ...] = ()


class DatasetRecord(Struct, frozen=True, kw_only=True):
    """What a person looks at first."""

    schema: int = SCHEMA
    created: str
    dataset: Use
    source: str
    task: str
    verified: bool | None
    classes: tuple[str, ...]
    superclasses: tuple[str, ...] = ()
    parts: tuple[PartSummary, ...]
    folds: int | None
    """Number of folds that the test part is one of; null where the publisher made it."""
    duplicates: Duplicates
    images: ImageSummary | None = None
    columns: tuple[ColumnSummary, ...] = ()
    target: ColumnSummary | None = None
    """Of a regression."""
    correlations: tuple[tuple[float | None, ...], ...] = ()
    """Pearson's, between columns of numbers in order; the last row is the target's where it is a number or one of
    two classes."""
    correlated: tuple[str, ...] = ()
    """Names of the rows of `correlations`."""


def path(results: Path, dataset: Use, source: str) -> Path:
    """Return where the record of a dataset lies."""
    digest = sha256(records.canonical((dataset, source))).hexdigest()[:8]
    return results / FOLDER / f"{dataset.name}-{digest}.json"


def write(results: Path, record: DatasetRecord) -> Path:
    """Write a dataset's record unless an equal one, but for its date, is there."""
    place = path(results, record.dataset, record.source)
    try:
        before = read_file(place, DatasetRecord)
        same = msgspec.structs.replace(before, created=record.created) == record
    except RecordError:
        same = False
    if not same:
        write_atomic(place, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return place


def read(results: Path) -> tuple[list[DatasetRecord], list[str]]:
    """Read the records of all datasets, by name, and a line for each file that was skipped."""
    found, problems = [], []
    for place in sorted((results / FOLDER).glob("*.json")):
        try:
            if not place.name.startswith((".", "suite-")):
                found.append(read_file(place, DatasetRecord))
        except RecordError as error:
            problems.append(str(error))
    return found, problems
