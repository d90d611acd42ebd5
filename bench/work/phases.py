"""How long each part of a node takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Phases:
    """A stopwatch: `with phases("fit"): …` adds to `seconds["fit"]`."""

    def __init__(self) -> None:
        """Start with no phase."""
        self.seconds: dict[str, float] = {}

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count a part of one phase as another."""
        if seconds:
            self.seconds[source] = round(max(self.seconds[source] - seconds, 0.0), 4)
            self.seconds[target] = round(self.seconds.get(target, 0.0) + seconds, 4)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 4)
