"""Regular files of a bounded size, and nothing else: a pipe would be waited on for ever, a device has no end."""

import stat
from pathlib import Path

from bench.errors import DataError

KINDS = {
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def size(path: Path, most: int, cure: str) -> int:
    """Return the size of a file in bytes, links followed; nothing is opened.

    Raise DataError, which names the file and ends in `cure`, if it is missing, no regular file or
    larger than `most` bytes.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', error)}); {cure}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path}: {KINDS.get(stat.S_IFMT(found.st_mode), 'no file')}, not a regular file; {cure}")
    if found.st_size > most:
        raise DataError(f"{path}: {found.st_size:,} bytes, more than the {most:,} that are read; {cure}")
    return found.st_size


def read(path: Path, most: int, cure: str) -> bytes:
    """Return a file's bytes, at most `most`; raise DataError as `size` does."""
    wanted = size(path, most, cure)
    try:
        with path.open("rb") as file:
            return file.read(wanted)
    except (OSError, MemoryError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', 'no memory left')}); {cure}") from error
