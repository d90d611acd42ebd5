"""A cell of a suite with all its records: one row of a leaderboard, one page."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Literal

from msgspec import Struct

from bench import findings, stats, store
from bench.records import Diagnosis, Measurement, Record, Use
from bench.site.deployments import Deployment, Place, join
from bench.stats import Interval, Prior, Runs, Scale, Score
from bench.suite_record import SuiteCell

RunKey = tuple[int | None, int]
"""Seed and fold."""


class Look(Struct, frozen=True):
    """What a diagnostic found of a cell."""

    found: Diagnosis
    """Of the first network that it looked at."""
    seed: int | None
    """Of that network."""
    test: str
    """Fingerprint of the test part."""
    measured: dict[str, tuple[tuple[Measurement, Score], ...]]
    """Its figures, of every network, each as a record has it and as statistics take it."""


class Metric(Struct, frozen=True):
    """The measurement by which the rows of a dataset are ranked."""

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
"""The first that any record of a dataset's rows has is theirs."""


class Row(Struct, frozen=True, dict=True):
    """A cell of a suite with all that is known of it."""

    cell: SuiteCell
    metric: Metric
    records: tuple[Record, ...]
    """Every execution of every node, oldest first."""
    models: tuple[Record, ...]
    """The record of the last network of each (seed, fold)."""
    measures: tuple[Record, ...]
    """The newest finished record of each timing of these networks on each machine."""
    outdated: int
    """Finished timings of the cell's earlier networks, which are not shown."""
    faults: tuple[Record, ...]
    """The newest record of each node that never finished, timings of earlier networks aside."""
    place: Place | None = None
    """Where the timings were taken that the suite compares."""
    scale: Scale | None = None
    """On which all rows of the suite with this metric are compared."""
    prior: Prior | None = None
    """What all rows of the suite say of the variance between seeds."""

    @property
    def seedless(self) -> bool:
        """Tell whether the cell's network is read from a file: one run stands for all seeds."""
        return any(record.seed is None for record in self.records)

    @property
    def is_from_a_file(self) -> bool:
        """Tell whether a person's own network is judged, which no seed made here."""
        return any(record.node == "train" and record.seed is None for record in self.records)

    @property
    def digests(self) -> frozenset[str]:
        """Return what names the networks that the row shows."""
        return _digests(self.models)

    @cached_property
    def scores(self) -> dict[RunKey, Score]:
        """Return what each run reached in the metric."""
        found = {(record.seed, record.fold): stats.score(record, self.metric.name) for record in self.models}
        return {run: score for run, score in found.items() if score is not None}

    @cached_property
    def runs(self) -> Runs | None:
        """Return the same on the scale on which rows are compared; None without any."""
        return Runs(list(self.scores.values()), self.scale) if self.scores else None

    @cached_property
    def score(self) -> Interval | None:
        """Return the metric's mean over seeds and folds, with the interval in which its true value lies."""
        return stats.interval(self.runs, self.prior) if self.runs else None

    def interval(self, name: str) -> Interval | None:
        """Return a measurement on the test set: mean over seeds and folds, with its interval."""
        scores = [score for record in self.models if (score := stats.score(record, name))]
        return stats.interval(Runs(scores)) if scores else None

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
        """Return the fastest runtime at batch size 1, on the suite's machine, of the timings that are valid."""
        return next((timing for timing in self.comparable if timing.batch_size == 1), None)

    @property
    def size_bytes(self) -> float | None:
        """Return the size of the file that the fastest runtime reads; of the network's own where none was timed."""
        timed = self.fastest.deployed_bytes if self.fastest else None
        return self.mean("size_bytes") if timed is None else timed

    @cached_property
    def peak(self) -> Deployment | None:
        """Return the batch size at which that runtime handles most examples a second."""
        if self.fastest is None:
            return None
        same = [timing for timing in self.comparable if timing.runtime == self.fastest.runtime]
        return max(same, key=lambda timing: timing.throughput or 0.0)

    @cached_property
    def looks(self) -> dict[str, Look]:
        """Return what each diagnostic found of the first network that it looked at, by name.

        Older diagnoses stand in the network's own record. One diagnostic of several settings is
        told apart by its call.
        """
        by_network = findings.looks_at(self.records)
        shown: dict[str, Look] = {}
        uses: dict[str, Use | None] = {}
        for model in self.models:
            own = by_network.get(model.artifact.digest if model.artifact else "", ())
            for record in (*sorted(own, key=lambda record: record.created), model):
                for name, found in record.diagnostics.items():
                    use = record.diagnostic
                    label = name if use is None or uses.setdefault(name, use) == use else str(use)
                    if label not in shown:
                        shown[label] = Look(found, record.seed, record.data.test_fingerprint if record.data else "", {})
                    for m in record.measurements if use else ():
                        if score := stats.score(record, m.name):
                            shown[label].measured[m.name] = (*shown[label].measured.get(m.name, ()), (m, score))
        return shown

    @property
    def comparable(self) -> list[Deployment]:
        """Return the valid timings on the suite's machine, in the same order; no other has a place on a chart."""
        return [d for d in self._of_one_place if d.validity == "valid"]

    @property
    def single(self) -> list[Deployment]:
        """Return the timings of one example a call on the suite's machine, in the same order, valid or not."""
        return [d for d in self._of_one_place if d.batch_size == 1]

    @property
    def _of_one_place(self) -> list[Deployment]:
        return [d for d in self.deployments if d.place == self.place]

    @property
    def doubtful(self) -> Deployment | None:
        """Return the fastest of the timings at batch size 1 that are unstable, where none is valid."""
        return next((d for d in self.single if d.validity == "unstable"), None) if self.fastest is None else None

    @property
    def made(self) -> str:
        """Return when the newest of the row's networks was made, or last tried; UTC, ISO 8601."""
        return max(record.created for record in self.models or self.records)

    @property
    def outcome(self) -> str:
        """Return what became of a cell without a score."""
        models = [record.status for record in self.faults if record.node in {"train", "derive"}]
        return models[-1].replace("_", " ") if models else "not run"


def row_of(cell: SuiteCell, metric: Metric, records: list[Record], runtimes: Collection[str] | None = None) -> Row:
    """Join a cell's records, oldest first, so that all figures of a run are of one network.

    A run (a seed and a fold) shows its newest network, and beside it only timings of that very
    network, which their first parent names: the accuracy of one and the latency of another
    describe nothing that exists. Where a run was trained anew and not timed since, the older
    network does not come back for the sake of its timings, since findings and `bench check`
    speak of the newest, too; the row has no latency until that network is timed, and
    `outdated` says why. Of timings those on `runtimes` count, or all: others were taken for
    another suite with the same cell.
    """
    models = findings.final_records(records).values()
    shown = _digests(models)

    def counts(record: Record) -> bool:
        makes_networks = record.node in {"train", "derive"}
        return makes_networks or not record.parents or record.parents[0] in shown

    asked = [one for one in records if not one.measure or runtimes is None or str(one.measure.runtime) in runtimes]
    speaking = [record for record in asked if counts(record)]
    done = {store.key(record) for record in speaking if record.status == "finished"}
    faults = {store.key(record): record for record in speaking if store.key(record) not in done}
    timings: defaultdict[str, list[Record]] = defaultdict(list)
    for record in speaking:
        if record.node == "measure":
            timings[record.provenance.hardware.fingerprint].append(record)
    return Row(
        cell=cell,
        metric=metric,
        records=tuple(records),
        models=tuple(sorted(models, key=lambda record: (record.fold, record.seed or 0))),
        measures=tuple(record for found in timings.values() for record in store.newest(found)),
        outdated=sum(
            record.node == "measure" and record.status == "finished" and not counts(record) for record in asked
        ),
        faults=tuple(faults.values()),
    )


def _digests(models: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.artifact.digest for record in models if record.artifact)
