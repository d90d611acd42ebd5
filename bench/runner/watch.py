"""What a person sees while a plan runs: a live table on a terminal, plain lines elsewhere."""

import time
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.errors import shortened
from bench.planning.plan import Plan
from bench.records import Record
from bench.tasks import Node, Progress


class Watch(Protocol):
    """Told what happens, in order."""

    def waiting(self) -> None:
        """Another bench process has the machine."""

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def started(self, node: Node) -> None:
        """A worker has taken a node."""

    def progress(self, node: Node, progress: Progress | None) -> None:
        """A node's training has come this far."""

    def measuring(self, nodes: int, process: int, processes: int) -> None:
        """A fresh process starts to time so many nodes; none finishes before the last one."""

    def finished(self, node: Node, record: Record) -> None:
        """A node's record is written."""


class PlainWatch:
    """One line for each finished node, and one for an epoch at most every ten seconds."""

    EVERY_S = 10.0

    def __init__(self, plan: Plan, workers: int, console: Console) -> None:
        """Count what is due."""
        self._console = console
        self._remaining = {name: step.wall_s(workers) for name, step in plan.steps.items() if step.due}
        self._total = len(self._remaining)
        self._told: dict[str, tuple[int, float]] = {}

    def waiting(self) -> None:
        """Say why nothing happens."""
        self.line("waiting for another bench process to leave the machine")

    def note(self, text: str) -> None:
        """Say it."""
        self.line(f"bench: {text}")

    def started(self, node: Node) -> None:
        """Say nothing: the end of a node is news enough."""

    def progress(self, node: Node, progress: Progress | None) -> None:
        """Say how far a long training is."""
        epoch, last = self._told.get(node.id, (0, time.monotonic()))
        if progress and progress.epoch > epoch and time.monotonic() - last > self.EVERY_S:
            self._told[node.id] = (progress.epoch, time.monotonic())
            self.line(f"{'':10}{node.id}  {describe(progress)}")
        elif node.id not in self._told:
            self._told[node.id] = (0, last)

    def measuring(self, nodes: int, process: int, processes: int) -> None:
        """Say which process it is: the nodes themselves are done only after the last."""
        self.line(f"{'':10}timing {nodes} nodes, process {process} of {processes}")

    def finished(self, node: Node, record: Record) -> None:
        """Say what became of a node."""
        self._remaining.pop(node.id, None)
        count = f"[{self._total - len(self._remaining):>3}/{self._total}]"
        self.line(f"{count:10}{node.id}  {outcome(record)}  ({self.time_left()})")

    def time_left(self) -> str:
        """Predict the rest from the costs of what remains."""
        return f"{duration(sum(self._remaining.values()))} left" if self._remaining else "done"

    def line(self, text: str) -> None:
        """Print one line as it is."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveWatch(PlainWatch):
    """The same lines, with a table of the running nodes kept below them."""

    def __init__(self, plan: Plan, workers: int, console: Console) -> None:
        """Start with an empty table."""
        super().__init__(plan, workers, console)
        self._running: dict[str, Progress | None] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "LiveWatch":
        """Show the table."""
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Take the table away."""
        self._live.__exit__(None, None, None)

    def started(self, node: Node) -> None:
        """Add a row."""
        if node.kind == "measure":
            self._running.clear()  # measurements run alone
        self._running[node.id] = None
        self._draw()

    def progress(self, node: Node, progress: Progress | None) -> None:
        """Update a row."""
        self._running[node.id] = progress
        self._draw()

    def finished(self, node: Node, record: Record) -> None:
        """Turn a row into a line."""
        self._running.pop(node.id, None)
        super().finished(node, record)
        self._draw()

    def _draw(self) -> None:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name, progress in self._running.items():
            table.add_row(name, describe(progress) if progress else "…")
        table.add_row(self.time_left(), "")
        self._live.update(table, refresh=True)


def describe(progress: Progress) -> str:
    """Return an epoch's figures in one line."""
    shown = [f"{name.replace('val_', 'validation ')} {value:.4f}" for name, value in progress.metrics.items()]
    return f"epoch {progress.epoch}/{progress.epochs}  {'  '.join(shown)}"


def outcome(record: Record) -> str:
    """Return what became of a node in a few words."""
    if record.status != "finished":
        return f"{record.status}: {shortened(record.error.message) if record.error else 'no reason kept'}"
    seconds = duration(sum(record.phases_s.values()))
    if record.node == "measure":
        p50 = record.value("latency_ms", statistic="p50")
        doubt = ", ".join(sorted({timing.validity for timing in record.timings} - {"valid"}))
        told = f"p50 {p50:.3f} ms" if p50 is not None else "measured"
        return f"{told}{f' ({doubt})' if doubt else ''}  {seconds}"
    if record.node == "diagnose":
        return f"{record.diagnostic.name if record.diagnostic else ''}  {seconds}"
    seconds += " (not the published data)" if record.data and record.data.verified is False else ""
    accuracy, error = record.value("accuracy", split="test"), record.value("rmse", split="test")
    if accuracy is None:
        return f"finished  {seconds}" if error is None else f"rmse {error:.4g}  {seconds}"
    return f"accuracy {accuracy:.2%}  {seconds}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
