"""The real worker, keeping checkpoints so often that a training of seconds has some."""

from functools import partial

from bench.work import worker
from bench.work.worker import execute, prepare

__all__ = ["execute", "prepare"]

worker.Checkpoints = partial(worker.Checkpoints, every_s=0.2)  # type: ignore[assignment,misc]
