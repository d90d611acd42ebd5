"""Who executes a node, where several runs share a results folder: a file a node, kept alive by its holder.

    results/.leases/<digest of the node>.json       host, process and session of the holder
    results/.leases/run-<session>.json              the same of a run that has something to do

A file counts for nothing when its holder is gone: on one machine the process itself is looked for;
from another one the file was not touched for a while, by the clock of the file system.
"""

import fcntl
import os
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct

from bench import disk, store
from bench.errors import RecordError
from bench.measure.hardware import hardware
from bench.planning.plan import cannot_work, is_here
from bench.records import Record
from bench.runner.process import identity
from bench.tasks import Node

FOLDER = ".leases"
BEAT_S = 10.0
"""How often a holder says that it is alive."""
SILENCE_S = 60.0
"""After which a holder on another machine is gone."""


class Holder(Struct, frozen=True):
    """The process that executes a node."""

    host: str
    process: int
    identity: str
    """What tells it from a later process of that number."""
    session: str
    node: str = ""
    """For a person who looks."""

    def is_gone(self, silent_s: Callable[[], float]) -> bool:
        """Tell whether nobody will finish what it holds; `silent_s` says how long it has said nothing."""
        if self.host != host():
            return silent_s() > SILENCE_S
        return identity(self.process) != self.identity


@cache
def host() -> str:
    """Return what has process numbers of its own: a machine, or a container of it."""
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()} {space.readlink() if space.exists() else ''}".strip()


class Leases:
    """What this process holds, and what it can take."""

    def __init__(self, results: Path, session: str) -> None:
        """Hold nothing yet."""
        self._folder = results / FOLDER
        self._me = Holder(host(), os.getpid(), identity(os.getpid()) or "", session)
        self._presence = self._folder / f"run-{session}.json"
        self._held: dict[str, Path] = {}
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "Leases":
        """Make the folder, and say from now on that this run is alive."""
        self._folder.mkdir(parents=True, exist_ok=True)
        disk.write_atomic(self._folder / ".gitignore", b"*\n")
        self._appear()
        self._beat.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Release everything."""
        self._over.set()
        self._beat.join()
        for node in list(self._held):
            self.release(node)
        self._presence.unlink(missing_ok=True)

    def take(self, node: Node) -> bool:
        """Take a node's lease unless somebody else has it; True for one that is held already."""
        if node.id in self._held:
            return True
        here = hardware().fingerprint if node.kind == "measure" else ""  # each machine has timings of its own
        path = self._folder / f"{sha256(f'{node.id} {here}'.encode()).hexdigest()[:16]}.json"
        with self._alone():
            if self._holder(path) is not None:
                return False
            path.unlink(missing_ok=True)
            with suppress(FileExistsError), path.open("xb") as file:  # where files cannot be locked one still wins
                file.write(msgspec.json.encode(msgspec.structs.replace(self._me, node=node.id)))
                self._held[node.id] = path
        return node.id in self._held

    def release(self, node: str) -> None:
        """Let go of a node, by its id: it has a record, or somebody else may try."""
        path = self._held.pop(node, None)
        if path is not None and self._is_mine(path):
            path.unlink(missing_ok=True)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Say that this run has nothing to do but wait for others."""
        self._presence.unlink(missing_ok=True)
        yield
        self._appear()

    def _appear(self) -> None:
        disk.write_atomic(self._presence, msgspec.json.encode(self._me))

    def is_last(self) -> bool:
        """Tell whether every other run has ended, is gone, or waits as well."""
        others = (path for path in self._folder.glob("run-*.json") if path != self._presence)
        return all(self._holder(path) is None for path in others)

    def _holder(self, path: Path) -> Holder | None:
        """Return whose a file is, if that one is alive."""
        try:
            holder = msgspec.json.decode(disk.read(path), type=Holder)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):  # being written, or damaged
            holder = Holder("", 0, "", "")
        return None if holder.is_gone(lambda: self._age_s(path)) else holder

    def _is_mine(self, path: Path) -> bool:
        """Tell whether a lease is still this run's: one that was silent for long has lost it."""
        with suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(disk.read(path), type=Holder).session == self._me.session
        return False

    def _age_s(self, path: Path) -> float:
        """Return how long ago a file was touched, by the clock of its file system."""
        clock = self._folder / f".clock-{self._me.session}"
        clock.touch()
        try:
            return clock.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        finally:
            clock.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from judging a lease at the same time, where the file system can."""
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _live(self) -> None:
        while not self._over.wait(BEAT_S):
            for path in [self._presence, *self._held.values()]:
                with suppress(OSError):
                    if self._is_mine(path):
                        os.utime(path)


class News:
    """What others have recorded since a plan was made, as far as the plan would let it stand."""

    def __init__(self, results: Path, backend: str, seen: Iterable[str]) -> None:
        """Look at nothing yet; `seen` are the names of the records that the plan knows."""
        self._results = results
        self._backend = backend
        self._seen = set(seen)
        self._found: dict[store.NodeKey, list[Record]] = {}

    def of(self, node: Node) -> Record | None:
        """Return the newest record of a node that stands, or that says how it failed."""
        for path in sorted(self._results.glob(f"*/{node.cell_id}/{node.kind}*.json")):
            if path.name not in self._seen:
                self._seen.add(path.name)
                with suppress(RecordError):
                    record = store.read_file(path, Record)
                    self._found.setdefault(store.key(record), []).append(record)
        does = node.measure or node.diagnostic
        key = store.node_key(node.cell_id, node.kind, node.seed, node.fold, does)
        told = [record for record in self._found.get(key, []) if self._tells(record, node)]
        return max(told, key=lambda record: record.created, default=None)

    def _tells(self, record: Record, node: Node) -> bool:
        if record.provenance.code != node.code or (node.kind == "measure" and not is_here(record, node, self._backend)):
            return False
        return record.status != "unsupported" or cannot_work(record, self._backend)
