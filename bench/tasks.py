"""What the runner hands a worker and gets back, and the provenance that both can state."""

import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.measure.hardware import hardware
from bench.planning.fingerprints import versions
from bench.planning.tree import Node
from bench.records import Artifact, Fault, Provenance, Record, Status, Use
from bench.store import now

PACKAGES = (
    "ai-edge-litert",
    "jax",
    "keras",
    "numpy",
    "scikit-learn",
    "tensorflow",
    "tensorflow-model-optimization",
    "tf-keras",
)
"""Packages whose version a result may depend on."""


class Home(Struct, frozen=True):
    """The folders under `.bench/`: nothing in them is a result, all can be made again."""

    root: Path
    session: str = ""
    """Names this run of the runner; several may share the home."""

    @property
    def artifacts(self) -> Path:
        """Where networks lie, by digest."""
        return self.root / "artifacts"

    @property
    def conversions(self) -> Path:
        """Where networks lie that a runtime converted for itself."""
        return self.root / "conversions"

    @property
    def scratch(self) -> Path:
        """Where this session's nodes work; a node's folder goes with it."""
        return self.root / "scratch" / self.session

    @property
    def logs(self) -> Path:
        """What workers print."""
        return self.root / "logs"


def home() -> Home:
    """Return the folders of this process: under `BENCH_HOME`, or `.bench` here."""
    return Home(Path(os.environ.get("BENCH_HOME", ".bench")).absolute(), session=str(os.getpid()))


class Task(Struct, frozen=True):
    """One node to execute, with all that the worker must know of it."""

    node: Node
    suite: str
    home: Home
    plugins: tuple[Path, ...]
    commit: str | None
    dirty: bool | None
    threads: int
    backend: str
    parent: Artifact | None = None
    diagnostics: tuple[Use, ...] = ()

    @property
    def folder(self) -> Path:
        """The node's own folder; progress is told there."""
        return self.home.scratch / self.node.id.replace("/", "-")


class BatchSamples(Struct, frozen=True):
    """Timed calls of one runtime at one batch size in one process."""

    batch_size: int
    first_call_ms: float
    latencies_ms: list[float]


class Sample(Struct, frozen=True):
    """What one fresh process measured of one node."""

    batches: tuple[BatchSamples, ...]
    others_cores: float
    """Cores that other processes kept busy meanwhile."""
    steal: float
    """Share of the time that the hypervisor took away, 0–1."""
    size_bytes: int
    duration_s: float
    device: str = "cpu"


class Progress(Struct, frozen=True):
    """How far a training is."""

    epoch: int
    epochs: int
    metrics: dict[str, float]


def provenance(task: Task, *, device: str = "unknown", jit_compile: bool | None = None) -> Provenance:
    """Return where a task's record comes from."""
    return Provenance(
        commit=task.commit,
        dirty=task.dirty,
        python=platform.python_version(),
        packages=versions(PACKAGES) | task.node.packages,
        hardware=hardware(),
        backend=task.backend,
        device=device,
        threads=task.threads,
        determinism=False,
        jit_compile=jit_compile,
        code=task.node.code,
    )


def record(task: Task, status: Status, **fields: Any) -> Record:
    """Return a task's record with the envelope filled in."""
    node = task.node
    fields.setdefault("provenance", provenance(task))
    return Record(
        created=now(),
        suite=task.suite,
        node=node.kind,
        cell_id=node.cell_id,
        cell=node.cell,
        seed=node.seed,
        fold=node.fold,
        status=status,
        measure=node.measure,
        parents=(task.parent.digest,) if task.parent else (),
        **fields,
    )


def failure(task: Task, status: Status, kind: str, message: str, traceback: str | None = None) -> Record:
    """Return the record of a node that did not finish."""
    return record(task, status, error=Fault(type=kind, message=message, traceback=traceback))


@lru_cache(maxsize=1)
def commit() -> tuple[str | None, bool | None]:
    """Return the commit of the folder we are in and whether anything but results differs from it."""

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(("git", *words), capture_output=True, text=True, timeout=20, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    head = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--", ".", ":!results")
    return head, None if head is None or changes is None else bool(changes)
