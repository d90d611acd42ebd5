"""Memory: what the process takes

The resident memory of the process that executes the network, at the end of its calls, with
interpreter, libraries and network. Nothing else runs in it. `memory_own_bytes` leaves out the pages that it
shares with the process it was forked from.
"""

import psutil

from bench.measure.meters import Block, Reading


def read() -> tuple[int, int | None]:
    """Return resident bytes, and those that are this process's own."""
    process = psutil.Process()
    try:
        own = process.memory_full_info().uss
    except (psutil.Error, AttributeError):  # not to be had on every system
        own = None
    return process.memory_info().rss, own


def figures(before: tuple[int, int | None], after: tuple[int, int | None], block: Block) -> dict[str, Reading]:
    """Return what there is at the end."""
    resident, own = after
    found = {"memory_bytes": Reading(resident, "B", "lower")}
    return found if own is None else found | {"memory_own_bytes": Reading(own, "B", "lower")}
