"""A person's data files, of a bounded size: `bench.disk`, whose faults become DataErrors with their cure."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import disk
from bench.errors import DataError


def size(path: Path, most: int, cure: str) -> int:
    """Return the size of a file in bytes, links followed; nothing is opened.

    Raise DataError, which names the file and ends in `cure`, if it is missing, no regular file or
    larger than `most` bytes.
    """
    with _told(path, cure):
        return disk.size(path, most)


def read(path: Path, most: int, cure: str) -> bytes:
    """Return a file's bytes, at most `most`; raise DataError as `size` does."""
    with _told(path, cure):
        return disk.read(path, most)


@contextmanager
def _told(path: Path, cure: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise DataError(f"{path}: cannot be read (no memory left); {cure}") from error
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        fault = getattr(error, "strerror", None) or str(error)
        ours = getattr(error, "errno", None) in {errno.EINVAL, errno.EFBIG}
        raise DataError(f"{path}: {fault if ours else f'cannot be read ({fault})'}; {cure}") from error
