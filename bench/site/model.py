"""Records joined into what the pages show: a row for each cell, a board for each dataset.

Pure data, no words and no HTML. A run's nodes are joined by cell, seed and fold; of each node
the newest finished record counts.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Literal, TypeVar

from msgspec import Struct

from bench import findings, stats, store
from bench.errors import BenchError
from bench.findings import Finding
from bench.records import Record, SuiteCell, SuiteRecord
from bench.site.deployments import Deployment, join
from bench.stats import Interval, Score

RunKey = tuple[int | None, int]
"""Seed and fold."""

T = TypeVar("T")


class Metric(Struct, frozen=True):
    """The measurement by which a suite's rows are ranked."""

    name: str
    title: str
    better: Literal["higher", "lower"]
    percent: bool = False
    """The values are proportions."""


METRICS = (
    Metric(name="accuracy", title="Accuracy", better="higher", percent=True),
    Metric(name="r2", title="R²", better="higher"),
    Metric(name="loss", title="Loss", better="lower"),
)
"""The first that any record of a suite has is the suite's."""


class Row(Struct, frozen=True, dict=True):
    """A cell of a suite with all that is known of it."""

    cell: SuiteCell
    metric: Metric
    records: tuple[Record, ...]
    """Every execution of every node, oldest first."""
    models: tuple[Record, ...]
    """The record of the last network of each (seed, fold)."""
    measures: tuple[Record, ...]
    faults: tuple[Record, ...]
    """The newest record of each node that never finished."""

    @cached_property
    def scores(self) -> dict[RunKey, Score]:
        """Return what each run reached in the suite's metric."""
        found = {(record.seed, record.fold): stats.score(record, self.metric.name) for record in self.models}
        return {run: score for run, score in found.items() if score is not None}

    @cached_property
    def score(self) -> Interval | None:
        """Return the suite's metric: mean over seeds and folds, with Student's t-interval."""
        return stats.mean_interval([score.value for score in self.scores.values()]) if self.scores else None

    @cached_property
    def binomial(self) -> Interval | None:
        """Return the mean accuracy with the interval that the size of the test set alone gives."""
        sizes = [score.n for score in self.scores.values() if score.n]
        if self.score is None or self.metric.name != "accuracy" or not sizes:
            return None
        return stats.wilson(self.score.value * min(sizes), min(sizes))

    def mean(self, name: str, class_name: str | None = None) -> float | None:
        """Return a measurement's mean over seeds and folds."""
        values = (record.value(name, class_name=class_name) for record in self.models)
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    @cached_property
    def deployments(self) -> tuple[Deployment, ...]:
        """Return the timings, fastest runtime first at each batch size."""
        return join(self.measures)

    @cached_property
    def fastest(self) -> Deployment | None:
        """Return the fastest runtime at batch size 1 whose timings are not invalid."""
        return next((d for d in self.deployments if d.batch_size == 1 and d.validity != "invalid"), None)

    @cached_property
    def peak(self) -> Deployment | None:
        """Return the batch size at which that runtime handles most examples a second."""
        if self.fastest is None:
            return None
        same = [d for d in self.deployments if d.runtime == self.fastest.runtime and d.validity != "invalid"]
        return max(same, key=lambda d: d.throughput or 0.0)

    @property
    def outcome(self) -> str:
        """Return what became of a cell without a score."""
        models = [record.status for record in self.faults if record.node != "measure"]
        return models[-1].replace("_", " ") if models else "not run"


class Board(Struct, frozen=True, dict=True):
    """The rows of one dataset, which alone can be ranked against each other."""

    dataset: str
    metric: Metric
    rows: tuple[Row, ...]
    """Best first; rows without a score last."""
    ranks: dict[str, str]
    """Rank of each cell id as a reader sees it, `2=` where rows are tied."""

    @property
    def scored(self) -> tuple[Row, ...]:
        """Return the rows that have a score."""
        return tuple(row for row in self.rows if row.score)

    @property
    def leaders(self) -> tuple[Row, ...]:
        """Return the rows that share the first rank, best first."""
        return tuple(row for row in self.rows if self.ranks.get(row.cell.cell_id) in {"1", "1="})

    @cached_property
    def frontier(self) -> tuple[Row, ...]:
        """Return the rows that no other row beats in both score and latency."""
        timed = [(row.fastest.p50_ms.value, self._gain(row), row) for row in self.scored if row.fastest]
        return tuple(
            row
            for ms, gain, row in timed
            if not any(m <= ms and g >= gain and (m, g) != (ms, gain) for m, g, _ in timed)
        )

    def _gain(self, row: Row) -> float:
        assert row.score is not None
        return row.score.value if self.metric.better == "higher" else -row.score.value


class Effect(Struct, frozen=True):
    """What a recipe changes against the suite's baseline, all else equal."""

    row: Row
    against: Row
    difference: Interval


class SuiteView(Struct, frozen=True, dict=True):
    """A suite with its boards and findings."""

    suite: SuiteRecord
    metric: Metric
    boards: tuple[Board, ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        """Return the rows of all boards."""
        return [row for board in self.boards for row in board.rows]

    @property
    def runs(self) -> int:
        """Return how many runs have made their network."""
        return sum(len(row.models) for row in self.rows)

    @cached_property
    def records(self) -> list[Record]:
        """Return every execution of the suite's cells."""
        return [record for row in self.rows for record in row.records]

    def facts(self, of: Callable[[Record], T | None]) -> list[T]:
        """Return the distinct values of a field over the finished records, in order of first appearance."""
        values = (of(record) for record in self.records if record.status == "finished")
        return list(dict.fromkeys(value for value in values if value is not None))


def view(suite: SuiteRecord, records: Iterable[Record]) -> SuiteView:
    """Join a suite's records; `records` are those of its cells, oldest first."""
    by_cell: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_cell[record.cell_id].append(record)
    everything = [record for found in by_cell.values() for record in found]
    names = {m.name for record in everything for m in record.measurements}
    metric = next((metric for metric in METRICS if metric.name in names), METRICS[0])
    rows = [_row(cell, metric, by_cell[cell.cell_id]) for cell in suite.cells]
    datasets = dict.fromkeys(row.cell.dataset for row in rows)
    judged, problems = _judge(suite, everything)
    return SuiteView(
        suite=suite,
        metric=metric,
        boards=tuple(_board(name, metric, [row for row in rows if row.cell.dataset == name]) for name in datasets),
        findings=judged,
        problems=problems,
    )


def _judge(suite: SuiteRecord, records: list[Record]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    try:
        return tuple(findings.judge(suite, records)), ()
    except BenchError as error:  # An old suite may hold an expression that is no longer understood.
        return (), (f"{suite.name}: its findings cannot be tested: {error}",)


def effects(view: SuiteView, board: Board) -> list[Effect]:
    """Return each recipe's effect on each architecture, runs paired by seed and fold."""
    found = []
    for row in board.scored:
        against = next((other for other in board.scored if _is_baseline(view.suite, other, row)), None)
        if against is not None:
            difference = stats.paired_scores(row.scores, against.scores)
            if difference is not None:
                found.append(Effect(row=row, against=against, difference=difference))
    order = {recipe: index for index, recipe in enumerate(view.suite.recipes)}
    return sorted(found, key=lambda effect: order.get(effect.row.cell.recipe, len(order)))


def _is_baseline(suite: SuiteRecord, other: Row, row: Row) -> bool:
    return (
        other.cell.recipe == suite.baseline != row.cell.recipe
        and other.cell.cell.architecture == row.cell.cell.architecture
        and other.cell.cell.training == row.cell.cell.training
    )


def _board(dataset: str, metric: Metric, rows: list[Row]) -> Board:
    ranks = stats.tied_ranks([row.scores for row in rows], metric.better)
    tied = {rank for rank in ranks if rank is not None and ranks.count(rank) > 1}
    shown = {row.cell.cell_id: f"{rank}{'=' * (rank in tied)}" for row, rank in zip(rows, ranks, strict=True) if rank}
    sign = -1 if metric.better == "higher" else 1
    ordered = sorted(rows, key=lambda row: (row.score is None, sign * row.score.value if row.score else 0.0))
    return Board(dataset=dataset, metric=metric, rows=tuple(ordered), ranks=shown)


def _row(cell: SuiteCell, metric: Metric, records: list[Record]) -> Row:
    finished = store.newest(records)
    done = {repr(store.key(record)) for record in finished}
    faults = {repr(store.key(record)): record for record in records if repr(store.key(record)) not in done}
    models = findings.final_records(records).values()
    return Row(
        cell=cell,
        metric=metric,
        records=tuple(records),
        models=tuple(sorted(models, key=lambda record: (record.fold, record.seed or 0))),
        measures=tuple(record for record in finished if record.node == "measure"),
        faults=tuple(faults.values()),
    )
