"""What this machine is, without importing a framework."""

import os
import platform
import re
import shutil
import subprocess
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from bench.records import Hardware

INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "neon", "asimd")
"""Those that change how fast a network runs."""


@lru_cache(maxsize=1)
def hardware() -> Hardware:
    """Return this machine's processor, memory and accelerators with a fingerprint of all that timings depend on."""
    cpu, flags = _cpu()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    accelerators, driver = _accelerators()
    system = f"{platform.system()} {platform.machine()}"
    instruction_sets = tuple(name for name in INSTRUCTION_SETS if name in flags)
    # Memory and kernel version differ between equal machines and hardly matter to a small network.
    identity = repr((cpu, cores, instruction_sets, accelerators, driver, system))
    return Hardware(
        fingerprint=sha256(identity.encode()).hexdigest()[:8],
        cpu=cpu,
        cores=cores,
        memory_gib=memory_gib,
        instruction_sets=instruction_sets,
        system=system,
        accelerators=accelerators,
        driver=driver,
    )


def _cpu() -> tuple[str, set[str]]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # macOS
        names = ("machdep.cpu.brand_string", "machdep.cpu.features", "machdep.cpu.leaf7_features")
        brand, *features = (_output("sysctl", "-n", name).strip() for name in names)
        return brand or platform.processor(), set(" ".join(features).lower().split())
    model = re.search(r"^(?:model name|Hardware|Processor)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return model[1] if model else platform.machine(), set(flags[1].split() if flags else ())


def _accelerators() -> tuple[tuple[str, ...], str | None]:
    if not shutil.which("nvidia-smi"):
        return (), None
    rows = _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").strip().splitlines()
    pairs = [tuple(part.strip() for part in row.split(",")) for row in rows if "," in row]
    return tuple(pair[0] for pair in pairs), pairs[0][1] if pairs else None


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


@lru_cache(maxsize=1)
def accelerator_memory_bytes() -> int | None:
    """Return the memory of the first accelerator, or None where there is none."""
    if not shutil.which("nvidia-smi"):
        return None
    mebibytes = _output("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits").split()
    return int(mebibytes[0]) * 2**20 if mebibytes and mebibytes[0].isdecimal() else None
