"""Zip archives that a stranger may have made: looked at before anything in them is read."""

import zipfile
from pathlib import Path, PurePosixPath

from bench.errors import DataError, first_line
from bench.files import regular

MOST_INFLATION = 100
"""An archive that grows by more than this is made to fill a disk or the memory."""
ALLOWANCE = 10_000_000
"""Bytes that any archive may grow to."""
MOST_BYTES = 100_000_000_000


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive; raise DataError, naming it, if it is damaged, climbs out of its folder or is a bomb."""
    packed = regular.size(path, MOST_BYTES, "it should be a zip archive")
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive may raise anything
        raise DataError(f"{path}: not a zip archive that can be read ({first_line(error)})") from error
    entries = archive.infolist()
    for entry in entries:
        inside = PurePosixPath(entry.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in "".join(inside.parts[:1]):
            raise DataError(f"{path}: its entry {entry.filename!r} would leave its folder; do not trust this file")
    whole = sum(entry.file_size for entry in entries)
    if whole > MOST_INFLATION * packed + ALLOWANCE:
        raise DataError(f"{path}: {packed:,} bytes that would become {whole:,}; do not trust this file")
    return archive
