"""What the runner hands a worker and gets back, and the provenance that both can state."""

import importlib.metadata
import os
import platform
import secrets
import subprocess
from functools import cache, lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import disk
from bench.errors import BenchError, shortened
from bench.measure.hardware import hardware
from bench.measure.meters import Reading
from bench.records import (
    Artifact,
    Cell,
    Fault,
    MeasureSpec,
    NodeKind,
    Provenance,
    Record,
    Series,
    Status,
    Use,
    canonical,
)
from bench.runner.process import can_fork
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
FRAMEWORKS = (*PACKAGES, "jaxlib", "torch")
"""Packages without whose equal versions nothing half done is gone on with, and nothing kept is used."""


COMPARED = 16
"""Test examples on which a runtime's outputs must be the network's own before it is timed."""
EXPECTED = "expected.npy"
"""The network's own outputs for these, beside the examples that it is timed on."""

MOST_MESSAGE, MOST_TRACEBACK = 300, 20_000
"""Characters of a fault that a record keeps; of a longer message all of it stands in the traceback's place."""


class Node(Struct, frozen=True):
    """One step of the plan's tree: what it is, not what has become of it."""

    id: str
    kind: NodeKind
    cell_id: str
    cell: Cell
    seed: int | None
    """None where nothing is drawn: a network that was read from a file, or made of those of all seeds."""
    fold: int
    code: dict[str, str]
    parents: tuple[str, ...] = ()
    """Nodes whose networks it needs: first those that it changes, then those that its parameters name."""
    measure: MeasureSpec | None = None
    diagnostic: Use | None = None
    watches: tuple[Use, ...] = ()
    """Diagnostics that look on while it trains."""
    packages: dict[str, str] = {}
    """Versions here of what a measured runtime consists of."""


def run_id(cell: str, seed: int | None, fold: int) -> str:
    """Return the id of a run, which is also the id of its `train` or `derive` node."""
    return cell + ("" if seed is None else f"-s{seed}") + (f"-f{fold}" if fold else "")


def node_id(run: str, measure: MeasureSpec | None, diagnostic: Use | None = None) -> str:
    """Return the id of a run's node: the run's own, or that of one of its `measure` or `diagnose` nodes."""
    if diagnostic:
        return f"{run}/{diagnostic}"
    return f"{run}/{measure.name}" if measure else run


TAG = "CACHEDIR.TAG"
TAGGED = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by keras-bench, which deletes what lies here.\n"
"""By https://bford.info/cachedir/, so that backups leave the folder out."""


class Home(Struct, frozen=True):
    """The folders under `.bench/`: nothing in them is a result, all can be made again."""

    root: Path
    session: str = ""
    """Names this run of the runner; several may share the home."""

    def claim(self) -> None:
        """Make the folder, with a tag that says whose it is; raise BenchError for one of somebody else's."""
        self.root.mkdir(parents=True, exist_ok=True)
        ours = (f".{TAG}.", self.contents.name, f".{self.contents.name}.")  # drafts of others, and what a plan leaves
        strange = [path for path in self.root.iterdir() if not path.name.startswith(ours)]
        if strange and not self.is_claimed:
            cure = f"name another folder in BENCH_HOME, or copy {TAG} of another one of bench's into this"
            raise BenchError(f"{self.root}: holds something else than bench's networks; {cure}")
        if not (self.root / TAG).exists():
            disk.write_atomic(self.root / TAG, TAGGED)

    @property
    def is_claimed(self) -> bool:
        """Tell whether the folder is bench's own, by its name or its tag, so that what is in it may be deleted."""
        try:
            return self.root.name == ".bench" or disk.read(self.root / TAG).startswith(TAGGED)
        except OSError:
            return False

    @property
    def artifacts(self) -> Path:
        """Where networks lie, by digest."""
        return self.root / "artifacts"

    @property
    def conversions(self) -> Path:
        """Where networks lie that were converted for runtimes."""
        return self.root / "conversions"

    @property
    def decoded(self) -> Path:
        """Where datasets lie as arrays."""
        return self.root / "datasets"

    @property
    def compiled(self) -> Path:
        """What backends remember of what they compiled."""
        return self.root / "compiled"

    @property
    def features(self) -> Path:
        """Where what frozen layers make of training parts lies."""
        return self.root / "features"

    @property
    def outputs(self) -> Path:
        """Where networks' answers on test parts lie, so that they are computed once."""
        return self.root / "outputs"

    @property
    def checkpoints(self) -> Path:
        """Where trainings that have not ended yet are kept."""
        return self.root / "checkpoints"

    @property
    def scratch(self) -> Path:
        """Where this session's nodes work; a node's folder goes with it."""
        return self.root / "scratch" / self.session

    @property
    def temporary(self) -> Path:
        """Where workers have their temporary files, which a killed process leaves behind."""
        return self.scratch / "temporary"

    @property
    def contents(self) -> Path:
        """Where the fingerprints of a person's own files are remembered."""
        return self.root / "contents.json"

    @property
    def logs(self) -> Path:
        """What workers print."""
        return self.root / "logs"


@lru_cache(maxsize=1)
def _session() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"  # two containers on one home have equal process numbers


def home() -> Home:
    """Return the folders of this process: under `BENCH_HOME`, or `.bench` here."""
    return Home(Path(os.environ.get("BENCH_HOME", ".bench")).absolute(), session=_session())


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
    parents: dict[str, Artifact] = {}
    """Of each parent node, what it made."""
    series: tuple[Series, ...] = ()
    """Curves of the training whose network a `diagnose` node looks at."""
    fault: Fault | None = None
    """What the diagnostic of a `diagnose` node raised while it watched that training."""

    @property
    def parent(self) -> Artifact | None:
        """The network that the node changes, measures or looks at."""
        return self.parents[self.node.parents[0]] if self.node.parents else None

    @property
    def checkpoints(self) -> Path:
        """Where the node's training is kept until it has a record; another one if anything about it changes."""
        made = {name: artifact.digest for name, artifact in self.parents.items()}
        what = (self.node.id, self.node.code, self.node.watches, made)
        where = (self.backend, self.threads, versions(FRAMEWORKS))
        return self.home.checkpoints / sha256(canonical((what, where))).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """The node's own folder; progress is told there."""
        return self.home.scratch / self.node.id.replace("/", "-")


class BatchSamples(Struct, frozen=True):
    """Timed calls of one runtime at one batch size in one process."""

    batch_size: int
    first_call_ms: float
    latencies_ms: list[float]
    others_cores: float = 0.0
    """Cores that other processes kept busy meanwhile."""
    steal: float = 0.0
    """Share of the time that the hypervisor took away, 0–1."""
    drift: float = 0.0
    """Relative difference between the medians of the first and the second half."""
    figures: dict[str, Reading] = {}
    """What the meters say, by the figure's name."""


class Sample(Struct, frozen=True):
    """What one fresh process measured of one node."""

    batches: tuple[BatchSamples, ...]
    size_bytes: int
    duration_s: float
    load_ms: float
    """From the file to a network that can be called, its libraries imported."""
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
        started="forked" if can_fork() else "spawned",
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
        diagnostic=node.diagnostic,
        parents=tuple(task.parents[name].digest for name in node.parents if name in task.parents),
        **fields,
    )


def failure(task: Task, status: Status, kind: str, message: str, traceback: str | None = None) -> Record:
    """Return the record of a node that did not finish."""
    return record(task, status, error=fault(kind, message, traceback))


def fault(kind: str, message: str, traceback: str | None = None) -> Fault:
    """Return what went wrong, no longer than a record keeps; what no file can hold of its texts is spelled out."""
    if len(message) > MOST_MESSAGE and traceback is None:
        traceback = message
    told = traceback and traceback[-MOST_TRACEBACK:].encode(errors="backslashreplace").decode()
    return Fault(type=kind, message=shortened(message, MOST_MESSAGE), traceback=told)


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of packages; those that are not installed are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def is_importable(package: str) -> bool:
    """Tell whether the module that a package is called after is here, without importing it."""
    return find_spec(package.replace("-", "_")) is not None


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
    changes = git("status", "--porcelain", "--", ".", ":!results", ":!*__pycache__*")
    return head, None if head is None or changes is None else bool(changes)
