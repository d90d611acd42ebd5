"""What the parts of a record hold: measurements, curves, tables, and what diagnostics show.

Plugins import these from `bench.records`.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from bench.limits import (
    COUNTS,
    MOST_DIAGNOSIS_BYTES,
    MOST_PICTURE_BYTES,
    MOST_PICTURES,
    MOST_POINTS,
    MOST_SERIES,
    PROPORTIONS,
    ROUNDING,
    Figure,
    Label,
    NotNegative,
    Positive,
    require,
    require_equal_length,
)

Better = Literal["higher", "lower", "none"]


class Measurement(Struct, frozen=True, omit_defaults=True):
    """One number with all that is needed to read it."""

    name: str
    value: Figure
    unit: str
    better: Better
    n: NotNegative | None = None
    """How many observations stand behind the value: test examples, or timed calls."""
    low: Figure | None = None
    high: Figure | None = None
    """95 % interval: binomial (Wilson) for proportions, Student's over processes for timings."""
    split: Literal["train", "validation", "test"] | None = None
    runtime: str | None = None
    """The `name` of what was measured."""
    batch_size: Positive | None = None
    statistic: str | None = None
    """`p50`, `p90`, `p99`, `mean`, `macro`, …"""
    class_name: str | None = None

    def __post_init__(self) -> None:
        """Refuse an accuracy of 5."""
        if self.name in PROPORTIONS:
            require(-ROUNDING <= self.value <= 1 + ROUNDING, f"{self.name} lies between 0 and 1")
        require(self.name not in COUNTS or self.value >= 0, f"{self.name} is not negative")
        require(self.low is None or self.high is None or self.low <= self.high, "low is above high")


class Series(Struct, frozen=True, omit_defaults=True):
    """Values along a named axis: a learning curve, a quantile sketch of latencies."""

    name: Label
    axis: Label
    """`epoch`, `quantile`, `confidence`, `step`, `stage`, `trial`."""
    points: Annotated[list[Figure], msgspec.Meta(max_length=MOST_POINTS)]
    values: Annotated[list[Figure | None], msgspec.Meta(max_length=MOST_POINTS)]
    unit: str = ""
    split: str | None = None
    runtime: str | None = None
    batch_size: Positive | None = None
    chart: Label = ""
    """Title of the chart that it belongs into; that of its diagnosis unless said."""
    watcher: Label | None = None
    """The diagnostic that looked on while this came about; none for what a training tells of itself."""

    def __post_init__(self) -> None:
        """Refuse points without values."""
        require_equal_length(points=self.points, values=self.values)


class Table(Struct, frozen=True):
    """Rows that a technique leaves: the trials of a search, the steps of a simplification."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Figure | bool | None, ...], ...]

    def __post_init__(self) -> None:
        """Refuse ragged rows."""
        for row in self.rows:
            require_equal_length(columns=self.columns, row=row)


class Picture(Struct, frozen=True, omit_defaults=True):
    """A small raster, shown larger than it is; see `bench.blocks.rasters`."""

    png: Annotated[bytes, msgspec.Meta(max_length=MOST_PICTURE_BYTES)]
    """8 bits a channel."""
    caption: str = ""
    example: NotNegative | None = None
    """Its place in the test part, from 0."""


class Diagnosis(Struct, frozen=True, omit_defaults=True):
    """What a diagnostic found."""

    title: str
    series: Annotated[tuple[Series, ...], msgspec.Meta(max_length=MOST_SERIES)] = ()
    """Those of one `chart` are drawn into one frame."""
    picture_svg: str | None = None
    note: str = ""
    """What is shown and how it was found; what was left out."""
    marks: Literal["lines", "points"] = "lines"
    """How the series are drawn; of points the axis is the horizontal one, and each series a colour."""
    logarithmic: bool = False
    """Whether the vertical axis is."""
    pictures: Annotated[tuple[Picture, ...], msgspec.Meta(max_length=MOST_PICTURES)] = ()
    columns: tuple[str, ...] = ()
    """Heads of the columns that pictures stand in, row by row; as many beside each other as fit unless said."""
    tables: Annotated[tuple[Table, ...], msgspec.Meta(max_length=MOST_PICTURES)] = ()
    measurements: tuple[Measurement, ...] = ()
    """Figures that findings can be about; in a record they stand among its own."""

    def __post_init__(self) -> None:
        """Refuse pictures that would make a page heavy."""
        size = sum(len(one.png) for one in self.pictures)
        require(size <= MOST_DIAGNOSIS_BYTES, f"pictures of {size:,} bytes; at most {MOST_DIAGNOSIS_BYTES:,} together")
