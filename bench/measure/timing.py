"""One process's share of a `measure` node. Imports no framework: a runtime that needs none is timed without one."""

import time
from pathlib import Path

import numpy as np

from bench.catalog import Catalog
from bench.measure import latency
from bench.tasks import Sample, Task
from bench.work import deployment


def sample(task: Task, examples: Path) -> Sample:
    """Deploy the parent's network, which is converted already, and time it; errors go to the runner."""
    started = time.monotonic()
    assert task.parent is not None and task.node.measure is not None
    deployed = deployment.deploy(Catalog(task.plugins), task.node.measure.runtime, task.home, task.parent, task.threads)
    batches = latency.sample(deployed, np.load(examples), task.node.measure)
    return Sample(
        batches=batches,
        size_bytes=deployed.size_bytes,
        duration_s=time.monotonic() - started,
        device=deployed.device or _keras_device(),
    )


def _keras_device() -> str:
    from bench.work.device import device

    return device()
