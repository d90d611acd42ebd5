"""The folder of records: where each one lies, how it is written, how all are read.

    results/<suite>/suite-<digest>.json                                 the resolved suite
    results/<suite>/<cell>/<node>-s<seed>-<UTC>-<random>.json           one executed node

Records are appended, never changed. A reader takes the newest finished one of each node; a
broken file is named in `Reading.problems` and skipped.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import disk, records, upgrades
from bench.errors import RecordError
from bench.limits import Created, Fold, Name, Seed
from bench.records import (
    Artifact,
    Cell,
    Fault,
    MeasureSpec,
    NodeKind,
    Record,
    Status,
    Use,
)
from bench.suite_record import SuiteRecord


class Reading(Struct, frozen=True):
    """All that a results folder holds, oldest record first, and what could not be read."""

    records: tuple[Record, ...]
    suites: dict[str, SuiteRecord]
    """The most recently resolved suite record of each name."""
    problems: tuple[str, ...]
    """One line for each file that was skipped."""
    paths: dict[int, Path] = {}
    """Where each record lies, by `id(record)`."""

    def of_suite(self, suite: SuiteRecord) -> list[Record]:
        """Return the records of the suite's cells, wherever they were made, oldest first."""
        wanted = {cell.cell_id for cell in suite.cells}
        return [record for record in self.records if record.cell_id in wanted]


NodeKey = tuple[str, NodeKind, int | None, int, bytes]


def node_key(cell_id: str, node: NodeKind, seed: int | None, fold: int, does: MeasureSpec | Use | None) -> NodeKey:
    """Return what makes two records executions of one node; `does` is what it measures, or its diagnostic."""
    return (cell_id, node, seed, fold, records.canonical(does))


def key(record: Record) -> NodeKey:
    """Return the key of the node that a record is an execution of."""
    return node_key(record.cell_id, record.node, record.seed, record.fold, record.measure or record.diagnostic)


def newest(found: list[Record]) -> list[Record]:
    """Keep the newest finished record of each node, in the order first met."""
    latest: dict[NodeKey, Record] = {}
    for record in found:
        if record.status == "finished":
            name = key(record)
            if name not in latest or latest[name].created <= record.created:
                latest[name] = record
    return list(latest.values())


class HardwareHeader(Struct, frozen=True):
    """The part of `Hardware` that the planner needs."""

    fingerprint: str


class ProvenanceHeader(Struct, frozen=True):
    """The part of `Provenance` that the planner needs."""

    commit: str | None
    dirty: bool | None
    hardware: HardwareHeader
    packages: dict[str, str]
    backend: str
    device: str
    threads: int
    code: dict[str, str]


class DataHeader(Struct, frozen=True):
    """The part of `Data` that the planner needs."""

    verified: bool | None = None


class Header(Struct, frozen=True):
    """The part of a record that the planner needs; the rest of the file is skipped, not parsed."""

    schema: int
    created: Created
    suite: Name
    node: NodeKind
    cell_id: Name
    cell: Cell
    seed: Seed | None
    fold: Fold
    status: Status
    provenance: ProvenanceHeader
    error: Fault | None = None
    measure: MeasureSpec | None = None
    diagnostic: Use | None = None
    watched: tuple[Use, ...] = ()
    phases_s: dict[str, float] = {}
    parents: tuple[str, ...] = ()
    artifact: Artifact | None = None
    diagnostics: dict[str, msgspec.Raw] = {}
    watch_faults: dict[str, msgspec.Raw] = {}
    data: DataHeader | None = None
    path: Path | None = None
    """Where the record lies; not in the file."""


def headers(results: Path) -> tuple[list[Header], list[str]]:
    """Read what planning needs of every record, oldest first, and a line for each file that was skipped."""
    found: list[Header] = []
    problems: list[str] = []
    for path in _record_paths(results):
        try:
            found.append(msgspec.structs.replace(read_file(path, Header), path=path))
        except RecordError as error:
            problems.append(str(error))
    found.sort(key=lambda header: header.created)
    return found, problems


def now() -> str:
    """Return the time as records carry it: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(results: Path, record: Record) -> Path:
    """Append one record and return its path."""
    node: str = record.node
    if record.measure or record.diagnostic:  # their names are what a file system takes, a label may hold more
        does = record.measure.runtime if record.measure else record.diagnostic
        node += f"-{does.name}" if does else ""
    seed, fold = "" if record.seed is None else f"-s{record.seed}", f"-f{record.fold}" if record.fold else ""
    stamp = record.created.replace("-", "").replace(":", "").replace(".", "")
    name = f"{node}{seed}{fold}-{stamp}-{secrets.token_hex(3)}.json"
    path = results / record.suite / record.cell_id / name
    disk.write_atomic(path, msgspec.json.format(encode(record), indent=1) + b"\n")
    return path


def encode(record: Record) -> bytes:
    """Return a record as JSON; raise RecordError for one that could not be read again, such as one with NaN in it."""
    return checked(record, f"{record.node} record of {record.cell_id}")


def checked(record: Struct, what: str) -> bytes:
    """Return any kind of record as JSON; raise RecordError if it holds what no record can."""
    try:
        text = msgspec.json.encode(record)
        msgspec.json.decode(text, type=type(record))
    except (TypeError, ValueError, OverflowError) as error:  # ValidationError is a ValueError
        raise RecordError(f"{what}: no record can hold it: {error}") from error
    return text


def write_suite(results: Path, suite: SuiteRecord) -> Path:
    """Write the resolved suite, the one file that may be written again: when an older suite is the newest once more."""
    path = results / suite.name / f"suite-{suite.digest}.json"
    latest, _ = _newest_suite(results / suite.name)
    if latest is None or latest.digest != suite.digest:
        disk.write_atomic(path, msgspec.json.format(msgspec.json.encode(suite), indent=1) + b"\n")
    return path


def read(results: Path) -> Reading:
    """Read every record below `results`; an absent folder is an empty one.

    A record that was made while a plugin of its cell had another name is handed out under the
    cell's present id, as the suites know it.
    """
    found: list[tuple[Record, Path]] = []
    problems: list[str] = []
    suites: dict[str, SuiteRecord] = {}
    for folder in _folders(results):
        suite, faults = _newest_suite(folder)
        problems += faults
        if suite is not None:
            suites[suite.name] = suite
    for path in _record_paths(results):
        try:
            found.append((read_file(path, Record), path))
        except RecordError as error:
            problems.append(str(error))
    found.sort(key=lambda pair: (pair[0].created, pair[1].name))
    present = {former: cell.cell_id for suite in suites.values() for cell in suite.cells for former in cell.formerly}
    found = [
        (msgspec.structs.replace(record, cell_id=present[record.cell_id]), path)
        if record.cell_id in present
        else (record, path)
        for record, path in found
    ]
    return Reading(
        records=tuple(record for record, _ in found),
        suites=suites,
        problems=tuple(problems),
        paths={id(record): path for record, path in found},
    )


def read_file(path: Path, kind: type[upgrades.AnyRecord]) -> upgrades.AnyRecord:
    """Read one file of any kind of record; raise RecordError, naming it, if that fails."""
    try:
        return upgrades.decode(disk.read(path), kind, str(path))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error


def _folders(results: Path) -> Iterator[Path]:
    if results.is_dir():
        yield from sorted(path for path in results.iterdir() if path.is_dir() and not path.name.startswith("."))


def _record_paths(results: Path) -> Iterator[Path]:
    for folder in _folders(results):
        yield from (path for path in sorted(folder.glob("*/*.json")) if not path.name.startswith("."))


def _newest_suite(folder: Path) -> tuple[SuiteRecord | None, list[str]]:
    latest: SuiteRecord | None = None
    problems = []
    for path in sorted(folder.glob("suite-*.json")):
        try:
            suite = read_file(path, SuiteRecord)
        except RecordError as error:
            problems.append(str(error))
            continue
        if latest is None or suite.created >= latest.created:
            latest = suite
    return latest, problems
