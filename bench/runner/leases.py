"""Who executes a node, where several runs share a results folder: a file a node, kept alive by its holder.

    results/.leases/<digest of the node>.json       host, process and session of the holder

A lease is free when its holder has released it or is gone: on one machine the process itself is
looked for; from another one the file was not touched for a while, by the clock of the file system.
"""

import fcntl
import os
import platform
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from bench import disk, store
from bench.errors import RecordError
from bench.measure.hardware import hardware
from bench.records import Record
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
    started: float
    """Of the process, as process numbers come again."""
    session: str
    node: str = ""
    """For a person who looks."""

    def is_gone(self, silent_s: float) -> bool:
        """Tell whether nobody will finish what it holds; it last said something `silent_s` ago."""
        if self.host != _host():
            return silent_s > SILENCE_S
        try:
            return psutil.Process(self.process).create_time() != self.started
        except psutil.NoSuchProcess:
            return True


@cache
def _host() -> str:
    """Return what has process numbers of its own: a machine, or a container of it."""
    space = Path("/proc/self/ns/pid")
    return f"{platform.node()} {space.readlink() if space.exists() else ''}".strip()


class Leases:
    """What this process holds and can take, and what others have done since its plan was made."""

    def __init__(self, results: Path, suite: str, session: str, seen: Iterable[str]) -> None:
        """Hold nothing yet; `seen` are the names of the records that the plan knows."""
        self._results = results
        self._suite = suite
        self._seen = set(seen)
        self._folder = results / FOLDER
        self._me = Holder(_host(), os.getpid(), psutil.Process().create_time(), session)
        self._held: dict[str, Path] = {}
        self._news: dict[store.NodeKey, Record] = {}
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._live, daemon=True)

    def __enter__(self) -> "Leases":
        """Make the folder, and say from now on that this process is alive."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / ".gitignore").write_text("*\n", encoding="ascii")
        self._beat.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Release everything."""
        self._over.set()
        self._beat.join()
        for node in list(self._held):
            self._release(node)

    def take(self, node: Node) -> bool:
        """Take a node's lease unless somebody else has it; True for one that is held already."""
        if node.id in self._held:
            return True
        path = self._path(node)
        with self._alone():
            holder = self._holder(path)
            if holder is not None:
                return False
            path.unlink(missing_ok=True)
            with suppress(FileExistsError), path.open("xb") as file:  # where files cannot be locked one still wins
                file.write(msgspec.json.encode(msgspec.structs.replace(self._me, node=node.id)))
                self._held[node.id] = path
        return node.id in self._held

    def release(self, node: Node) -> None:
        """Let go of a node; it has a record."""
        self._release(node.id)

    def news(self, node: Node) -> Record | None:
        """Return what somebody else has recorded of a node since the plan was made, with the same code."""
        for path in sorted((self._results / self._suite / node.cell_id).glob(f"{node.kind}*.json")):
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            with suppress(RecordError):
                found = store.read_file(path, Record)
                if found.provenance.code == node.code:
                    self._news[store.key(found)] = found
        does = node.measure or node.diagnostic
        record = self._news.get(store.node_key(node.cell_id, node.kind, node.seed, node.fold, does))
        if record is None or (node.kind == "measure" and record.provenance.hardware != hardware()):
            return None
        lacking = record.error is not None and record.error.type == "NotInstalled"
        return None if lacking else record

    def _release(self, node: str) -> None:
        if path := self._held.pop(node, None):
            path.unlink(missing_ok=True)

    def _path(self, node: Node) -> Path:
        here = hardware().fingerprint if node.kind == "measure" else ""  # each machine has timings of its own
        return self._folder / f"{sha256(f'{node.id} {here}'.encode()).hexdigest()[:16]}.json"

    def _holder(self, path: Path) -> Holder | None:
        """Return who has a lease and is alive."""
        try:
            holder = msgspec.json.decode(disk.read(path), type=Holder)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError):  # being written, or damaged
            holder = Holder("", 0, 0.0, "")
        return None if holder.is_gone(self._age_s(path)) else holder

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
            for path in list(self._held.values()):
                with suppress(OSError):
                    os.utime(path)
