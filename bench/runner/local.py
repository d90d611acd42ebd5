"""Nodes → worker processes of this machine → records.

Trainings share the machine, as many at a time as there are workers; then measurements have it to
themselves, one after the other, each in several fresh processes. A worker that crashes or runs
out of time is replaced, and its node leaves a record that says so.
"""

import random
import shutil
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from pebble import ProcessExpired, ProcessPool

from bench import store
from bench.errors import DataError, Unsupported, first_line
from bench.measure.profiles import PROFILES
from bench.planning.plan import Plan
from bench.records import Artifact, Record, Series, Status, Use
from bench.runner.interrupt import Interrupt
from bench.runner.machine_lock import hold
from bench.runner.process import call, environment, start
from bench.runner.watch import Watch
from bench.tasks import Home, Node, Progress, Sample, Task, failure, provenance, record

TICK_S = 0.5
MEASURED_TOGETHER = 24
"""Measure nodes that share their fresh processes; an interruption loses no more than these."""


class Settings(Struct, frozen=True):
    """How to run a plan."""

    suite: str
    results: Path
    home: Home
    plugins: tuple[Path, ...]
    backend: str
    threads: int
    workers: int
    timeout_s: float | None
    commit: str | None
    dirty: bool | None
    worker: str = "bench.work.worker"
    """Module with `execute` and `sample`; tests put a light one in its place."""


def run(plan: Plan, settings: Settings, watch: Watch, ready: Callable[[], None]) -> list[Record]:
    """Execute all that is due and return the new records; each is written as soon as it is there.

    Raise DataError, before any compute, if a dataset is missing or damaged; call `ready` once if
    none is.
    """
    due = [step.node for step in plan.steps.values() if step.due]
    if not due:
        ready()
        return []
    execution = _Execution(plan, settings, watch)
    try:
        with hold(alone=False, waiting=watch.waiting), execution.interrupt:
            execution.fetch({str(node.cell.dataset): node.cell.dataset for node in due})
            ready()
            execution.networks([node for node in due if node.kind != "measure"])
        measures = [node for node in due if node.kind == "measure"]
        for i in range(0, len(measures), MEASURED_TOGETHER):
            with hold(alone=True, waiting=watch.waiting), execution.interrupt:
                execution.measures(measures[i : i + MEASURED_TOGETHER])
    finally:
        execution.stop()
    return execution.records


class _Execution:
    """What is known while a plan runs."""

    def __init__(self, plan: Plan, settings: Settings, watch: Watch) -> None:
        self.records: list[Record] = []
        self.interrupt = Interrupt()
        self._plan = plan
        self._settings = settings
        self._watch = watch
        self._pools: dict[str, ProcessPool] = {}
        self._made: dict[str, Artifact] = {}
        self._series: dict[str, tuple[Series, ...]] = {}
        for name, step in plan.steps.items():
            if not step.due and step.record is not None and step.record.artifact is not None:
                self._made[name] = step.record.artifact

    def stop(self) -> None:
        """End all workers at once and take their scratch away."""
        for name in list(self._pools):
            self._end(name)
        shutil.rmtree(self._settings.home.scratch, ignore_errors=True)

    def fetch(self, datasets: dict[str, Use]) -> None:
        """Make sure that every dataset is there and has a record."""
        for use in datasets.values():
            arguments = (use, self._settings.plugins, self._settings.results)
            future = self._pool("").schedule(call, args=("bench.work.exploration:survey", *arguments))
            self._wait_for(future)
            try:
                fault = future.result()
            except ProcessExpired as error:
                fault = f"{use}: loading it ended its process with exit code {error.exitcode}; is there enough memory?"
            if fault:
                raise DataError(fault)

    def networks(self, nodes: list[Node]) -> None:
        """Execute `train` and `derive` nodes, children after their parents."""
        waiting = {node.id: node for node in nodes}
        active: dict[Future[Any], Task] = {}
        while waiting or active:
            while len(active) < self._settings.workers and (node := self._next(waiting)):
                task = self._task(waiting.pop(node.id), self._settings.threads)
                active[self._schedule(self._pool(node.isolate), "execute", task)] = task
                self._watch.started(node)
            self._close_idle(waiting, active)
            done, _ = wait(active, timeout=TICK_S, return_when=FIRST_COMPLETED)
            for future in done:
                task = active.pop(future)
                self._keep(task, _outcome(future, task))
                self._fail_children(task.node, waiting, self.records[-1].status)
            for task in active.values():
                self._watch.progress(task.node, _progress(task))
            self.interrupt.check()

    def measures(self, nodes: list[Node]) -> None:
        """Time finished networks: each fresh process goes through all of them in an order of its own."""
        self._close_idle({}, {})
        here = [node for node in nodes if self._is_ready(node)]  # of the others, the parent's record says why
        for threads in sorted({node.measure.threads for node in here if node.measure}):
            alike = [node for node in here if node.measure and node.measure.threads == threads]
            self._measure([self._task(node, threads) for node in alike])

    def _measure(self, tasks: list[Task]) -> None:
        samples: dict[str, list[Sample]] = {task.node.id: [] for task in tasks}
        faults: dict[str, Record] = {}
        rounds = max((PROFILES[task.node.measure.profile].processes for task in tasks if task.node.measure), default=0)
        for i in range(rounds):
            self._watch.measuring(len(tasks), i + 1, rounds)
            pool = self._new_pool(1, tasks[0].threads)
            self._pools["measure"] = pool
            for task in random.Random(i).sample(tasks, len(tasks)):
                if task.node.id not in faults:
                    self._watch.started(task.node)
                    future = self._schedule(pool, "sample", task)
                    self._wait_for(future)
                    outcome = _outcome(future, task)
                    if isinstance(outcome, Record):
                        faults[task.node.id] = outcome
                    else:
                        samples[task.node.id].append(outcome)
            self._end("measure")
        for task in tasks:
            self._keep(task, faults.get(task.node.id) or _measured(task, samples[task.node.id]))

    def _wait_for(self, future: Future[Any]) -> None:
        """Sleep until a future is done, but for a look at the signals once a second."""
        while not future.done():
            wait([future], timeout=1.0)
            self.interrupt.check()

    def _next(self, waiting: dict[str, Node]) -> Node | None:
        """Return a node whose parent is there, one for a warm worker if possible."""
        ready = [node for node in waiting.values() if self._is_ready(node)]
        warm = [node for node in ready if node.isolate in self._pools]
        return next(iter(warm or ready), None)

    def _is_ready(self, node: Node) -> bool:
        return all(parent in self._made for parent in node.parents)

    def _fail_children(self, parent: Node, waiting: dict[str, Node], status: Status) -> None:
        """Record that a node's children cannot be executed: as failed, or as unsupported like their parent."""
        if status == "finished":
            return
        for node in [node for node in waiting.values() if parent.id in node.parents]:
            if waiting.pop(node.id, None) is None:
                continue  # failed already by way of another parent
            task = self._task(node, self._settings.threads)
            reason = f"{parent.id}, which it starts from, did not finish"
            status = "unsupported" if status == "unsupported" else "failed"
            self._keep(task, failure(task, status, "ParentFailed", reason))
            self._fail_children(node, waiting, status)

    def _keep(self, task: Task, done: Record) -> None:
        store.write(self._settings.results, done)
        self.records.append(done)
        if done.artifact is not None and done.status == "finished":
            self._made[task.node.id] = done.artifact
            self._series[task.node.id] = done.series
        self._watch.finished(task.node, done)

    def _task(self, node: Node, threads: int) -> Task:
        made = {name: self._made[name] for name in node.parents if name in self._made}
        return task_of(node, self._settings, threads=threads, parents=made, series=self._curves(node))

    def _curves(self, node: Node) -> tuple[Series, ...]:
        """Return what a `diagnose` node's network left of its training, now or in an earlier run."""
        if not node.diagnostic:
            return ()
        parent = node.parents[0]
        if parent not in self._series:
            header = self._plan.steps[parent].record
            self._series[parent] = store.read_file(header.path, Record).series if header and header.path else ()
        return self._series[parent]

    def _schedule(self, pool: ProcessPool, function: str, task: Task) -> Future[Any]:
        name = f"{self._settings.worker}:{function}"
        future: Future[Any] = pool.schedule(call, args=(name, task), timeout=self._settings.timeout_s)
        return future

    def _pool(self, isolate: str) -> ProcessPool:
        if isolate not in self._pools:
            self._pools[isolate] = self._new_pool(self._settings.workers, self._settings.threads)
        return self._pools[isolate]

    def _new_pool(self, workers: int, threads: int) -> ProcessPool:
        return ProcessPool(
            max_workers=workers,
            context=get_context("spawn"),
            initializer=start,
            initargs=(environment(self._settings.backend, threads), self._settings.home.logs / "workers.log"),
        )

    def _close_idle(self, waiting: dict[str, Node], active: dict[Future[Any], Task]) -> None:
        """End the pools that no node needs any more; TensorFlow takes half a gigabyte a process."""
        needed = {node.isolate for node in waiting.values()} | {task.node.isolate for task in active.values()}
        for isolate in self._pools.keys() - needed:
            self._end(isolate)

    def _end(self, name: str) -> None:
        pool = self._pools.pop(name)
        pool.stop()
        pool.join()


def task_of(
    node: Node,
    settings: Settings,
    *,
    threads: int,
    parents: dict[str, Artifact] | None = None,
    series: tuple[Series, ...] = (),
) -> Task:
    """Return what a worker must know to execute a node."""
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
        series=series,
    )


def _outcome(future: Future[Any], task: Task) -> Any:
    """Return what the worker returned, or the record of what became of it."""
    try:
        return future.result()
    except FutureTimeout:
        return failure(task, "timeout", "TimeoutError", "stopped after its time limit; raise --timeout")
    except Unsupported as error:
        return failure(task, "unsupported", type(error).__name__, str(error))
    except ProcessExpired as error:
        if error.exitcode == -9:
            return failure(task, "out_of_memory", "Killed", "the worker was killed (signal 9), most likely for memory")
        return failure(task, "failed", "WorkerDied", f"the worker process died with exit code {error.exitcode}")
    except Exception as error:
        return failure(task, "failed", type(error).__name__, first_line(error), getattr(error, "traceback", None))


def _measured(task: Task, samples: list[Sample]) -> Record:
    from bench.measure.summary import summarize

    summary = summarize(task, samples)
    return record(
        task,
        "finished",
        provenance=provenance(task, device=samples[0].device),
        phases_s={"measure": round(sum(sample.duration_s for sample in samples), 3)},
        measurements=summary.measurements,
        series=summary.series,
        timings=summary.timings,
    )


def _progress(task: Task) -> Progress | None:
    try:
        return msgspec.json.decode((task.folder / "progress.json").read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None
