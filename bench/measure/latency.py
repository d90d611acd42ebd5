"""Timed calls of a deployed network, in this process.

One caller, one network, inputs where the runtime wants them, the output fetched inside the timer.
First call, warm-up and steady state are kept apart; only the steady state is sampled. The process
stays on the same cores, watches what else goes on meanwhile, and measures again at once what was
disturbed.
"""

import gc
import os
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.measure.meters import Block, Meters
from bench.measure.profiles import PROFILES, Profile
from bench.records import MeasureSpec
from bench.tasks import BatchSamples
from bench.work.deployment import Deployed

OTHERS_UNSTABLE = 0.25
"""Cores kept busy by other processes."""
STEAL_UNSTABLE = 0.02
"""Share of the time that the hypervisor took away."""
DRIFT_UNSTABLE = 0.10
"""Relative difference between the medians of the first and the second half of a process's calls."""
AGAIN = 3
"""How often a disturbed measurement is made again."""
WINDOW = 16
"""Calls in each of the two windows that a warm-up compares."""
LONGEST_WARMUP_S = 10.0


TICK_S = 0.01
"""Resolution of the system's account of its cores."""


class Stopwatch:
    """Times calls of one deployed network; moves this process to fixed cores."""

    def __init__(self, deployed: Deployed, spec: MeasureSpec, meters: Meters) -> None:
        """Time nothing yet."""
        self._deployed = deployed
        self._profile = PROFILES[spec.profile]
        self._meters = meters
        self._cores = _allowed_cores()
        _stay_on(_fastest(self._cores, spec.threads))

    def first_call_ms(self, examples: NDArray[np.generic], size: int) -> float:
        """Time the first call at a batch size, for which much may be compiled."""
        return _call_ms(self._deployed, self._deployed.prepare(batch(examples, size)))

    def steady(self, examples: NDArray[np.generic], size: int, first_call_ms: float) -> BatchSamples:
        """Time calls on the first of the given test examples, and once more if they were disturbed, a few times.

        What was disturbed to the last says so.
        """
        prepared = self._deployed.prepare(batch(examples, size))
        for _ in range(1 + AGAIN):
            _warm_up(self._deployed, prepared, self._profile)
            found = _timed(self._deployed, prepared, size, self._profile, self._cores, first_call_ms, self._meters)
            if not is_disturbed(found):
                break
        return found


def is_disturbed(batch: BatchSamples) -> bool:
    """Tell whether something else kept the machine busy, the two halves of the calls disagree, or a meter doubts."""
    busy = batch.others_cores > OTHERS_UNSTABLE or batch.steal > STEAL_UNSTABLE
    return busy or batch.drift > DRIFT_UNSTABLE or any(reading.doubt for reading in batch.figures.values())


def batch(examples: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the first examples, over and over where there are fewer than `size`."""
    return np.resize(examples, (size, *examples.shape[1:])) if size > len(examples) else examples[:size]


def _timed(
    deployed: Deployed,
    prepared: Any,
    size: int,
    profile: Profile,
    cores: Sequence[int],
    first: float,
    meters: Meters,
) -> BatchSamples:
    calls, seconds = profile.effort(size)
    wanted, duration = calls / profile.processes, seconds / profile.processes
    latencies: list[float] = []
    gc.collect()
    gc.disable()
    meters.begin()
    before, own, started = _machine(cores), time.process_time(), time.perf_counter()
    try:
        while len(latencies) < wanted or time.perf_counter() - started < duration:
            latencies.append(_call_ms(deployed, prepared))
    finally:
        gc.enable()
    wall, own, after = time.perf_counter() - started, time.process_time() - own, _machine(cores)
    figures = meters.end(Block(size, latencies, wall))
    blur = TICK_S * len(cores) ** 0.5
    others, stolen = after.busy_s - before.busy_s - own - blur, after.stolen_s - before.stolen_s - TICK_S
    halves = [median(latencies[: len(latencies) // 2]), median(latencies[len(latencies) // 2 :])]
    return BatchSamples(
        batch_size=size,
        first_call_ms=first,
        latencies_ms=latencies,
        others_cores=max(others, 0.0) / wall,
        steal=max(stolen, 0.0) / (wall * len(cores)),
        drift=max(halves) / min(halves) - 1,
        figures=figures,
    )


def _allowed_cores() -> list[int]:
    """Return the cores that we may use; a shared host's others do not concern us."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _fastest(cores: Sequence[int], count: int) -> list[int]:
    """Return the cores to stay on: the fastest kind, one thread of each, and the last of these, as the first serves."""

    def told(core: int, what: str) -> str:
        try:
            return Path(f"/sys/devices/system/cpu/cpu{core}/{what}").read_text(encoding="ascii").strip()
        except OSError:
            return ""

    ranks = {core: int(told(core, "cpufreq/cpuinfo_max_freq") or 0) for core in cores}
    siblings = [told(core, "topology/thread_siblings_list") or str(core) for core in cores]
    second = {core: siblings[:i].count(siblings[i]) for i, core in enumerate(cores)}
    return sorted(cores, key=lambda core: (second[core], -ranks[core], -core))[:count]


def _stay_on(cores: Sequence[int]) -> None:
    """Keep this process's threads from wandering, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


class _Machine(NamedTuple):
    busy_s: float
    stolen_s: float


def _machine(cores: Sequence[int]) -> _Machine:
    """Return the time that cores have spent so far."""
    every = psutil.cpu_times(percpu=True)
    times = [every[i] for i in cores if i < len(every)]
    return _Machine(
        busy_s=sum(core.user + core.system for core in times),
        stolen_s=sum(getattr(core, "steal", 0.0) for core in times),
    )


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
