"""Records made by hand, realistic enough for statistics and pages, without TensorFlow.

An example's difficulty depends on the dataset alone, so that two networks err on the same
examples, as real ones do; the seed adds noise to each answer and shifts the whole network.
"""

import hashlib
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Any, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from bench.records import (
    Artifact,
    Cell,
    Data,
    Diagnosis,
    Fault,
    Hardware,
    Layer,
    Measurement,
    NodeKind,
    Provenance,
    Record,
    Series,
    Status,
    Training,
    Use,
    cell_id,
)
from bench.suite_record import Claim, Exclusion, PluginNote, SuiteCell, SuiteRecord

CREATED = "2026-01-02T03:04:05Z"
LATER = "2026-02-02T03:04:05Z"
T = TypeVar("T", bound=Struct)
CLASSES = ("zero", "one", "two", "three")
NOISE = 0.4
"""Spread of one answer between seeds, where the examples' difficulties have spread 1."""


def digest(*parts: object) -> str:
    """Return 64 hex digits, equal for equal parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def rng(*parts: object) -> np.random.Generator:
    """Return a generator that is the same for equal parts, in every process."""
    return np.random.default_rng(int(digest(*parts)[:12], 16))


def cell(
    dataset: str = "digits", architecture: str = "mlp", techniques: Iterable[str | Use] = (), **training: Any
) -> Cell:
    """Return a cell; a technique is a name or a `Use`, keywords are training settings."""
    return Cell(
        dataset=Use(name=dataset),
        source=f"somebody/{dataset}/versions/1",
        architecture=Use(name=architecture),
        techniques=tuple(use if isinstance(use, Use) else Use(name=use) for use in techniques),
        training=settings(**training),
    )


def settings(**changes: Any) -> Training:
    """Return training settings; an optimizer, schedule or loss may be given by its name."""
    plain: dict[str, Any] = {
        "epochs": 10,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup_epochs": 0,
        "loss": "auto",
        "precision": "float32",
        "validation": 0.1,
    }
    values = plain | changes
    calls = {key: Use(values[key]) for key in ("optimizer", "schedule", "loss") if isinstance(values[key], str)}
    return Training(**values | calls)


def outcomes(
    accuracy: float, n: int, *, dataset: str = "digits", seed: int | None = 0, network: str = "", spread: float = 0.03
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which of `n` test examples a network gets right; `spread` is the seeds', in logit-like units."""
    difficulty = rng("difficulty", dataset).normal(size=n)
    noise = rng("noise", dataset, network, seed)
    shift = noise.normal(0, spread) if spread else 0.0
    threshold = NormalDist().inv_cdf(min(max(accuracy, 1e-6), 1 - 1e-6)) * (1 + NOISE**2) ** 0.5
    right: np.ndarray[Any, np.dtype[np.bool_]] = difficulty + NOISE * noise.normal(size=n) < threshold + shift
    return right


def provenance(hardware: str = "hw-a", *, commit: str = "0123abc", backend: str = "tensorflow") -> Provenance:
    """Return where a record comes from; `hardware` is the fingerprint."""
    return Provenance(
        commit=commit,
        dirty=False,
        python="3.11.7",
        packages={"keras": "3.15.1", "tensorflow": "2.21.0", "numpy": "2.4.6"},
        hardware=Hardware(
            fingerprint=hardware,
            cpu=f"Test CPU ({hardware})",
            cores=2,
            memory_gib=8.0,
            instruction_sets=("avx2", "avx512f"),
            system="Linux 6.1",
        ),
        backend=backend,
        device="cpu",
        threads=2,
        determinism=True,
        jit_compile=False,
        code={"architectures/mlp": "aaaa", "training": "bbbb"},
    )


def data(dataset: str = "digits", n_test: int = 400, fold: int = 0, test_fingerprint: str | None = None) -> Data:
    """Return what a run saw of a dataset, four classes of equal size."""
    sizes = {"train": 1200, "validation": 120, "test": n_test}
    return Data(
        source=f"somebody/{dataset}/versions/1",
        train_fingerprint=digest("train", dataset, fold)[:16],
        test_fingerprint=test_fingerprint or digest("test", dataset, fold)[:16],
        n_train=sizes["train"],
        n_validation=sizes["validation"],
        n_test=n_test,
        shape=(8, 8, 1),
        classes=CLASSES,
        class_counts={split: [size // 4] * 4 for split, size in sizes.items()},
        verified=None,
    )


def record(
    of: Cell | None = None,
    *,
    suite: str = "demo",
    node: NodeKind = "train",
    seed: int | None = 0,
    fold: int = 0,
    accuracy: float = 0.9,
    spread: float = 0.03,
    n_test: int = 400,
    correct: Sequence[bool] | np.ndarray[Any, np.dtype[np.bool_]] | None = None,
    created: str = CREATED,
    hardware: str = "hw-a",
    network: str | None = None,
    test_fingerprint: str | None = None,
    parents: tuple[str, ...] = (),
    extra: Sequence[Measurement] = (),
) -> Record:
    """Return a finished `train` or `derive` record of a classifier.

    `accuracy` is the expected one; the outcomes are drawn with it unless `correct` gives them.
    `network` names the draw of the noise: two records of one network and seed err alike.
    """
    of = of or cell()
    name = of.dataset.name
    identity = cell_id(of)
    if correct is None:
        correct = outcomes(
            accuracy,
            n_test,
            dataset=name,
            seed=seed,
            network=network or str((of.architecture, of.techniques)),
            spread=spread,
        )
    right = np.asarray(correct, bool)
    reached = float(right.mean())
    made = digest(identity, seed, fold, created)
    return Record(
        created=created,
        suite=suite,
        node=node,
        cell_id=identity,
        cell=of,
        seed=seed,
        fold=fold,
        status="finished",
        phases_s={"load": 0.5, "build": 0.2, "fit": 12.0, "evaluate": 0.8},
        provenance=provenance(hardware),
        data=data(name, right.size, fold, test_fingerprint),
        parents=parents,
        artifact=Artifact(digest=made, format="keras", file=f"{made[:12]}.keras", size_bytes=52_000, outputs="logits"),
        measurements=(*quality(right), *(agreement(right.size) if node == "derive" else ()), *costs(), *extra),
        series=curves(of.training.epochs, reached) if node == "train" else (),
        confusion=confusion(right),
        correct=np.packbits(right).tobytes(),
        layers=(
            Layer(name="flatten", type="Flatten", output_shape=(None, 64), parameters=0, macs=0),
            Layer(name="hidden", type="Dense", output_shape=(None, 32), parameters=2080, macs=2048),
            Layer(name="logits", type="Dense", output_shape=(None, 4), parameters=132, macs=128),
        ),
        diagnostics={
            "calibration": Diagnosis(
                title="Calibration",
                series=(
                    Series(
                        name="accuracy", axis="confidence", points=[0.25, 0.5, 0.75, 1.0], values=[0.3, 0.5, 0.8, 1]
                    ),
                ),
            )
        },
    )


def quality(right: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Measurement, ...]:
    """Return a classifier's measurements on the test set."""
    reached, n = float(right.mean()), int(right.size)
    share: dict[str, Any] = {"unit": "1", "better": "higher", "split": "test"}
    area: dict[str, Any] = {"statistic": "macro", "n": n, **share}
    by_class = [
        made
        for name in ("precision", "recall", "f1")
        for made in (
            Measurement(name=name, value=reached, **area),
            *(
                Measurement(name=name, value=float(right[index::4].mean()), class_name=label, n=n // 4, **share)
                for index, label in enumerate(CLASSES)
            ),
        )
    ]
    return (
        Measurement(name="accuracy", value=reached, n=n, **interval(reached, n), **share),
        Measurement(name="loss", value=2.2 * (1 - reached), unit="nat", better="lower", n=n, split="test"),
        Measurement(name="balanced_accuracy", value=reached, n=n, **share),
        Measurement(name="calibration_error", value=0.02, unit="1", better="lower", n=n, split="test"),
        Measurement(name="roc_auc", value=1 - (1 - reached) / 4, **area),
        Measurement(name="pr_auc", value=1 - (1 - reached) / 2, **area),
        *by_class,
    )


def agreement(n: int) -> tuple[Measurement, ...]:
    """Return how near a derived network's answers to `n` examples are to its parent's."""
    share: dict[str, Any] = {"unit": "1", "better": "higher", "split": "test", **interval(0.98, n)}
    return (
        Measurement(name="output_difference", value=0.1, unit="", better="lower", n=n, split="test", statistic="mean"),
        Measurement(name="agreement", value=0.98, n=n, **share),
    )


def interval(share: float, n: int) -> dict[str, float]:
    """Return the ends of a proportion's interval, roughly."""
    half = 1.96 * (share * (1 - share) / n) ** 0.5
    return {"low": max(share - half, 0.0), "high": min(share + half, 1.0)}


def costs() -> tuple[Measurement, ...]:
    """Return what any network costs."""
    return (
        Measurement(name="parameters", value=2212, unit="1", better="lower"),
        Measurement(name="flops", value=4352, unit="FLOP", better="lower"),
        Measurement(name="size_bytes", value=52_000, unit="B", better="lower"),
        Measurement(name="compressed_bytes", value=31_000, unit="B", better="lower"),
        Measurement(name="fit_s", value=12.0, unit="s", better="lower"),
    )


def curves(epochs: int, reached: float) -> tuple[Series, ...]:
    """Return learning curves that end near the accuracy `reached`."""
    points = [float(epoch) for epoch in range(1, epochs + 1)]
    rising = [reached * (1 - 0.6 * 0.5**epoch) for epoch in points]
    made = []
    for split, gain in (("train", 0.01), ("validation", 0.0)):
        accuracy: list[float | None] = [min(value + gain, 1.0) for value in rising]
        loss: list[float | None] = [2.2 * (1 - min(value + gain, 1.0)) for value in rising]
        made.append(Series(name="accuracy", axis="epoch", points=points, values=accuracy, unit="1", split=split))
        made.append(Series(name="loss", axis="epoch", points=points, values=loss, unit="nat", split=split))
    return tuple(made)


def confusion(right: np.ndarray[Any, np.dtype[np.bool_]]) -> list[list[int]]:
    """Return a confusion matrix in which every wrong answer is the next class."""
    table = [[0] * 4 for _ in range(4)]
    for index, correct in enumerate(right):
        true = index % 4
        table[true][true if correct else (true + 1) % 4] += 1
    return table


def regression(
    of: Cell | None = None, *, loss: float = 0.3, seed: int | None = 0, created: str = CREATED, **fields: Any
) -> Record:
    """Return a finished `train` record of a regression; `loss` is the mean squared error of values of variance 1."""
    made = record(of or cell(dataset="housing"), seed=seed, created=created, **fields)
    error: dict[str, Any] = {"unit": "", "better": "lower", "n": 400, "split": "test"}
    measured = (
        Measurement(name="loss", value=loss, **error),
        Measurement(name="mae", value=0.8 * loss**0.5, **error),
        Measurement(name="rmse", value=loss**0.5, **error),
        Measurement(name="r2", value=1 - loss, unit="1", better="higher", n=400, split="test"),
        *costs(),
    )
    return replace(made, measurements=measured, confusion=None, correct=None, diagnostics={})


def unfinished(
    of: Cell | None = None, *, status: Status = "failed", message: str = "shapes (8, 4) and (8, 3)", **fields: Any
) -> Record:
    """Return a record of a node that did not finish."""
    return replace(
        record(of, **fields),
        status=status,
        error=Fault(type="ValueError", message=message, traceback="Traceback …\nValueError: " + message),
        artifact=None,
        measurements=(),
        series=(),
        confusion=None,
        correct=None,
        layers=(),
        diagnostics={},
    )


def replace(made: T, **fields: Any) -> T:
    """Return a record or a part of one with some fields changed."""
    return msgspec.structs.replace(made, **fields)


def suite_cell(of: Cell, recipe: str = "plain", label: str | None = None) -> SuiteCell:
    """Return a row of a suite's grid."""
    return SuiteCell(
        cell_id=cell_id(of),
        label=label or f"{of.architecture.name} · {recipe}",
        dataset=str(of.dataset),
        architecture=str(of.architecture),
        recipe=recipe,
        cell=of,
    )


def suite_record(
    cells: Sequence[SuiteCell] | None = None,
    *,
    name: str = "demo",
    findings: Sequence[Claim] = (),
    exclusions: Sequence[Exclusion] = (),
    seeds: Sequence[int] = (0, 1, 2),
    folds: Sequence[int] = (0,),
    created: str = CREATED,
) -> SuiteRecord:
    """Return the resolved suite of these cells, its axes and recipes read off them."""
    cells = [suite_cell(cell())] if cells is None else cells
    recipes = {row.recipe: [str(use) for use in row.cell.techniques] for row in cells}
    return SuiteRecord(
        created=created,
        name=name,
        digest=digest(name, [row.cell_id for row in cells], findings, created)[:12],
        title=f"The {name} suite",
        about="A suite made by hand for the tests.",
        expect={"mlp": "97 % (made up)"},
        axes={
            "datasets": list(dict.fromkeys(row.dataset for row in cells)),
            "architectures": list(dict.fromkeys(row.architecture for row in cells)),
            "recipes": list(recipes),
        },
        recipes=recipes,
        baseline=next(iter(recipes)),
        seeds=list(seeds),
        folds=list(folds),
        profile="smoke",
        runtimes=["jax", "keras", "litert", "xla"],
        cells=tuple(cells),
        exclusions=tuple(exclusions),
        findings=tuple(findings),
        plugins={
            "architectures/mlp": PluginNote(title="Multilayer perceptron", paper="Rumelhart 1986"),
            "datasets/digits": PluginNote(title="Handwritten digits"),
        },
    )
