"""What `results/` keeps of a suite: its rows, what is left out and why, and what it claims.

Written beside the records by the run that made them; the site, findings and checks read it
instead of the suite file.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from bench.limits import Created, Fold, Name, Seed, require, require_time
from bench.records import SCHEMA, Cell


class SuiteCell(Struct, frozen=True):
    """A row of the suite's grid, by the names that a reader knows it by."""

    cell_id: Name
    label: str
    """Short and unique within the suite, e.g. `resnet20 · augment · epochs=30`."""
    dataset: str
    architecture: str
    recipe: str
    cell: Cell
    formerly: tuple[str, ...] = ()
    """Ids that the cell had while a plugin of it had another name."""


class Exclusion(Struct, frozen=True):
    """Cells of the grid that are left out, and why."""

    label: str
    reason: str


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """A statement of a suite, to be tested on its records: is `compare` better than `against`?

    Both are expressions as in `bench run --only`. Runs are paired by every axis on which the
    two sides do not differ, and by seed and fold.
    """

    statement: str
    compare: str
    against: str
    metric: str = "accuracy"
    expect: Literal["higher", "lower", "equal"] = "higher"
    by: Annotated[float, msgspec.Meta(ge=0, le=1e100)] = 0.0
    """Smallest difference that counts, in the metric's own unit; for `equal`, the largest allowed."""
    keeps: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    """Share of what `against` reaches that `compare` must reach at least, such as MLPerf's 0.99 and 0.999; in place of
    `by`. Unsaid before schema 7."""
    published: str = ""
    """What others have reported of it, with the source, to stand beside our own figure; unsaid before schema 5."""


class PluginNote(Struct, frozen=True):
    """What the site says of a plugin even when its file is gone."""

    title: str
    paper: str | None = None


class SuiteRecord(Struct, frozen=True, kw_only=True):
    """The resolved suite, written beside its records: `results/<suite>/suite-<digest>.json`."""

    schema: int = SCHEMA
    created: Created
    name: Name
    digest: Name
    title: str
    about: str
    expect: dict[str, str]
    axes: dict[str, list[str]]
    """Name of each axis with its values as written: datasets, architectures, recipes, …"""
    recipes: dict[str, list[str]]
    baseline: str
    """The recipe that the others are judged against."""
    seeds: list[Seed]
    folds: list[Fold]
    profile: str
    runtimes: list[str]
    cells: tuple[SuiteCell, ...]
    exclusions: tuple[Exclusion, ...]
    findings: tuple[Claim, ...]
    plugins: dict[str, PluginNote]
    """By `architectures/resnet20`."""

    def __post_init__(self) -> None:
        """Refuse a grid without the recipe that all are judged against, and dates that are none."""
        require_time(self.created)
        require(self.baseline in self.recipes, f"there is no recipe '{self.baseline}'")
