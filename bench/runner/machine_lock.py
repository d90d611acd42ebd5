"""One lock for the machine: many may train at a time, but nothing else runs while latency is measured.

It keeps one user's runs apart; a measurement sees by itself when others keep the machine busy.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import BenchError

FOLDER = Path(tempfile.gettempdir()) / f"keras-bench-{os.getuid()}"
"""The user's own: in the shared folder itself anybody could hold, replace or link the file."""
MACHINE, IN_USE = "machine.lock", "in-use.lock"
"""The second says that what runs leave in `.bench/` is needed until their end."""


def _open(name: str) -> int:
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = FOLDER.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise BenchError(f"{FOLDER}: others may write to it; delete it, or name another temporary folder in TMPDIR")
    return os.open(FOLDER / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


@contextmanager
def hold(*, alone: bool, waiting: Callable[[], None], lock: str = MACHINE) -> Iterator[None]:
    """Hold the machine, `alone` or with others; call `waiting` once if somebody has to be waited for."""
    file = _open(lock)
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
