"""NVIDIA's boards, as their driver (NVML) tells of them; none where package, driver or board is missing."""

from functools import cache
from typing import Any


@cache
def boards() -> list[tuple[Any, Any]]:
    """Return the library and the handle of each board."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return [(pynvml, pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())]
    except Exception:
        return []
