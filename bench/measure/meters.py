"""What meters are handed and what they return. A meter looks on while calls are timed; see `bench/meters/`."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from bench.catalog import Catalog
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


class Meters:
    """All meters that there are; a figure that this machine cannot tell is absent."""

    def __init__(self, catalog: Catalog) -> None:
        """Import their files, before anything is timed."""
        self._modules = [catalog.load("meters", card.name) for card in catalog.cards("meters")]
        self._before: list[Any] = []

    def begin(self) -> None:
        """Read them before a block."""
        self._before = [module.read() for module in self._modules]

    def end(self, block: Block) -> dict[str, Reading]:
        """Read them after a block and return its figures by name."""
        after = [module.read() for module in reversed(self._modules)][::-1]  # the first one lies next to the calls
        return dict(self._told(after, block))

    def _told(self, after: list[Any], block: Block) -> Iterator[tuple[str, Reading]]:
        for module, one, other in zip(self._modules, self._before, after, strict=True):
            found: Mapping[str, Reading] = module.figures(one, other, block)
            yield from found.items()
