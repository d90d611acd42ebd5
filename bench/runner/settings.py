"""How a plan is run on this machine."""

from pathlib import Path

from msgspec import Struct

from bench.runner.process import environment
from bench.runner.workers import Kind
from bench.tasks import Home

WORKER = "bench.work.worker"
"""Has `execute` and `prepare`; tests put a light one in its place."""
TIMER = "bench.measure.timing"
"""Has `sample`, and imports no framework."""


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
    worker: str = WORKER
    timer: str = TIMER

    def kind(self, threads: int, *, light: bool = False) -> Kind:
        """Return what the processes of nodes import, and under which variables."""
        modules = (self.timer,) if light else (self.worker, self.timer)
        return Kind.of(*modules, variables=environment(self.backend, threads) | {"TMPDIR": str(self.home.temporary)})
