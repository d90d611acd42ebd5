"""Ctrl-C and SIGTERM, obeyed at safe places.

An exception out of nowhere could leave a message to a worker half sent, or a record half told of.
"""

import signal
from types import FrameType
from typing import Any


class Interrupt:
    """While entered, notes the first signal for `check` to raise; a second one is obeyed at once."""

    def __init__(self) -> None:
        """Start with nothing noted."""
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupt":
        """Take the signals over."""
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        """Hand the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
