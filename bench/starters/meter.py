"""NAME: say in one line what is read

Then what it is for, and where a machine does not tell. This one counts how often the process was
put aside for another.
"""

import psutil

from bench.measure.meters import Block, Reading


def read() -> int:
    """Read before the timed calls, and once more after them."""
    return psutil.Process().num_ctx_switches().involuntary


def figures(before: int, after: int, block: Block) -> dict[str, Reading]:
    """Return figures by name; what the machine cannot tell is left out. A `doubt` has the calls timed again."""
    return {"put_aside": Reading((after - before) / len(block.latencies_ms), "1", "lower")}
