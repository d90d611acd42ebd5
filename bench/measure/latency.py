"""Timed calls of a deployed network, in this process.

One caller, one network, inputs where the runtime wants them, the output fetched inside the timer.
First call, warm-up and steady state are kept apart; only the steady state is sampled.
"""

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.deployment import Deployed
from bench.measure.profiles import PROFILES, Profile
from bench.records import MeasureSpec
from bench.tasks import BatchSamples

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
    machine, process, started = psutil.cpu_times(), psutil.Process(), time.perf_counter()
    own = sum(process.cpu_times()[:2])
    batches = tuple(_batch(deployed, examples, size, profile) for size in spec.batch_sizes)
    wall = time.perf_counter() - started
    now = psutil.cpu_times()
    own = sum(process.cpu_times()[:2]) - own
    busy = sum(getattr(now, name) - getattr(machine, name) for name in ("user", "system"))
    stolen = getattr(now, "steal", 0.0) - getattr(machine, "steal", 0.0)
    cores = psutil.cpu_count() or 1
    return batches, Health(others_cores=max(busy - own, 0.0) / wall, steal=max(stolen, 0.0) / (wall * cores))


def _batch(deployed: Deployed, examples: NDArray[np.generic], size: int, profile: Profile) -> BatchSamples:
    x = np.resize(examples, (size, *examples.shape[1:])) if size > len(examples) else examples[:size]
    prepared = deployed.prepare(x)
    first = _call_ms(deployed, prepared)
    _warm_up(deployed, prepared, profile)
    part = (1 if size == 1 else 0.25) / profile.processes
    wanted, until = profile.samples * part, time.perf_counter() + profile.seconds * part
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
