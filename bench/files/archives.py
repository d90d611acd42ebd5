"""Zip archives that a stranger may have made: looked at before anything in them is read."""

import zipfile
from pathlib import Path, PurePosixPath

from bench.errors import DataError

MOST_INFLATION = 100
"""An archive that grows by more than this is made to fill a disk or the memory."""
ALLOWANCE = 10_000_000
"""Bytes that any archive may grow to."""


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive; raise DataError, naming it, if it is damaged, climbs out of its folder or is a bomb."""
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a zip archive that can be read ({error})") from error
    entries = archive.infolist()
    for entry in entries:
        inside = PurePosixPath(entry.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in "".join(inside.parts[:1]):
            raise DataError(f"{path}: its entry '{entry.filename}' would leave its folder; do not trust this file")
    whole, packed = sum(entry.file_size for entry in entries), path.stat().st_size
    if whole > MOST_INFLATION * packed + ALLOWANCE:
        raise DataError(f"{path}: {packed:,} bytes that would become {whole:,}; do not trust this file")
    return archive
