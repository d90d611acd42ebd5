"""Small files, whole or not at all: read only where they are files of a sane size, written atomically."""

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bench.errors import told
from bench.limits import MOST_BYTES

PATIENCE_S = 600.0
"""How long a full disk is waited for."""
_KINDS = {
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
T = TypeVar("T")


def read(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return a file's content; raise OSError for what is no regular file or too large.

    A pipe would let its reader wait for ever, and a link to /dev/zero would fill the memory.
    """
    size(path, most)
    # It may be another one by now; opening a pipe would wait, but for O_NONBLOCK.
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        with os.fdopen(opened, "rb", closefd=False) as file:
            return file.read(_check(os.fstat(opened), path, most))
    finally:
        os.close(opened)


def size(path: Path, most: int = MOST_BYTES) -> int:
    """Return the size of a file in bytes, links followed, without opening it; raise OSError as `read` does."""
    return _check(path.stat(), path, most)


def _check(state: os.stat_result, path: Path, most: int) -> int:
    if not stat.S_ISREG(state.st_mode):
        kind = _KINDS.get(stat.S_IFMT(state.st_mode), "no file")
        raise OSError(errno.EINVAL, f"{kind}, not a regular file", str(path))
    if state.st_size > most:
        raise OSError(errno.EFBIG, f"{state.st_size:,} bytes, more than the {most:,} that are read", str(path))
    return state.st_size


def write_atomic(path: Path, text: bytes) -> None:
    """Write a file that is either whole or not there, even after a crash."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EEXIST, "no regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # and not the draft's
        raise
    finally:
        draft.unlink(missing_ok=True)


def patiently(write: Callable[[], T], tell: Callable[[str], None], check: Callable[[], None] = lambda: None) -> T:
    """Return what `write` returns, tried again while the disk is full: what it writes has cost more than the wait.

    `tell` is called once, `check` every second. Raise the OSError of any other cause, and after PATIENCE_S.
    """
    until = time.monotonic() + PATIENCE_S
    waiting = False
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT} or time.monotonic() > until:
                raise
            if not waiting:
                tell(f"{told(error)}; waiting for {PATIENCE_S / 60:.0f} minutes")
            waiting = True
        time.sleep(1.0)
        check()


def _sync(folder: Path) -> None:
    """Make sure that a new name in a folder outlives a power cut, where the system can."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
