"""Timed calls of a deployed network, in this process.

One caller, one network, inputs where the runtime wants them, the output fetched inside the timer.
First call, warm-up and steady state are kept apart; only the steady state is sampled.
"""

import gc
import os
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.measure.profiles import PROFILES, Profile
from bench.records import MeasureSpec
from bench.tasks import BatchSamples
from bench.work.deployment import Deployed

WINDOW = 16
"""Calls in each of the two windows that a warm-up compares."""
LONGEST_WARMUP_S = 10.0


@dataclass(frozen=True)
class Health:
    """What else went on in the machine: cores that others kept busy, and the share of stolen time."""

    others_cores: float
    steal: float


def sample(
    deployed: Deployed, examples: NDArray[np.generic], spec: MeasureSpec
) -> tuple[tuple[BatchSamples, ...], Health]:
    """Time calls at each batch size, on the first of the given test examples."""
    profile = PROFILES[spec.profile]
    process, started = psutil.Process(), time.perf_counter()
    before, own = _machine(), sum(process.cpu_times()[:2])
    batches = tuple(_batch(deployed, examples, size, profile) for size in spec.batch_sizes)
    wall = time.perf_counter() - started
    after = _machine()
    others = after.busy_s - before.busy_s - (sum(process.cpu_times()[:2]) - own)
    stolen = after.stolen_s - before.stolen_s
    return batches, Health(others_cores=max(others, 0.0) / wall, steal=max(stolen, 0.0) / (wall * after.cores))


@dataclass(frozen=True)
class _Machine:
    busy_s: float
    stolen_s: float
    cores: int


def _machine() -> _Machine:
    """Return the time that the cores we may use have spent so far; a shared host's others do not concern us."""
    cores = psutil.cpu_times(percpu=True)
    if hasattr(os, "sched_getaffinity"):
        cores = [cores[i] for i in os.sched_getaffinity(0)]
    return _Machine(
        busy_s=sum(core.user + core.system for core in cores),
        stolen_s=sum(getattr(core, "steal", 0.0) for core in cores),
        cores=len(cores),
    )


def _batch(deployed: Deployed, examples: NDArray[np.generic], size: int, profile: Profile) -> BatchSamples:
    x = np.resize(examples, (size, *examples.shape[1:])) if size > len(examples) else examples[:size]
    prepared = deployed.prepare(x)
    first = _call_ms(deployed, prepared)
    _warm_up(deployed, prepared, profile)
    samples, seconds = profile.effort(size)
    wanted, until = samples / profile.processes, time.perf_counter() + seconds / profile.processes
    latencies: list[float] = []
    gc.collect()
    gc.disable()
    try:
        while len(latencies) < wanted or time.perf_counter() < until:
            latencies.append(_call_ms(deployed, prepared))
    finally:
        gc.enable()
    return BatchSamples(batch_size=size, first_call_ms=first, latencies_ms=latencies)


def _call_ms(deployed: Deployed, prepared: Any) -> float:
    started = time.perf_counter_ns()
    deployed.predict(prepared)
    return (time.perf_counter_ns() - started) / 1e6


def _warm_up(deployed: Deployed, prepared: Any, profile: Profile) -> None:
    started = time.perf_counter()
    calls: list[float] = []
    while True:
        calls.append(_call_ms(deployed, prepared))
        spent = time.perf_counter() - started
        enough = len(calls) >= profile.warmup_calls and spent >= profile.warmup_s
        if enough and (not profile.stationary or spent > LONGEST_WARMUP_S or _is_stationary(calls)):
            return


def _is_stationary(calls: list[float]) -> bool:
    if len(calls) < 2 * WINDOW:
        return False
    before, after = median(calls[-2 * WINDOW : -WINDOW]), median(calls[-WINDOW:])
    return abs(before - after) <= 0.02 * before
