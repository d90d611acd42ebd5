"""Memory: what the process takes

The resident memory of the process that executes the network, at the end of its calls, with
interpreter, libraries and network. Nothing else runs in it. `memory_own_bytes` leaves out the pages that it
shares with the process it was forked from. `accelerator_memory_bytes` is what the process holds on NVIDIA's
boards: as the frameworks' allocators give nothing back, that is the most it has needed so far, and as the
first calls of all batch sizes come before any that is timed, what the largest of these needs.

Source: NVML's nvmlDeviceGetComputeRunningProcesses
"""

import os
from contextlib import suppress
from typing import NamedTuple

import psutil

from bench.blocks import nvml
from bench.measure.meters import Block, Reading


class Held(NamedTuple):
    """Bytes at one moment; None where the system does not tell."""

    resident: int
    own: int | None
    accelerator: int | None


def read() -> Held:
    """Ask the system and the boards."""
    process = psutil.Process()
    try:
        own = process.memory_full_info().uss
    except (psutil.Error, AttributeError):  # not to be had on every system
        own = None
    return Held(process.memory_info().rss, own, _on_boards())


def figures(before: Held, after: Held, block: Block) -> dict[str, Reading]:
    """Return what there is at the end."""
    found = {
        "memory_bytes": after.resident,
        "memory_own_bytes": after.own,
        "accelerator_memory_bytes": after.accelerator,
    }
    return {name: Reading(value, "B", "lower") for name, value in found.items() if value is not None}


def _on_boards() -> int | None:
    held = []
    for library, board in nvml.boards():
        with suppress(Exception):  # a board that does not tell
            processes = library.nvmlDeviceGetComputeRunningProcesses(board)
            held += [one.usedGpuMemory for one in processes if one.pid == os.getpid() and one.usedGpuMemory]
    return sum(held) or None
