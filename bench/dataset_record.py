"""What is known of a dataset once it has been looked at: `results/datasets/<name>-<digest>.json`.

Written by the first run that needs the dataset and by `bench data`; the site shows it without
the data. See `bench.work.exploration` for who fills it.
"""

from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import records
from bench.disk import write_atomic
from bench.errors import RecordError
from bench.limits import Created, Figure, NotNegative, require, require_equal_length, require_time
from bench.records import SCHEMA, Use
from bench.store import checked, read_file

FOLDER = "datasets"


class PartSummary(Struct, frozen=True):
    """A part of a dataset."""

    name: str
    """`train` or `test`, of fold 0."""
    n: NotNegative
    class_counts: tuple[NotNegative, ...]
    """In the order of the classes; empty for regression."""
    fingerprint: str


class Duplicates(Struct, frozen=True):
    """Examples that stand there more than once, byte for byte."""

    within_train: NotNegative
    """Training examples that equal an earlier one."""
    test_in_train: NotNegative
    """Test examples that are in the training part too."""
    contradicting: NotNegative
    """Examples of either part that equal one with another label or value."""


class ImageSummary(Struct, frozen=True):
    """What the training part's images are like."""

    shape: tuple[NotNegative, NotNegative, NotNegative]
    """Height, width, channels."""
    channel_means: tuple[Figure, ...]
    """Of pixels 0–255, as are the deviations."""
    channel_deviations: tuple[Figure, ...]
    samples: dict[str, bytes]
    """A few images of each class side by side, as WebP."""
    tiles: NotNegative
    """Images side by side in a sample, at most."""
    sizes: dict[str, NotNegative] = {}
    """Images of each size, `width × height`, before all were resized to one."""

    def __post_init__(self) -> None:
        """Refuse figures of other channels."""
        require(1 <= self.shape[2] == len(self.channel_means) <= 4, "there is not one figure for up to four channels")
        require_equal_length(channel_means=self.channel_means, channel_deviations=self.channel_deviations)


class ColumnSummary(Struct, frozen=True):
    """What the training part holds in a column of a table."""

    name: str
    missing: NotNegative
    mean: Figure | None = None
    deviation: Figure | None = None
    quartiles: tuple[Figure, ...] = ()
    """Smallest, first quartile, median, third quartile, largest."""
    edges: tuple[Figure, ...] = ()
    """Of the histogram's bins, one more than there are bins."""
    counts: tuple[NotNegative, ...] = ()
    """In each bin, or of each category."""
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse bins without edges and categories without counts."""
        require(
            self.mean is None or (self.deviation is not None and len(self.quartiles) == 5),
            "there are not five quartiles",
        )
        bins = len(self.categories) if self.categories else max(len(self.edges) - 1, 0)
        require(len(self.counts) == bins, "there is not one count a bin or category")
        require(self.mean is None or max(self.counts, default=0) > 0, "a column of numbers has no histogram")


class DatasetRecord(Struct, frozen=True, kw_only=True):
    """What a person looks at first."""

    schema: int = SCHEMA
    created: Created
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
    correlations: tuple[tuple[Figure | None, ...], ...] = ()
    """Pearson's, between columns of numbers in order; the last row is the target's where it is a number or one of
    two classes."""
    correlated: tuple[str, ...] = ()
    """Names of the rows of `correlations`."""

    def __post_init__(self) -> None:
        """Refuse what would break a page: dates that are none, parts that do not fit each other."""
        require_time(self.created)
        require(len(self.parts) >= 2, "there are not both a training and a test part")
        for part in self.parts:
            require(part.n > 0, f"the {part.name} part has no examples")
            require_equal_length(classes=self.classes, class_counts=part.class_counts)
        require_equal_length(correlations=self.correlations, correlated=self.correlated)
        for row in self.correlations:
            require_equal_length(correlated=self.correlated, row=row)
            require(all(value is None or abs(value) <= 1.01 for value in row), "correlations lie between -1 and 1")


def path(results: Path, dataset: Use, source: str) -> Path:
    """Return where the record of a dataset lies."""
    digest = sha256(records.canonical((dataset, source))).hexdigest()[:8]
    return results / FOLDER / f"{dataset.name}-{digest}.json"


def find(results: Path, dataset: Use, source: str) -> DatasetRecord | None:
    """Return the record of a dataset, or None if there is none that can be read."""
    try:
        return read_file(path(results, dataset, source), DatasetRecord)
    except RecordError:
        return None


def write(results: Path, record: DatasetRecord) -> Path:
    """Write a dataset's record unless an equal one, but for its date, is there."""
    place = path(results, record.dataset, record.source)
    before = find(results, record.dataset, record.source)
    if before is None or msgspec.structs.replace(before, created=record.created) != record:
        text = checked(record, f"record of {record.dataset}")
        write_atomic(place, msgspec.json.format(text, indent=1) + b"\n")
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
