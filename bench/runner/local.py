"""Nodes → worker processes of this machine → records.

Every node has a fresh process. Trainings share the machine, as many at a time as there are
workers; then measurements have it to themselves, one after the other, each in several processes.
A process that crashes or runs out of time leaves a record that says so.
"""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from bench import disk, store
from bench.catalog import Catalog
from bench.errors import BenchError, told
from bench.planning.plan import Plan
from bench.records import Artifact, Record, Status, Use
from bench.runner import outcomes
from bench.runner.interrupt import Interrupt
from bench.runner.leases import Leases, News
from bench.runner.machine_lock import IN_USE, hold
from bench.runner.settings import Settings
from bench.runner.timer import Jobs, Timer
from bench.runner.watch import Watch
from bench.runner.workers import Job, Workers
from bench.tasks import Node, Task, failure

TICK_S = 0.5
MEASURED_TOGETHER = 24
"""Measure nodes whose processes take turns; an interruption loses no more than these."""


def run(plan: Plan, settings: Settings, watch: Watch, ready: Callable[[], None]) -> tuple[list[Record], bool]:
    """Execute all that is due; return the new records, each written as soon as it was there, and whether some is left.

    What is left needs networks that other runs have made elsewhere, and that are gone: another
    plan will have them made anew. Raise DataError, before any compute, if a dataset is missing or
    damaged; call `ready` once if none is.
    """
    due = [step.node for step in plan.steps.values() if step.due]
    if not due:
        ready()
        return [], False
    settings.home.temporary.mkdir(parents=True, exist_ok=True)
    try:
        with (
            hold(alone=False, waiting=watch.waiting, lock=IN_USE),
            Leases(settings.results, settings.home.session) as leases,
            closing(Workers(settings.home.logs / "workers.log")) as workers,  # before what they write is another's
        ):
            workers.warm_up(settings.kind(settings.threads))
            execution = _Execution(plan, settings, watch, workers, leases, due)
            execution.everything(ready)
    finally:
        shutil.rmtree(settings.home.scratch, ignore_errors=True)
    return execution.records, bool(execution.open)


class _Execution:
    """What is known while a plan runs."""

    def __init__(
        self, plan: Plan, settings: Settings, watch: Watch, workers: Workers, leases: Leases, due: list[Node]
    ) -> None:
        self.records: list[Record] = []
        self.open = {node.id: node for node in due}
        """What has no record yet, neither ours nor another run's."""
        self._interrupt = Interrupt()
        self._examples: dict[str, Path] = {}
        """What a prepared `measure` node is timed on."""
        self._plan = plan
        self._settings = settings
        self._watch = watch
        self._workers = workers
        self._leases = leases
        self._news = News(settings.results, settings.backend, plan.seen)
        self._catalog = Catalog(settings.plugins)
        self._jobs = Jobs(workers, self._interrupt, settings.timeout_s)
        self._timer = Timer(settings, self._jobs, watch)
        self._made: dict[str, Artifact] = {}
        self._trained: dict[str, Record] = {}
        for name, step in plan.steps.items():
            if not step.due and step.record is not None and step.record.artifact is not None:
                self._made[name] = step.record.artifact

    def everything(self, ready: Callable[[], None]) -> None:
        """Execute what is open: networks first, many at a time, then timings, with nothing else on the machine."""
        with hold(alone=False, waiting=self._watch.waiting), self._interrupt:
            self._fetch({str(node.cell.dataset): node.cell.dataset for node in self.open.values()})
            ready()
        again = True
        while again:
            with hold(alone=False, waiting=self._watch.waiting), self._interrupt:
                self._networks()
            measures = [node for node in self.open.values() if node.id in self._examples]
            for i in range(0, len(measures), MEASURED_TOGETHER):
                with hold(alone=True, waiting=self._watch.waiting), self._interrupt:
                    self._measures(measures[i : i + MEASURED_TOGETHER])
            with self._interrupt:
                again = bool(self.open) and self._await_others()

    def _fetch(self, datasets: dict[str, Use]) -> None:
        """Make sure that every dataset is there and has a record."""
        kind = self._settings.kind(self._settings.threads)
        for use in datasets.values():
            arguments = (use, self._settings.plugins, self._settings.results, self._settings.home)
            job = self._jobs.ended(self._jobs.start(kind, "bench.work.exploration:survey", *arguments))
            if outcomes.loaded(use, job) is False:
                self._watch.note(f"{use}: its files are not the published ones, and so every record will say")

    def _networks(self) -> None:
        """Execute `train`, `derive` and `diagnose` nodes and prepare `measure` nodes, children after their parents."""
        waiting = {name: node for name, node in self.open.items() if name not in self._examples}
        active: dict[Job, Task] = {}
        kind = self._settings.kind(self._settings.threads)
        while waiting or active:
            elsewhere = []
            for node in list(waiting.values()):
                if len(active) >= self._settings.workers:
                    break
                if not self._can_start(node) or self._repeats(node, active):
                    continue
                if not self._take(node):
                    elsewhere.append(node)
                    continue
                del waiting[node.id]
                if node.id not in self.open:
                    continue  # another run has done it
                task = self._task(node, self._settings.threads)
                does = "prepare" if node.kind == "measure" else "execute"
                active[self._jobs.start(kind, f"{self._settings.worker}:{does}", task)] = task
                if does == "execute":
                    self._watch.started(node)
            if not active and all(node.kind == "measure" for node in elsewhere):
                return  # the rest waits for networks that are not to be had here, or is with another run
            for job in self._workers.wait(TICK_S):
                task = active.pop(job)
                outcome = outcomes.outcome(job, task)
                if isinstance(outcome, Record):
                    self._keep(task, outcome)
                    self._fail_children(task.node, waiting, outcome.status)
                else:
                    self._examples[task.node.id] = outcome
            for task in active.values():
                if task.node.kind != "measure":
                    self._watch.progress(task.node, outcomes.progress(task))
            self._interrupt.check()

    def _can_start(self, node: Node) -> bool:
        return all(parent in self._made for parent in node.parents)

    def _repeats(self, node: Node, active: dict[Job, Task]) -> bool:
        """Tell whether a node would have its network converted beside another, perhaps to the same file."""
        return self._converts(node) and any(
            self._converts(task.node) and task.node.parents == node.parents for task in active.values()
        )

    def _converts(self, node: Node) -> bool:
        if node.measure is None:
            return False
        facts = self._catalog.card("runtimes", node.measure.runtime.name).facts(node.measure.runtime)
        return self._made[node.parents[0]].format in facts.converts

    def _take(self, node: Node) -> bool:
        """Take a node, or adopt what another run has recorded of it; False while another run executes it."""
        if record := self._news.of(node):
            self._adopt(node, record)
        elif not disk.patiently(lambda: self._leases.take(node), self._watch.note, self._interrupt.check):
            return False
        elif record := self._news.of(node):  # written before the lease was let go
            self._leases.release(node.id)
            self._adopt(node, record)
        return True

    def _await_others(self) -> bool:
        """Wait for what other runs have taken; tell whether they have left something that can be done here."""
        self._watch.note(f"{len(self.open)} nodes are with other runs; waiting for them")
        with self._leases.waiting():
            while self.open:
                started = time.monotonic()
                for node in list(self.open.values()):
                    if record := self._news.of(node):
                        self._adopt(node, record)
                    elif self._can_start(node) and self._take(node):
                        return True
                if self._leases.is_last():
                    return False
                time.sleep(max(1.0, 20 * (time.monotonic() - started)))  # they may be timing something
                self._interrupt.check()
        return False

    def _adopt(self, node: Node, record: Record) -> None:
        """Take another run's record for our own; what starts from a network of another machine is left to that one."""
        del self.open[node.id]
        self.records.append(record)
        if record.artifact is not None and (self._settings.home.artifacts / record.artifact.file).exists():
            self._made[node.id] = record.artifact
            self._trained[node.id] = record
        self._watch.finished(node, record)

    def _measures(self, nodes: list[Node]) -> None:
        """Time prepared networks, those of equal threads in turns with each other."""
        for threads in sorted({node.measure.threads for node in nodes if node.measure}):
            tasks = [self._task(node, threads) for node in nodes if node.measure and node.measure.threads == threads]
            sitting = secrets.token_hex(6)
            for task, found in self._timer.sitting(tasks, self._examples):
                if not isinstance(found, Record):
                    found = outcomes.measured(task, found, sitting, self._before(task))
                self._keep(task, found)

    def _before(self, task: Task) -> Record | None:
        """Return the timing that stood so far, where it is of the same network by the same code on this machine."""
        header = self._plan.steps[task.node.id].record
        if header is None or header.path is None or header.status != "finished":
            return None
        if header.provenance.code != task.node.code or header.parents != (task.parent and (task.parent.digest,)):
            return None
        return store.read_file(header.path, Record)

    def _fail_children(self, parent: Node, waiting: dict[str, Node], status: Status) -> None:
        """Record that a node's children cannot be executed: as failed, or as unsupported like their parent."""
        if status == "finished":
            return
        for node in [node for node in waiting.values() if parent.id in node.parents]:
            if waiting.pop(node.id, None) is None:
                continue  # failed already by way of another parent
            if node.kind == "measure":
                del self.open[node.id]  # of timings the parent's record says why
                continue
            if not self._take(node) or node.id not in self.open:
                continue  # another run says so
            task = self._task(node, self._settings.threads)
            reason = f"{parent.id}, which it starts from, did not finish"
            status = "unsupported" if status == "unsupported" else "failed"
            self._keep(task, failure(task, status, "ParentFailed", reason))
            self._fail_children(node, waiting, status)

    def _keep(self, task: Task, done: Record) -> None:
        self._write(done)
        self._leases.release(task.node.id)
        del self.open[task.node.id]
        self.records.append(done)
        if done.artifact is not None and done.status == "finished":
            self._made[task.node.id] = done.artifact
            self._trained[task.node.id] = done
        if done.status == "finished":
            shutil.rmtree(task.checkpoints, ignore_errors=True)
        self._watch.finished(task.node, done)

    def _write(self, done: Record) -> None:
        """Write a record; one that finds no room in time lies elsewhere, and the error says where."""
        results = self._settings.results
        try:
            disk.patiently(lambda: store.write(results, done), self._watch.note, self._interrupt.check)
        except (OSError, KeyboardInterrupt) as error:
            fault = told(error) if isinstance(error, OSError) else f"{results}: full, and nobody waits any more"
            for folder in (Path(tempfile.gettempdir()), self._settings.home.root, Path.home()):
                with suppress(OSError):
                    place = Path(tempfile.mkdtemp(prefix="keras-bench-", dir=folder))
                    path = store.write(place, done)
                    cure = f"the record is {path}; move it to {results / path.relative_to(place)}"
                    raise BenchError(f"{fault}; {cure}") from error
            raise

    def _task(self, node: Node, threads: int) -> Task:
        made = {name: self._made[name] for name in node.parents if name in self._made}
        return task_of(node, self._settings, threads=threads, parents=made, trained=self._training(node))

    def _training(self, node: Node) -> Record | None:
        """Return the record of the network that a `diagnose` node looks at, of now or of an earlier run."""
        if not node.diagnostic:
            return None
        parent = node.parents[0]
        if parent not in self._trained:
            header = self._plan.steps[parent].record
            if header is None or header.path is None:
                return None
            self._trained[parent] = store.read_file(header.path, Record)
        return self._trained[parent]


def task_of(
    node: Node,
    settings: Settings,
    *,
    threads: int,
    parents: dict[str, Artifact] | None = None,
    trained: Record | None = None,
) -> Task:
    """Return what a worker must know to execute a node; `trained` is the record of what a `diagnose` node looks at."""
    return Task(
        node=node,
        suite=settings.suite,
        home=settings.home,
        plugins=settings.plugins,
        commit=settings.commit,
        dirty=settings.dirty,
        threads=threads,
        backend=settings.backend,
        parents=parents or {},
        series=tuple(one for one in trained.series if one.watcher in (None, str(node.diagnostic))) if trained else (),
        fault=trained.watch_faults.get(str(node.diagnostic)) if trained else None,
    )
