"""A suite as its pages show it: the rows of each dataset ranked, recipes compared, findings judged.

Pure data, no words and no HTML.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from bench import findings, stats
from bench.errors import BenchError
from bench.findings import Finding
from bench.records import Record, canonical
from bench.site import earlier
from bench.site.deployments import Place, place
from bench.site.rows import METRICS, Metric, Row, row_of
from bench.stats import Interval
from bench.suite_record import SuiteCell, SuiteRecord

T = TypeVar("T")


class Effect(Struct, frozen=True):
    """What a recipe changes against the suite's baseline, all else equal."""

    row: Row
    against: Row
    difference: Interval


class Board(Struct, frozen=True, dict=True):
    """The rows of one dataset, which alone can be ranked against each other."""

    dataset: str
    metric: Metric
    rows: tuple[Row, ...]
    """Best first; rows without a score last."""
    ranks: dict[str, str]
    """Rank of each cell id as a reader sees it, `2=` where rows are tied."""
    resolution: float | None
    """The difference from which on a row parts from the best, in the metric's unit; None without two ranked rows."""
    effects: tuple[Effect, ...]
    """Of every recipe but the baseline, recipe by recipe."""

    @property
    def scored(self) -> tuple[Row, ...]:
        """Return the rows that have a score."""
        return tuple(row for row in self.rows if row.score)

    @property
    def leaders(self) -> tuple[Row, ...]:
        """Return the rows that share the first rank, best first."""
        return tuple(row for row in self.rows if self.ranks.get(row.cell.cell_id) in {"1", "1="})

    @cached_property
    def frontier(self) -> frozenset[str]:
        """Return the cell ids of the rows that no other row beats in both score and latency."""
        timed = [(row.fastest.p50_ms.value, self._gain(row), row.cell.cell_id) for row in self.scored if row.fastest]
        return frozenset(
            cell_id
            for ms, gain, cell_id in timed
            if not any(m <= ms and g >= gain and (m, g) != (ms, gain) for m, g, _ in timed)
        )

    def _gain(self, row: Row) -> float:
        assert row.score is not None
        return row.score.value if self.metric.better == "higher" else -row.score.value


class SuiteView(Struct, frozen=True, dict=True):
    """A suite with its boards and findings."""

    suite: SuiteRecord
    boards: tuple[Board, ...]
    findings: tuple[Finding, ...]
    earlier: tuple[Row, ...] = ()
    """Rows that the suite no longer asks for, last made first; they are neither ranked nor among `rows`."""
    problems: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """Return the rows of all boards."""
        return [row for board in self.boards for row in board.rows]

    @property
    def runs(self) -> int:
        """Return how many of the suite's own runs have made their network; rows may hold more, of other suites."""
        asked = {None, *self.suite.seeds}
        models = [record for row in self.rows for record in row.models]
        return sum(record.seed in asked and record.fold in self.suite.folds for record in models)

    @cached_property
    def records(self) -> list[Record]:
        """Return every execution of the suite's cells."""
        return [record for row in self.rows for record in row.records]

    def facts(self, of: Callable[[Record], T | None]) -> list[T]:
        """Return the distinct values of a field over the finished records, in order of first appearance."""
        values = (of(record) for record in self.records if record.status == "finished")
        return list(dict.fromkeys(value for value in values if value is not None))


def view(suite: SuiteRecord, records: Sequence[Record]) -> SuiteView:
    """Join a suite's records; `records` are all that there are, oldest first.

    Of its cells' timings those on the suite's own runtimes are shown, compared on the machine and with the threads
    that most of what was timed for this suite has.
    """
    by_cell: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_cell[record.cell_id].append(record)
    metrics = {
        dataset: _metric(record for cell in cells for record in by_cell[cell.cell_id])
        for dataset, cells in _by_dataset(suite).items()
    }
    rows = [row_of(cell, metrics[cell.dataset], by_cell[cell.cell_id], suite.runtimes) for cell in suite.cells]
    compared = _place(suite, [record for row in rows for record in row.measures])
    scales = {
        name: stats.scale_of(score for row in rows if row.metric.name == name for score in row.scores.values())
        for name in {row.metric.name for row in rows}
    }
    rows = [replace(row, place=compared, scale=scales[row.metric.name]) for row in rows]
    prior = stats.prior_of(row.runs.group for row in rows if row.runs and row.metric.name == "accuracy")
    rows = [replace(row, prior=prior) for row in rows]
    boards = [
        _board(suite, dataset, metric, [row for row in rows if row.cell.dataset == dataset])
        for dataset, metric in metrics.items()
    ]
    judged, problems = _judge(suite, [record for row in rows for record in row.records])
    gone = [
        row_of(cell, _metric(by_cell[cell.cell_id]), by_cell[cell.cell_id]) for cell in earlier.cells(suite, records)
    ]
    return SuiteView(
        suite=suite,
        boards=tuple(boards),
        findings=judged,
        earlier=tuple(sorted(gone, key=lambda row: row.made, reverse=True)),
        problems=problems,
    )


def _place(suite: SuiteRecord, timings: Sequence[Record]) -> Place | None:
    """Return where the suite's rows are compared: where most was timed for it, or for others if nothing was."""
    own = [record for record in timings if record.suite == suite.name] or timings
    places = Counter(map(place, own))
    return max(places, key=places.__getitem__, default=None)


def _by_dataset(suite: SuiteRecord) -> dict[str, list[SuiteCell]]:
    cells: defaultdict[str, list[SuiteCell]] = defaultdict(list)
    for cell in suite.cells:
        cells[cell.dataset].append(cell)
    return cells


def _metric(records: Iterable[Record]) -> Metric:
    """Return the metric by which rows are ranked: the first that any of their records has."""
    names = {m.name for record in records for m in record.measurements}
    return next((metric for metric in METRICS if metric.name in names), METRICS[0])


def _judge(suite: SuiteRecord, records: list[Record]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    try:
        return tuple(findings.judge(suite, records)), ()
    except BenchError as error:  # An old suite may hold an expression that is no longer understood.
        return (), (f"{suite.name}: its findings cannot be tested: {error}",)


def _board(suite: SuiteRecord, dataset: str, metric: Metric, rows: list[Row]) -> Board:
    prior = next((row.prior for row in rows), None)
    finished = {i for i, row in enumerate(rows) if row.is_from_a_file and metric.name == "accuracy"}
    prior = prior if metric.name == "accuracy" else None
    found = stats.ranking([row.runs for row in rows], prior, metric.better, finished)
    tied = Counter(found.ranks)
    ranks = {
        row.cell.cell_id: f"{rank}{'=' * (tied[rank] > 1)}" for row, rank in zip(rows, found.ranks, strict=True) if rank
    }
    sign = -1 if metric.better == "higher" else 1
    ordered = sorted(rows, key=lambda row: (row.score is None, sign * row.score.value if row.score else 0.0))
    return Board(
        dataset=dataset,
        metric=metric,
        rows=tuple(ordered),
        ranks=ranks,
        resolution=found.resolution,
        effects=tuple(_effects(suite, ordered)),
    )


def _effects(suite: SuiteRecord, rows: list[Row]) -> list[Effect]:
    """Return what each recipe changes against the baseline, recipe by recipe, runs paired by seed and fold."""
    baselines = {_all_but_recipe(row): row for row in rows if row.cell.recipe == suite.baseline}
    found = []
    for recipe in (name for name in suite.recipes if name != suite.baseline):
        for row in rows:
            against = baselines.get(_all_but_recipe(row))
            if row.cell.recipe == recipe and against is not None:
                pairs = stats.Pairs.of(row.scores, against.scores)
                if pairs is not None:
                    found.append((row, against, pairs))
    prior = stats.prior_of(pairs.group for *_, pairs in found)
    return [Effect(row=row, against=against, difference=pairs.difference(prior)) for row, against, pairs in found]


def _all_but_recipe(row: Row) -> bytes:
    return canonical((row.cell.cell.architecture, row.cell.cell.training))
