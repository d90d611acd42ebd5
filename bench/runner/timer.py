"""Timings: prepared networks take turns, each timing in a fresh process, with nothing else on the machine."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.catalog import Catalog
from bench.measure.profiles import PROFILES
from bench.records import Record
from bench.runner import outcomes
from bench.runner.interrupt import Interrupt
from bench.runner.settings import Settings
from bench.runner.watch import Watch
from bench.runner.workers import Job, Kind, Workers
from bench.tasks import Sample, Task

MORE_PROCESSES = 3
"""Most that a timing may have beyond its profile's, where those disagree."""


class Jobs:
    """Worker processes, waited for with an eye on the signals."""

    def __init__(self, workers: Workers, interrupt: Interrupt, timeout_s: float | None) -> None:
        """Stop each job after a time limit, if there is one."""
        self._workers = workers
        self._interrupt = interrupt
        self._timeout_s = timeout_s

    def start(self, kind: Kind, function: str, *arguments: Any, alone: bool = False) -> Job:
        """Execute `module:function` in a fresh process of a kind; nothing is prepared beside one that is `alone`."""
        return self._workers.start(kind, function, *arguments, timeout_s=self._timeout_s, alone=alone)

    def ended(self, job: Job) -> Job:
        """Sleep until a job has ended, but for a look at the signals once a second."""
        while not job.ended:
            self._workers.wait(1.0)
            self._interrupt.check()
        return job


class Timer:
    """Times networks that are prepared, round after round."""

    def __init__(self, settings: Settings, jobs: Jobs, watch: Watch) -> None:
        """Time by the runtimes that the settings' plugins have."""
        self._settings = settings
        self._jobs = jobs
        self._watch = watch
        self._catalog = Catalog(settings.plugins)

    def sitting(
        self, tasks: Sequence[Task], examples: Mapping[str, Path]
    ) -> Iterator[tuple[Task, list[Sample] | Record]]:
        """Yield each task with what its processes measured in one sitting, or with the record of why it failed.

        Every round has an order of its own; where processes disagree a few more are started.
        """
        samples = self.rounds(tasks, examples)
        for task in tasks:
            found = samples[task.node.id]
            yield task, found if isinstance(found, Record) else self._settled(task, found, examples)

    def rounds(
        self, tasks: Sequence[Task], examples: Mapping[str, Path], processes: int | None = None
    ) -> dict[str, list[Sample] | Record]:
        """Return what so many processes of each task measure, as many as their profiles ask for unless said."""
        samples: dict[str, list[Sample]] = {task.node.id: [] for task in tasks}
        faults: dict[str, Record] = {}
        wanted = [PROFILES[task.node.measure.profile].processes for task in tasks if task.node.measure]
        rounds = processes or max(wanted, default=0)
        for i in range(rounds):
            self._watch.measuring(len(tasks), i + 1, rounds)
            for task in random.Random(i).sample(list(tasks), len(tasks)):
                if task.node.id not in faults:
                    self._watch.started(task.node)
                    outcome = self._timed(task, examples)
                    if isinstance(outcome, Record):
                        faults[task.node.id] = outcome
                    else:
                        samples[task.node.id].append(outcome)
        return samples | faults

    def _settled(self, task: Task, samples: list[Sample], examples: Mapping[str, Path]) -> list[Sample]:
        """Time a node in more processes, a few at most, as long as those that there are disagree."""
        from bench.measure.summary import is_settled

        for _ in range(MORE_PROCESSES):
            if not samples or is_settled(task, samples):
                break
            outcome = self._timed(task, examples)
            if isinstance(outcome, Record):
                break
            samples.append(outcome)
        return samples

    def _timed(self, task: Task, examples: Mapping[str, Path]) -> Sample | Record:
        """Return what a fresh process measures of a node, or the record of what became of it."""
        assert task.node.measure is not None
        runtime = task.node.measure.runtime
        facts = self._catalog.card("runtimes", runtime.name).facts(runtime)
        kind = self._settings.kind(task.threads, light=facts.light, backend=facts.backend)
        function = f"{self._settings.timer}:sample"
        job = self._jobs.ended(self._jobs.start(kind, function, task, examples[task.node.id], alone=True))
        outcome: Sample | Record = outcomes.outcome(job, task)
        return outcome
