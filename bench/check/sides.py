"""Which records are new, and which are the baseline."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bench import store, upgrades
from bench.errors import BenchError, RecordError
from bench.records import Record


class Sides(Struct, frozen=True):
    """The two sides of a check, each oldest first, and what could not be read of either."""

    new: list[Record]
    old: list[Record]
    problems: tuple[str, ...]
    gone: int
    """Records of the baseline that the new side has no more, or has none of their node of."""


def sides(results: Path, reading: store.Reading, baseline: str | Path) -> Sides:
    """Tell new records from the baseline's: the files that a revision lacks, or all if the baseline is a folder."""
    folder = Path(baseline)
    if folder.is_dir():
        if folder.resolve() == results.resolve():
            raise BenchError(f"{folder}: is the results folder itself; name another folder or a git revision")
        other = store.read(folder)
        present = {store.key(record) for record in reading.records}
        gone = len({store.key(record) for record in other.records} - present)
        return Sides(list(reading.records), list(other.records), (*reading.problems, *other.problems), gone)
    files = _files_at(results, str(baseline))
    old, problems = [], list(reading.problems)
    for name, text in files.items():
        try:
            old.append(upgrades.decode(text, Record, f"{baseline}:{name}"))
        except RecordError as error:
            problems.append(str(error))
    there = {name: (results / name).read_bytes() for name in files if (results / name).is_file()}
    cure = "records are never changed; take it from git again"
    problems += [f"{results / name}: differs from {baseline}; {cure}" for name in there if there[name] != files[name]]
    paths = reading.paths
    new = [one for one in reading.records if paths[id(one)].relative_to(results).as_posix() not in files]
    old.sort(key=lambda record: record.created)
    return Sides(new, old, tuple(problems), len(files) - len(there))


def _files_at(results: Path, revision: str) -> dict[str, bytes]:
    """Return the records of a git revision, by their path below `results`."""
    commit = _git(results, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        cure = "name a folder of results, or a revision of the git repository that holds the results"
        raise BenchError(f"{revision}: neither a folder nor a revision known to git at {results}; {cure}")
    listing = _git(results, "ls-tree", "-r", "-z", commit.decode().strip()) or b""
    entries = [entry.partition("\t") for entry in listing.decode().split("\0") if entry]
    names = {name: about.split()[2] for about, _, name in entries if _is_record(name)}
    stream = _git(results, "cat-file", "--batch", text="\n".join(names.values()).encode()) or b""
    return dict(zip(names, _blobs(stream), strict=True))


def _git(folder: Path, *arguments: str, text: bytes = b"") -> bytes | None:
    """Return what git prints when run in `folder`, None if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], input=text, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise BenchError("git: not found; install it, or compare with a folder: --baseline FOLDER") from error
    return done.stdout if done.returncode == 0 else None


def _is_record(name: str) -> bool:
    return name.count("/") == 2 and name.endswith(".json") and not name.rpartition("/")[2].startswith(".")


def _blobs(stream: bytes) -> Iterator[bytes]:
    """Yield the contents from `git cat-file --batch`: a line `id type size`, the content, a newline."""
    start = 0
    while start < len(stream):
        end = stream.index(b"\n", start)
        size = int(stream[start:end].split()[2])
        yield stream[end + 1 : end + 1 + size]
        start = end + size + 2
