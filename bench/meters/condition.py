"""Condition: was the machine the same throughout?

Before and after the calls a fixed piece of work is done (products of two matrices in NumPy, about ten
milliseconds): where it takes another time afterwards, the machine has changed, whatever the reason,
and the calls between cannot be trusted. Beside it stand the clock frequency, and how often the processor
was throttled for heat, where the system tells. Meters are read in the order of their names, and the last
lies next to the calls: this one comes first, so that no other counts its work.
"""

import os
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from bench.measure.meters import Block, Reading

CHANGED = 0.10
"""Relative difference of the fixed work's time from which the machine is another one."""
SIDE, TIMES = 192, 100
CORES = Path("/sys/devices/system/cpu")


class State(NamedTuple):
    """Of the machine at one moment."""

    work_ms: float
    clock_ghz: float | None
    throttled: int | None


def read() -> State:
    """Do the fixed work and ask the system."""
    matrix = np.full((SIDE, SIDE), 0.5, np.float32)
    spent = []
    for _ in range(TIMES):
        started = time.perf_counter_ns()
        matrix @ matrix
        spent.append((time.perf_counter_ns() - started) / 1e6)
    core = CORES / f"cpu{min(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 0}"
    clock = _number(core / "cpufreq" / "scaling_cur_freq")
    return State(
        median(spent), None if clock is None else clock / 1e6, _number(core / "thermal_throttle/core_throttle_count")
    )


def figures(before: State, after: State, block: Block) -> dict[str, Reading]:
    """Return the machine's speed, with a doubt where it was not the same throughout."""
    slow, quick = max(before.work_ms, after.work_ms), min(before.work_ms, after.work_ms)
    doubt = ""
    if slow / quick - 1 > CHANGED:
        doubt = (
            f"a fixed piece of work took {slow / quick - 1:.0%} longer {'after' if after.work_ms == slow else 'before'}"
        )
    found = {"machine_work_ms": Reading(after.work_ms, "ms", "none", doubt)}
    if before.clock_ghz and after.clock_ghz:
        found["clock_ghz"] = Reading((before.clock_ghz + after.clock_ghz) / 2, "GHz")
    if before.throttled is not None and after.throttled is not None:
        times = after.throttled - before.throttled
        found["throttled"] = Reading(times, "1", "lower", f"throttled for heat {times} times" if times else "")
    return found


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii"))
    return None
