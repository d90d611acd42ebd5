"""One lock for the machine: many may train at a time, but nothing else runs while latency is measured."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = Path(tempfile.gettempdir()) / "keras-bench-machine.lock"


IN_USE = ".in-use"
"""Suffix of a second lock: what runs leave in `.bench/` is needed until their end."""


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY)  # another user's, too, which must not be opened with O_CREAT
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)


@contextmanager
def hold(*, alone: bool, waiting: Callable[[], None], lock: str = "") -> Iterator[None]:
    """Hold the machine, `alone` or with others; call `waiting` once if somebody has to be waited for."""
    file = _open(LOCK.with_name(LOCK.name + lock))
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
