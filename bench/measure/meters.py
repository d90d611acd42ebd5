"""What meters are handed and what they return. A meter looks on while calls are timed; see `bench/meters/`."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from bench.catalog import Catalog
from bench.errors import PluginError, first_line, shortened
from bench.measurements import Better


class Block(NamedTuple):
    """Timed calls in one process, one after the other."""

    batch_size: int
    """Examples a call."""
    latencies_ms: list[float]
    seconds: float
    """From the first to the last, with what lies between."""

    @property
    def examples(self) -> int:
        """All that went through."""
        return self.batch_size * len(self.latencies_ms)


class Reading(Struct, frozen=True):
    """A figure of a block."""

    value: float
    unit: str
    better: Better = "none"
    doubt: str = ""
    """Why the block cannot be trusted, where the figure says so: it is then timed again, and at last unstable."""


OURS = {"latency_ms", "throughput", "first_call_ms", "load_ms", "cold_start_ms", "deployed_bytes"}
"""Figures of a timing that no meter may give another meaning."""


class Meters:
    """All meters that there are; a figure that this machine cannot tell is absent."""

    def __init__(self, catalog: Catalog) -> None:
        """Import their files, before anything is timed."""
        self._modules = {card.name: catalog.load("meters", card.name) for card in catalog.cards("meters")}
        self._before: dict[str, Any] = {}

    def begin(self) -> None:
        """Read them before a block."""
        self._before = {name: self._asked(name, "read") for name in self._modules}

    def end(self, block: Block) -> dict[str, Reading]:
        """Read them after a block and return its figures by name; raise PluginError for what is no reading."""
        after = {name: self._asked(name, "read") for name in reversed(self._modules)}  # the last lies next to the calls
        found: dict[str, Reading] = {}
        for name in self._modules:
            figures = self._asked(name, "figures", self._before[name], after[name], block)
            for key, one in _checked(name, figures).items():
                if key in found:
                    raise PluginError(f"meters/{name}: its figure '{key}' is another meter's, too; name it otherwise")
                found[key] = one
        return found

    def _asked(self, name: str, function: str, *given: Any) -> Any:
        try:
            return getattr(self._modules[name], function)(*given)
        except Exception as error:
            fault = f"{type(error).__name__}: {first_line(error)}"
            raise PluginError(f"meters/{name}: its '{function}' raises {fault}; mend it, or move the file") from error


def _checked(name: str, figures: Any) -> Mapping[str, Reading]:
    """Return what a meter gave; raise PluginError unless it is finite readings under names of its own."""
    if not isinstance(figures, Mapping):
        raise PluginError(f"meters/{name}: its 'figures' must return a dict of Readings; got {type(figures).__name__}")
    for key, one in figures.items():
        if not isinstance(one, Reading) or not isinstance(one.value, (int, float)) or not math.isfinite(one.value):
            got = shortened(repr(one), 60)
            raise PluginError(f"meters/{name}: '{key}' must be a Reading(value, unit), its value finite; got {got}")
        if key in OURS:
            raise PluginError(f"meters/{name}: '{key}' is what every timing records itself; name it otherwise")
    return figures
