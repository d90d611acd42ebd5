"""One process's share of a `measure` node. Imports no framework: a runtime that needs none is timed without one."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.catalog import Catalog
from bench.errors import Disagrees, PluginError, shortened
from bench.measure import latency
from bench.measure.meters import Meters
from bench.tasks import EXPECTED, Sample, Task
from bench.work import converted, deployment

AGREES_WITHIN = {"keras": 0.01, "litert": 0.05, "onnx": 0.05, "openvino": 0.05}
"""Largest difference from the parent's outputs, relative to the largest of these, by the parent's format: rounding,
and no more. Where activations are of 8 bits, two runtimes' kernels may round some of them to the neighbouring level."""


def sample(task: Task, examples: Path) -> Sample:
    """Deploy the parent's network, which is converted already, and time it; errors go to the runner."""
    started = time.monotonic()
    assert task.parent is not None and task.node.measure is not None
    name = f"runtimes/{task.node.measure.runtime.name}"
    catalog, spec = Catalog(task.plugins), task.node.measure
    runtime, sizes = spec.runtime, spec.batch_sizes
    meters, x = Meters(catalog), np.load(examples)
    catalog.load("runtimes", runtime.name)  # so that what it imports counts for nothing,
    converted.file(catalog, runtime, task.home, task.parent)  # nor finding the network, whose names are kept
    loading = time.perf_counter()
    deployed: Any = deployment.deploy(catalog, runtime, task.home, task.parent, task.threads)
    if not isinstance(deployed, deployment.Deployed) or not isinstance(deployed.size_bytes, int):
        got = shortened(repr(deployed), 60)
        raise PluginError(f"{name}: its 'deploy' must return a Deployed, its size_bytes a whole number; got {got}")
    load_ms = 1000 * (time.perf_counter() - loading)
    watch = latency.Stopwatch(deployed, spec, meters)
    expected, firsts = np.load(examples.with_name(EXPECTED)), []
    within = AGREES_WITHIN[task.parent.format] * float(np.abs(expected).max())
    for size in sizes:  # each of which may be a program of its own
        firsts.append(watch.first_call_ms(x, size))
        compared = expected if size == max(sizes) else expected[:size]
        _require_agreement(name, deployed, x, compared, size, within)
    return Sample(
        batches=tuple(watch.steady(x, size, first) for size, first in zip(sizes, firsts, strict=True)),
        size_bytes=deployed.size_bytes,
        load_ms=load_ms,
        duration_s=time.monotonic() - started,
        device=deployed.device or _keras_device(),
    )


def _require_agreement(
    name: str,
    deployed: deployment.Deployed,
    x: NDArray[np.generic],
    expected: NDArray[np.floating[Any]],
    size: int,
    within: float,
) -> None:
    """Raise Disagrees for outputs that are not the parent's on the same examples: what computes otherwise is not timed.

    They go in by a batch size that it has seen, so nothing is compiled anew.
    """
    found = []
    for start in range(0, len(expected), size):
        answers = np.asarray(deployed.predict(deployed.prepare(latency.batch(x[start:], size))))
        if answers.ndim != 2 or len(answers) != size or answers.dtype.kind != "f" or not np.isfinite(answers).all():
            got = f"{answers.dtype} {answers.shape}" if answers.dtype.kind != "f" or answers.ndim != 2 else "others"
            raise PluginError(f"{name}: its 'predict' must return finite outputs (n, classes) as float32; got {got}")
        found.append(answers)
    outputs = np.concatenate(found)[: len(expected)]
    off = float(np.abs(outputs - expected).max()) if outputs.shape == expected.shape else np.inf
    if not off <= within:
        raise Disagrees(
            f"{name}: its outputs are not the network's own: they differ by up to {off:.3g} at a batch size of {size}, "
            f"and rounding explains {within:.3g}; it is not timed"
        )


def _keras_device() -> str:
    from bench.work.device import device

    return device()
