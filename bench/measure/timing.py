"""One process's share of a `measure` node. Imports no framework: a runtime that needs none is timed without one."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.catalog import Catalog
from bench.errors import PluginError, shortened
from bench.measure import latency
from bench.tasks import Sample, Task
from bench.work import deployment


def sample(task: Task, examples: Path) -> Sample:
    """Deploy the parent's network, which is converted already, and time it; errors go to the runner."""
    started = time.monotonic()
    assert task.parent is not None and task.node.measure is not None
    name = f"runtimes/{task.node.measure.runtime.name}"
    catalog, runtime = Catalog(task.plugins), task.node.measure.runtime
    deployed: Any = deployment.deploy(catalog, runtime, task.home, task.parent, task.threads)
    if not isinstance(deployed, deployment.Deployed) or not isinstance(deployed.size_bytes, int):
        got = shortened(repr(deployed), 60)
        raise PluginError(f"{name}: its 'deploy' must return a Deployed, its size_bytes a whole number; got {got}")
    x = np.load(examples)
    batches = latency.sample(deployed, x, task.node.measure)
    n = batches[0].batch_size  # which it has seen, so nothing is compiled anew
    answers = np.asarray(deployed.predict(deployed.prepare(x[:n])))
    if answers.ndim != 2 or len(answers) != n or answers.dtype.kind != "f" or not np.isfinite(answers).all():
        got = f"{answers.dtype} {answers.shape}" if answers.dtype.kind != "f" or answers.ndim != 2 else "others"
        raise PluginError(f"{name}: its 'predict' must return finite outputs (n, classes) as float32; got {got}")
    return Sample(
        batches=batches,
        size_bytes=deployed.size_bytes,
        duration_s=time.monotonic() - started,
        device=deployed.device or _keras_device(),
    )


def _keras_device() -> str:
    from bench.work.device import device

    return device()
