"""What a node of the plan leaves behind: one immutable JSON record, whatever its outcome.

The structs here are reader, validator and JSON Schema at once. Proportions are 0 to 1, times
carry their unit in the name, absent figures are null. `bench.upgrades` reads any schema up to
`SCHEMA`. What a field may hold beyond its type stands in `bench.limits`, and in the `__post_init__`s
here.
"""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from bench.limits import (
    MOST_SERIES,
    Created,
    Fold,
    Name,
    NotNegative,
    Positive,
    Seconds,
    Seed,
    require,
    require_equal_length,
    require_time,
)
from bench.measurements import Better as Better
from bench.measurements import Diagnosis as Diagnosis
from bench.measurements import Measurement as Measurement
from bench.measurements import Picture as Picture
from bench.measurements import Series as Series
from bench.measurements import Table as Table

SCHEMA = 9
"""Raised by any field that is added, renamed or taken away, with what `bench.upgrades` must know of it:
an older reader then says which schema it lacks, and not that the file is no record."""
CELL_HASH = 2
"""Version of the cell's hash; part of what is hashed."""

Status = Literal["finished", "failed", "timeout", "out_of_memory", "diverged", "unsupported"]
NodeKind = Literal["train", "derive", "measure", "diagnose"]
ArtifactFormat = Literal["keras", "litert", "onnx", "openvino"]
SUFFIXES: dict[str, ArtifactFormat] = {".keras": "keras", ".tflite": "litert", ".onnx": "onnx", ".openvino": "openvino"}
"""Of the one file that a network of each format is."""


class Use(Struct, frozen=True):
    """A plugin with its parameters, defaults filled in: what `custom_cnn(width=32)` resolves to."""

    name: str
    parameters: dict[str, Any] = {}

    def __str__(self) -> str:
        """Return the call as a suite file would write it, every parameter spelled out."""
        inside = ", ".join(f"{key}={_spelled(value)!r}" for key, value in self.parameters.items())
        return f"{self.name}({inside})" if inside else self.name

    def cells(self) -> dict[str, tuple["Cell", ...]]:
        """Return the cells that parameters name, such as a teacher, by parameter."""
        return {key: found for key, value in self.parameters.items() if (found := _cells_in(value))}


def _cells_in(value: Any) -> tuple["Cell", ...]:
    """Return the cells of a parameter's value: a resolved cell stands there as `{"cell": {…}}`, several as a list."""
    if isinstance(value, list) and value:
        inside = [_cells_in(item) for item in value]
        return tuple(cell for cells in inside for cell in cells) if all(inside) else ()
    return (msgspec.convert(value["cell"], Cell),) if isinstance(value, dict) and value.keys() == {"cell"} else ()


def _spelled(value: Any) -> Any:
    """Return a parameter's value as a suite writes it: a cell as the call of its network, with any techniques."""
    cells = [
        f"cell(architecture={str(cell.architecture)!r}, techniques={list(map(str, cell.techniques))!r})"
        if cell.techniques
        else str(cell.architecture)
        for cell in _cells_in(value)
    ]
    return (cells if isinstance(value, list) else cells[0]) if cells else value


class Training(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a network is trained; in a suite, a list in any of these is one more axis.

    Nothing here has a default: a suite's own stand in `bench.planning.suite`, where they may
    change. A setting that comes later gets the value that keeps what was, for ever: a cell that
    has it is the same cell as before, so it is left out of the identity.
    """

    epochs: Positive
    batch_size: Positive
    optimizer: Use
    learning_rate: Annotated[float, msgspec.Meta(gt=0)]
    weight_decay: Annotated[float, msgspec.Meta(ge=0)]
    """Decoupled from the gradient, which every optimizer of Keras can do."""
    schedule: Use
    warmup_epochs: NotNegative
    """The learning rate rises evenly from zero before the schedule begins."""
    loss: Use
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    validation: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    """Share of the training part that is held out for selection."""


class DataOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What every dataset can be asked for, beside its own parameters: `cifar10(train_size=1000, label_noise=0.2)`.

    They change the examples that there are to learn from, and never the test part; they follow
    the fold and not the seed. One that has its default, which leaves the data as published, is
    not part of the cell; so a default never changes.
    """

    train_size: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """So many examples to learn from, of each class its share; the validation part is taken out of them."""
    imbalance: Annotated[float, msgspec.Meta(ge=1)] = 1.0
    """How often the first class is there for each time that the last one is: a long tail.
    Class i of n keeps the share imbalance^(-i/(n-1)) of its examples (Cui 2019)."""
    label_noise: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of the labels that are another class, drawn evenly from the others."""


Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "swish"]
"""Activation functions that architectures take, by Keras's names."""

Initializer = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(zeros|random_normal(\((\d+\.?\d*|\.\d+)\))?|glorot|he|lecun|orthogonal)$",
        description="one of zeros, random_normal, random_normal(0.01), glorot, he, lecun, orthogonal",
    ),
]
"""Ways to draw the first weights; `random_normal(0.01)` names the standard deviation."""


Momentum = Annotated[float, msgspec.Meta(ge=0, lt=1, description="a share from 0 to less than 1")]
"""Share of the last step that an optimizer carries on."""


class Cell(Struct, frozen=True, kw_only=True):
    """One point of the grid, resolved: nothing is left to a default that could change."""

    dataset: Use
    source: str
    """The dataset's handle and version, e.g. `hojjatk/mnist-dataset/versions/1`."""
    architecture: Use
    techniques: tuple[Use, ...] = ()
    training: Training

    @property
    def named(self) -> tuple["Cell", ...]:
        """The cells that its techniques name, such as teachers."""
        return tuple(cell for use in self.techniques for cells in use.cells().values() for cell in cells)


class MeasureSpec(Struct, frozen=True):
    """What a `measure` node measures."""

    runtime: Use
    profile: Literal["smoke", "standard", "rigorous"]
    batch_sizes: tuple[Positive, ...]
    threads: Positive
    label: str = ""
    """The runtime with the parameters that are not its defaults; empty where its name says it all."""
    percentiles: tuple[Annotated[float, msgspec.Meta(gt=0, lt=100)], ...] = ()
    """Of latency, beside those of the profile; unsaid before schema 7."""

    @property
    def name(self) -> str:
        """The runtime as a reader knows it."""
        return self.label or self.runtime.name


class Timing(Struct, frozen=True):
    """Whether the timings of one runtime and batch size can be trusted, and why not."""

    runtime: str
    batch_size: Positive
    validity: Literal["valid", "unstable", "invalid"]
    reasons: tuple[str, ...] = ()


class Layer(Struct, frozen=True):
    """A row of a network's layer table."""

    name: str
    type: str
    output_shape: tuple[int | None, ...]
    parameters: NotNegative
    macs: NotNegative


class Artifact(Struct, frozen=True):
    """A network on disk, under `.bench/artifacts/`; never in `results/`."""

    digest: str
    """SHA-256 over configuration and weights (keras) or over the file (other formats)."""
    format: ArtifactFormat
    file: Name
    size_bytes: NotNegative
    outputs: Literal["logits", "probabilities"]
    """What the network answers with; figures are of logits in either case."""


class Hardware(Struct, frozen=True):
    """What a timing depends on besides the program."""

    fingerprint: str
    cpu: str
    cores: int
    memory_gib: float
    instruction_sets: tuple[str, ...]
    system: str
    accelerators: tuple[str, ...] = ()
    driver: str | None = None


class Data(Struct, frozen=True):
    """The arrays that a run saw. Records compare only where `test_fingerprint` agrees."""

    source: str
    train_fingerprint: str
    test_fingerprint: str
    n_train: NotNegative
    n_validation: NotNegative
    n_test: NotNegative
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    class_counts: dict[str, list[NotNegative]] = {}
    """Examples of each class, in the order of `classes`, for each split."""
    verified: bool | None = None
    """Whether the files match their published checksums; null where none are published."""

    def __post_init__(self) -> None:
        """Refuse counts of other classes."""
        for counts in self.class_counts.values():
            require_equal_length(classes=self.classes, class_counts=counts)


class Provenance(Struct, frozen=True):
    """Where a record comes from, in enough detail to make it again."""

    commit: str | None
    dirty: bool | None
    python: str
    packages: dict[str, str]
    hardware: Hardware
    backend: str
    device: str
    threads: int
    determinism: bool
    jit_compile: bool | None
    code: dict[str, str]
    """Fingerprint of each source file that the result depends on, by plugin or module."""
    started: Literal["forked", "spawned"] | None = None
    """How its process came to be; unsaid before schema 3."""


class Fault(Struct, frozen=True):
    """Why a node did not finish."""

    type: str
    message: str
    traceback: str | None = None


class Record(Struct, frozen=True, kw_only=True):
    """One executed node. See the modules `bench.work.worker` (who fills it) and `bench.store` (where it lies)."""

    schema: int = SCHEMA
    created: Created
    suite: Name
    node: NodeKind
    cell_id: Name
    cell: Cell
    seed: Seed | None
    fold: Fold
    status: Status
    error: Fault | None = None
    measure: MeasureSpec | None = None
    """Set for `measure` nodes alone."""
    diagnostic: Use | None = None
    """Set for `diagnose` nodes alone."""
    watched: tuple[Use, ...] = ()
    """Diagnostics that looked on while a `train` node was trained; they change nothing of it."""
    phases_s: dict[str, Seconds] = {}
    """Seconds of each phase: load, build, fit, evaluate, save, …"""
    provenance: Provenance
    data: Data | None = None
    parents: tuple[str, ...] = ()
    """Digests of the artifacts that this node started from: of a `derive` node the network that it changes first,
    then those that its parameters name, such as teachers."""
    artifact: Artifact | None = None
    """What a `train` or `derive` node made."""
    measurements: tuple[Measurement, ...] = ()
    series: Annotated[tuple[Series, ...], msgspec.Meta(max_length=MOST_SERIES)] = ()
    confusion: list[list[NotNegative]] | None = None
    """Rows are true classes, columns predictions, over the whole test set."""
    correct: bytes | None = None
    """One bit per test example, most significant first (numpy.packbits), in test order."""
    timings: tuple[Timing, ...] = ()
    sitting: str | None = None
    """What timings share that were measured in turns with each other; unsaid before schema 4."""
    runtime_packages: tuple[str, ...] = ()
    """Those of the provenance's packages that a timing depends on; unsaid before schema 4."""
    layers: tuple[Layer, ...] = ()
    tables: dict[str, Table] = {}
    diagnostics: dict[str, Diagnosis] = {}
    """What a `diagnose` node found, by the diagnostic's name."""
    watch_faults: dict[str, Fault] = {}
    """What diagnostics raised that looked on, by their call; the training went on without them."""

    def __post_init__(self) -> None:
        """Refuse what would break a reader: dates that are none, parts that do not fit each other."""
        require_time(self.created)
        for row in self.confusion or ():
            require(len(row) == len(self.confusion or ()), "confusion is not square")
        if self.data is not None:
            if self.confusion and self.data.classes:
                require_equal_length(classes=self.data.classes, confusion=self.confusion)
            if self.correct is not None:
                require(len(self.correct) == (self.data.n_test + 7) // 8, "correct has not one bit a test example")
                right, n = int.from_bytes(self.correct, "big").bit_count(), self.data.n_test
                for m in self.measurements:
                    if (m.name, m.split, m.n) == ("accuracy", "test", n) and n:
                        require(abs(m.value - right / n) <= 1e-6, "accuracy is not the share of correct answers")

    def value(self, name: str, **where: Any) -> float | None:
        """Return the first measurement of that name whose fields equal `where`, or None."""
        for m in self.measurements:
            if m.name == name and all(getattr(m, key) == want for key, want in where.items()):
                return m.value
        return None


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value: keys sorted, no spaces, structs as objects."""
    return msgspec.json.encode(value, order="sorted")


def cell_id(cell: Cell) -> str:
    """Return a readable slug and 8 hex digits, equal for equal resolved cells and for no others."""
    digest = hashlib.sha256(canonical({"hash": CELL_HASH, "cell": cell})).hexdigest()
    words = [cell.dataset.name, cell.architecture.name, *(use.name for use in cell.techniques)]
    return f"{'-'.join(words).replace('_', '')[:60]}-{digest[:8]}"
