"""One lock for the machine: many may train at a time, but nothing else runs while latency is measured."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "keras-bench-machine.lock"


def _open() -> int:
    try:
        return os.open(LOCK, os.O_RDONLY)  # another user's, too, which must not be opened with O_CREAT
    except FileNotFoundError:
        return os.open(LOCK, os.O_RDONLY | os.O_CREAT, 0o666)


@contextmanager
def hold(*, alone: bool, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the machine, `alone` or with others; call `waiting` once if somebody has to be waited for."""
    file = _open()
    kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
    try:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, kind)
        yield
    finally:
        os.close(file)  # releases the lock
