"""The folder that a site goes to: which one may be taken, and how a new site takes an old one's place.

A site is written to a draft beside the folder and moved there when it is whole, so that a build
which fails leaves the site of before as it was. Only files that an earlier site lists in its
manifest are ever replaced, and the list is compared with what is there and never opened as paths.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.errors import BenchError

MANIFEST = ".bench-site.json"
"""Names every other file of a site, as paths from its root, sorted."""
MOST_NAMED = 3


@contextmanager
def replacing(output: Path, results: Path) -> Iterator[Path]:
    """Give an empty folder to write a site to, which becomes `output` unless an error is raised.

    Raise BenchError where `output` cannot be written or may not be replaced.
    """
    place = output.resolve()
    _refuse_place(output, place, results.resolve())
    _refuse_contents(output, place)
    mark = secrets.token_hex(4)
    draft, former = (place.with_name(f".{place.name}.{mark}.{end}") for end in ("draft", "former"))
    try:
        draft.mkdir(parents=True)
    except OSError as error:
        raise BenchError(f"{output}: cannot be written: {error.strerror}; name another folder by --output") from error
    try:
        yield draft
        _refuse_contents(output, place)  # it may have been used meanwhile
        if place.exists():
            place.rename(former)
        try:
            draft.rename(place)
        except BaseException:
            if former.exists():
                former.rename(place)
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if former.exists():
        shutil.rmtree(former)


def list_files(site: Path) -> None:
    """Write a finished site's manifest."""
    files = sorted(_files(site) - {MANIFEST})
    (site / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(files), indent=1) + b"\n")


def _refuse_place(output: Path, place: Path, results: Path) -> None:
    for kept, what in ((results, "the results"), (Path.home(), "the home folder"), (Path.cwd(), "the working folder")):
        if kept.resolve().is_relative_to(place):
            raise BenchError(f"{output}: holds {what}, which a site would replace; name another folder by --output")
    if place.is_relative_to(results):
        raise BenchError(f"{output}: lies in the results, which hold records alone; name another folder by --output")
    if place.exists() and not place.is_dir():
        raise BenchError(f"{output}: is a file; name a folder by --output")
    if place.is_mount():
        raise BenchError(f"{output}: another disk is mounted there; name a folder in it by --output")
    if place.exists() and not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        raise BenchError(f"{output}: cannot be written: Permission denied; name another folder by --output")


def _refuse_contents(output: Path, place: Path) -> None:
    """Raise BenchError if a folder holds anything that no earlier site says it wrote."""
    there = _files(place)
    if not there:
        return
    manifest = place / MANIFEST
    if not manifest.is_file() or manifest.is_symlink():
        old = " (a site of before sites had one: delete it once)" if (place / "sitemap.xml").exists() else ""
        raise BenchError(f"{output}: holds files, and no {MANIFEST} of an earlier site{old}; name another folder")
    try:
        written = set(msgspec.json.decode(manifest.read_bytes(), type=list[str]))
    except (OSError, ValueError) as error:
        raise BenchError(f"{manifest}: cannot be read: {error}; delete the folder or name another one") from error
    strange = sorted(there - written - {MANIFEST})
    if strange:
        named = ", ".join(map(repr, strange[:MOST_NAMED])) + ", …" * (len(strange) > MOST_NAMED)
        raise BenchError(f"{output}: holds what no build wrote: {named}; move it away or name another folder")


def _files(folder: Path) -> set[str]:
    """Return all that is in a folder but folders, as paths from it; links are not followed."""
    found = set()
    for here, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(here) / name).is_symlink()]
        found |= {(Path(here) / name).relative_to(folder).as_posix() for name in (*files, *links)}
    return found
