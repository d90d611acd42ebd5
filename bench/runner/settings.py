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

    def kind(self, threads: int, *, light: bool = False, backend: str | None = None) -> Kind:
        """Return what the processes of nodes import, and under which variables.

        Those that need no framework are `light`; those of another Keras backend than the run's only time.
        """
        modules = (self.timer,) if light else ("keras", self.timer) if backend else (self.worker, self.timer)
        variables = environment(backend or self.backend, threads) | {"TMPDIR": str(self.home.temporary)}
        return Kind.of(*modules, variables=variables)
