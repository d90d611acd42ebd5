"""Old and new networks timed side by side: what two sittings leave open, one decides.

Nothing is recorded: the processes of both sides take turns on this machine, now, whatever the
versions that either was measured with before.
"""

import os
import secrets
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace
from rich.console import Console

from bench.catalog import Catalog
from bench.check.speed import speed
from bench.errors import BenchError
from bench.planning.plan import Plan
from bench.records import Artifact, Record, canonical
from bench.runner import local, outcomes
from bench.runner.interrupt import Interrupt
from bench.runner.machine_lock import IN_USE, hold
from bench.runner.settings import Settings
from bench.runner.timer import Jobs, Timer
from bench.runner.watch import PlainWatch
from bench.runner.workers import Workers
from bench.tasks import Node, Sample, Task, commit, home

ROUND = 5
"""Processes of each network after which is looked at what is still undecided."""
MOST_ROUNDS = 4


class Pair(NamedTuple):
    """The tasks that take a timing of both sides again."""

    new: Task
    old: Task


def remeasure(
    new: Sequence[Record], old: Sequence[Record], settings: Settings, tolerance: float
) -> tuple[list[Record], list[Record]]:
    """Return timings of both sides taken in one sitting, of what both have timed and whose networks are here.

    Five processes each, and up to twenty where that decides nothing. Raises BenchError if no pair
    of networks is on this machine.
    """
    pairs = _pairs(new, old, settings)
    if not pairs:
        cure = "bench run SUITE --artifacts makes those of today's code"
        raise BenchError(f"--remeasure: of no cell both networks, new and old, are on this machine; {cure}")
    watch = PlainWatch(Plan("", (), {}, 0, ()), 1, Console(stderr=True))
    interrupt = Interrupt()
    settings.home.claim()
    settings.home.temporary.mkdir(parents=True, exist_ok=True)
    try:
        with (
            hold(alone=False, waiting=watch.waiting, lock=IN_USE),
            closing(Workers(settings.home.logs / "workers.log")) as workers,
            hold(alone=True, waiting=watch.waiting),
            interrupt,
        ):
            jobs = Jobs(workers, interrupt, settings.timeout_s)
            examples = _prepared(pairs, jobs, settings)
            known = [pair for pair in pairs if all(task.node.id in examples for task in pair)]
            timed = _timed(known, Timer(settings, jobs, watch), examples, tolerance)
    finally:
        shutil.rmtree(settings.home.scratch, ignore_errors=True)
    return [new for new, _ in timed], [old for _, old in timed]


def settings_of(results: Path, catalog: Catalog) -> Settings:
    """Return how networks are timed again here."""
    head, dirty = commit()
    return Settings(
        suite="",
        results=results,
        home=home(),
        plugins=catalog.folders,
        backend=os.environ.get("KERAS_BACKEND", "tensorflow"),
        threads=1,
        workers=1,
        timeout_s=None,
        commit=head,
        dirty=dirty,
    )


def _prepared(pairs: Sequence[Pair], jobs: Jobs, settings: Settings) -> dict[str, Path]:
    """Convert networks for their runtimes; one that cannot be is said and left out."""
    examples = {}
    for task in (task for pair in pairs for task in pair):
        job = jobs.ended(jobs.start(settings.kind(settings.threads), f"{settings.worker}:prepare", task))
        found = outcomes.outcome(job, task)
        if isinstance(found, Record):
            reason = found.error.message if found.error else found.status
            print(f"bench: {task.node.id}: cannot be timed again: {reason}", file=sys.stderr)
        else:
            examples[task.node.id] = found
    return examples


def _timed(
    pairs: Sequence[Pair], timer: Timer, examples: dict[str, Path], tolerance: float
) -> list[tuple[Record, Record]]:
    """Return new and old timing of each pair, with more processes as long as they leave it undecided."""
    sitting = secrets.token_hex(6)
    samples: defaultdict[str, list[Sample]] = defaultdict(list)
    done: dict[str, tuple[Record, Record]] = {}
    waiting = list(pairs)
    for _ in range(MOST_ROUNDS):
        tasks = [task for pair in waiting for task in pair]
        for name, found in timer.rounds(tasks, examples, ROUND).items():
            if isinstance(found, Record):
                reason = found.error.message if found.error else found.status
                raise BenchError(f"--remeasure: {name}: {reason}")
            samples[name] += found
        for pair in waiting:
            new, old = (outcomes.measured(task, samples[task.node.id], sitting) for task in pair)
            done[pair.new.node.id] = (new, old)
        waiting = [pair for pair in waiting if _is_undecided(*done[pair.new.node.id], tolerance)]
        if not waiting:
            break
    return list(done.values())


def _is_undecided(new: Record, old: Record, tolerance: float) -> bool:
    return any(row.verdict == "undecided" for row in speed([new], [old], {}, tolerance))


def _pairs(new: Sequence[Record], old: Sequence[Record], settings: Settings) -> list[Pair]:
    """Return what both sides have timed, newest records, with tasks that time it again."""
    made: dict[str, Artifact] = {}
    for record in (*old, *new):
        if record.artifact and (settings.home.artifacts / record.artifact.file).exists():
            made[record.artifact.digest] = record.artifact
    latest: tuple[dict[tuple[object, ...], Record], ...] = ({}, {})
    for side, found in zip((new, old), latest, strict=True):
        for record in side:
            if record.measure and record.status == "finished" and record.parents and record.parents[0] in made:
                spec = canonical(replace(record.measure, profile="standard"))
                found[record.cell_id, record.seed, record.fold, spec] = record
    pairs = []
    for number, (key, record) in enumerate(latest[0].items()):
        other = latest[1].get(key)
        if other and record.parents != other.parents:
            sides = {"new": record, "old": other}
            tasks = (_task(f"{number}-{side}-{one.cell_id}", one, made, settings) for side, one in sides.items())
            pairs.append(Pair(*tasks))
    return pairs


def _task(name: str, record: Record, made: dict[str, Artifact], settings: Settings) -> Task:
    assert record.measure is not None
    node = Node(
        id=name,
        kind="measure",
        cell_id=record.cell_id,
        cell=record.cell,
        seed=record.seed,
        fold=record.fold,
        code={},
        parents=("network",),
        measure=replace(record.measure, profile="standard"),
    )
    of_suite, parents = replace(settings, suite=record.suite), {"network": made[record.parents[0]]}
    return local.task_of(node, of_suite, threads=record.measure.threads, parents=parents)
