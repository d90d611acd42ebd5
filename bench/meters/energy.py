"""Energy: joules for an example

What processors (Intel's and AMD's RAPL, whole packages) and accelerators (NVIDIA's NVML, whole
boards) have used while the calls were timed, a share for each example. All that goes on there
counts, idle cores too. Absent where the system does not tell or may not be asked: RAPL's counters
are for the superuser alone on most machines.

Source: https://docs.kernel.org/power/powercap/powercap.html and NVML's nvmlDeviceGetTotalEnergyConsumption
"""

from contextlib import suppress
from pathlib import Path

from bench.blocks import nvml
from bench.measure.meters import Block, Reading

RAPL = Path("/sys/class/powercap")


def read() -> dict[str, tuple[float, float]]:
    """Return joules so far and the number at which the counter begins anew, by counter."""
    found = {}
    for zone in sorted(RAPL.glob("*-rapl:[0-9]")):
        with suppress(OSError, ValueError):
            if not (zone / "name").read_text().startswith("package"):
                continue  # `psys` holds the packages already
            counter, most = (int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
            found[f"cpu {zone.name}"] = (counter / 1e6, most / 1e6)
    for i, (library, board) in enumerate(nvml.boards()):
        with suppress(Exception):  # an older board has no counter
            found[f"accelerator {i}"] = (library.nvmlDeviceGetTotalEnergyConsumption(board) / 1e3, 0.0)
    return found


def figures(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]], block: Block
) -> dict[str, Reading]:
    """Return the joules of processors and of accelerators for an example."""
    found: dict[str, float] = {}
    for name in before.keys() & after.keys():
        used = after[name][0] - before[name][0]
        kind = name.split()[0]
        found[kind] = found.get(kind, 0.0) + (used if used >= 0 else used + after[name][1])
    return {f"{kind}_energy_j": Reading(joules / block.examples, "J", "lower") for kind, joules in found.items()}
