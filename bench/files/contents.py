"""A person's own files, known by what is in them."""

import os
from hashlib import file_digest, sha256
from pathlib import Path

import msgspec

from bench.catalog import Catalog
from bench.disk import write_atomic
from bench.records import Use

PREFIX = "file:"
"""Of a person's own files among the fingerprints of code, where `files/…` are modules of bench."""


def of_use(catalog: Catalog, kind: str, use: Use, cache: Path) -> dict[str, str]:
    """Return the fingerprints of a person's own files that a use names, as `file:<path>`."""
    return {f"{PREFIX}{path}": fingerprint(Path(path), cache) for path in catalog.paths(kind, use).values()}


def fingerprint(path: Path, cache: Path) -> str:
    """Return 8 hex digits of the names and contents of a file, or of all files in a folder.

    Two clones of one folder have the same, wherever they lie. Contents are read again only when a
    name, size or time of change differs from what the file `cache` remembers.
    """
    state = f"{path.absolute()} {listing(path)}"
    known = _remembered(cache)
    if state not in known:
        digest = sha256()
        for file in _files(path):
            with file.open("rb") as opened:
                digest.update(os.fsencode(f"{os.path.relpath(file, path)}\0") + file_digest(opened, "sha256").digest())
        kept = {key: value for key, value in known.items() if not key.startswith(f"{path.absolute()} ")}
        known = kept | {state: digest.hexdigest()[:8]}
        write_atomic(cache, msgspec.json.encode(known))
    return known[state]


def listing(path: Path) -> str:
    """Return 8 hex digits of the names, sizes and times of change of a file, or of all files in a folder."""
    digest = sha256()
    for file in _files(path):
        state = file.stat()
        # A name need not be UTF-8.
        digest.update(os.fsencode(f"{os.path.relpath(file, path)}\0{state.st_size}\0{state.st_mtime_ns}\0"))
    return digest.hexdigest()[:8]


def _files(path: Path) -> list[Path]:
    """Return all files of a folder; of a file, also what exporters lay beside it, such as the weights of an `.xml`."""
    beside = [Path(f"{path}.data"), Path(f"{path}_data")]
    if path.suffix.lower() == ".xml":
        beside.append(path.with_suffix(".bin"))
    files = sorted(path.rglob("*")) if path.is_dir() else [path, *beside]
    return [file for file in files if file.is_file()]


def _remembered(cache: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(cache.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}
