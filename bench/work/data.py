"""A dataset in memory, and its division into training, validation and test parts.

Everything here follows the fold and never the seed, so that seeds stay comparable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.records import Data, DataOptions, Use

FOLDS = 5
SEED = 20_240_229
"""Of everything drawn here, beside the fold; it is no run's seed."""
AS_PUBLISHED = DataOptions()
Task = Literal["classification", "hierarchical", "regression"]
Array = NDArray[np.generic]


@dataclass(frozen=True)
class Column:
    """A column of a table; one with categories holds their codes from 0."""

    name: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a dataset beside its arrays.

    Attributes:
        source: Handle and version, or whatever names the data exactly.
        classes: Name of each class, in label order; empty for regression.
        task: What is to be learned. Of a hierarchical task a network learns classes and
            superclasses: it ends in len(classes) logits followed by len(superclasses).
        superclasses: Name of each superclass, where classes are grouped.
        superclass_of: The superclass of each class, as its index.
        columns: The columns of a table, in order; empty for images.
        target: What the values of a regression are, with the unit.
        sizes: Images of each (width, height), commonest first, where all were resized to one.
        verified: Whether the files match their published checksums; None where none are known.
    """

    source: str
    classes: tuple[str, ...] = ()
    task: Task = "classification"
    superclasses: tuple[str, ...] = ()
    superclass_of: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    target: str = ""
    sizes: tuple[tuple[tuple[int, int], int], ...] = ()
    verified: bool | None = None

    @property
    def outputs(self) -> int:
        """Return the width of the network's output."""
        heads = len(self.superclasses) if self.task == "hierarchical" else 0
        return len(self.classes) + heads or 1


@dataclass(frozen=True, kw_only=True)
class Dataset(Facts):
    """What a dataset plugin's `load` returns. The arrays are its own: `split` reorders them in place.

    Attributes:
        x: Training examples: images (n, height, width, channels) uint8, or a table (n, columns)
            float32 with NaN for missing values and integer codes for categories.
        y: Training labels, (n,) integers from 0, or (n,) float32 for regression.
        x_test: Test examples; None where the publisher made no test part, which is then one of
            `FOLDS` stratified folds.
        y_test: Test labels.
    """

    x: Array
    y: Array
    x_test: Array | None = None
    y_test: Array | None = None


@dataclass(frozen=True)
class Part:
    """Examples with their labels."""

    x: Array
    y: Array

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.x)

    def counts(self, classes: int) -> list[int]:
        """Return the number of examples of each class."""
        return [int(count) for count in np.bincount(self.y.astype(np.int64), minlength=classes)]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits of SHA-256 over shape, type and bytes of both arrays."""
        digest = sha256()
        for array in (self.x, self.y):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Learn:
    """What there is to learn from: all that a technique ever sees. Selection uses `validation`."""

    facts: Facts
    train: Part
    validation: Part


@dataclass(frozen=True)
class Split(Learn):
    """A dataset divided for one fold; `test` is touched once a run."""

    test: Part

    @property
    def learn(self) -> Learn:
        """The same without the test part, its arrays read-only."""
        return Learn(self.facts, _read_only(self.train), _read_only(self.validation))


def _read_only(part: Part) -> Part:
    x, y = part.x.view(), part.y.view()
    x.flags.writeable = y.flags.writeable = False
    return Part(x, y)


Loader = Callable[..., Dataset]
"""A dataset plugin's `load`."""


def options_of(use: Use) -> DataOptions:
    """Return what a use asks of any dataset, beside the plugin's own parameters."""
    return DataOptions(**{key: use.parameters[key] for key in DataOptions.__struct_fields__ if key in use.parameters})


def load(loader: Loader, name: str, parameters: dict[str, Any]) -> Dataset:
    """Load a dataset as published, without the options that `prepare` applies; raise DataError if it is damaged."""
    dataset = loader(**parameters)
    _check(dataset, name)
    return dataset


def prepare(loader: Loader, use: Use, parameters: dict[str, Any], fold: int, validation: float) -> Split:
    """Load and divide a dataset, or take it from this process's memory; `parameters` are the plugin's own."""
    return _prepared(loader, use.name, msgspec.json.encode(parameters), options_of(use), fold, validation)


@lru_cache(maxsize=1)
def _prepared(
    loader: Loader, name: str, parameters: bytes, options: DataOptions, fold: int, validation: float
) -> Split:
    return split(load(loader, name, msgspec.json.decode(parameters)), fold, validation, options)


def _check(dataset: Dataset, name: str) -> None:
    """Refuse what no plugin should return, whoever wrote it."""
    if not isinstance(dataset, Dataset):
        raise DataError(f"{name}: its 'load' must return a bench.work.data.Dataset; got {type(dataset).__name__}")
    for part, array in (("x", dataset.x), ("y", dataset.y), ("x_test", dataset.x_test), ("y_test", dataset.y_test)):
        if not isinstance(array, np.ndarray) and not (array is None and part.endswith("_test")):
            raise DataError(f"{name}: its {part} must be a NumPy array; got {type(array).__name__}")
    for x, y, part in ((dataset.x, dataset.y, "training"), (dataset.x_test, dataset.y_test, "test")):
        if x is None or y is None:
            continue
        if len(x) == 0 or len(x) != len(y):
            raise DataError(f"{name}: its {part} part has {len(x)} examples and {len(y)} labels")
        if not np.isfinite(y.astype(np.float64)).all():
            row = int(np.flatnonzero(~np.isfinite(y.astype(np.float64)))[0])
            raise DataError(f"{name}: the label of {part} example {row} is not a finite number")
        if x.dtype != np.uint8 and np.isinf(x.astype(np.float32)).any():
            raise DataError(f"{name}: its {part} part holds infinite values")
        if dataset.task != "regression" and not 0 <= y.min() <= y.max() < len(dataset.classes):
            raise DataError(f"{name}: {part} labels are {y.min()} to {y.max()}, of {len(dataset.classes)} classes")
        if not (x.ndim == 4 and x.dtype == np.uint8) and not (x.ndim == 2 and x.shape[1] == len(dataset.columns)):
            raise DataError(
                f"{name}: examples are {x.dtype} {x.shape}; they should be uint8 images (n, height, width, channels), "
                "or a table (n, columns) with a Column for each column"
            )


def split(dataset: Dataset, fold: int, validation: float, options: DataOptions = AS_PUBLISHED) -> Split:
    """Divide a dataset: the fold picks the test part where the publisher made none, and the validation part.

    The dataset's arrays are reordered in place and the parts are views of them, so there is one
    copy of the data in memory.
    """
    if dataset.task == "regression" and (options.imbalance > 1 or options.label_noise):
        raise DataError(f"{dataset.source}: imbalance and label_noise are about classes, this is a regression")
    learn = Part(_own(dataset.x), _own(dataset.y))
    if dataset.x_test is None or dataset.y_test is None:
        order = np.random.default_rng(SEED).permutation(len(learn))
        learn, test = _take_off(learn, _stratified(dataset, learn.y, order, 1 / FOLDS, offset=fold))
        if not len(test) or not len(learn):
            raise DataError(f"{dataset.source}: {len(dataset.x)} examples are too few to be cut into {FOLDS} folds")
    else:
        test = Part(dataset.x_test, dataset.y_test)
    learn = _fewer(options, dataset, learn, fold)
    order = np.random.default_rng([SEED, fold]).permutation(len(learn))
    train, held_out = _take_off(learn, _stratified(dataset, learn.y, order, validation))
    if options.label_noise:
        noisy = _mislabelled(learn.y, len(dataset.classes), options.label_noise, np.random.default_rng([SEED, fold, 2]))
        train, held_out = Part(train.x, noisy[: len(train)]), Part(held_out.x, noisy[len(train) :])
    facts = Facts(**{name: getattr(dataset, name) for name in Facts.__dataclass_fields__})
    return Split(facts=facts, train=train, validation=held_out, test=test)


def _own(array: Array) -> Array:
    return array if array.flags.writeable else array.copy()


def _take_off(part: Part, rows: NDArray[np.int64]) -> tuple[Part, Part]:
    """Move the examples `rows` to the end, in place; return what stands before them, and them."""
    kept = len(part) - len(rows)
    holes = rows[rows < kept]
    fillers = np.setdiff1d(np.arange(kept, len(part)), rows)
    for array in (part.x, part.y):
        moved = array[rows]
        array[holes] = array[fillers]
        array[kept:] = moved
    return Part(part.x[:kept], part.y[:kept]), Part(part.x[kept:], part.y[kept:])


def _stratified(facts: Facts, y: Array, order: NDArray[np.int64], share: float, offset: int = 0) -> NDArray[np.int64]:
    """Pick `share` of the indices in `order`, of each class alike; `offset` picks the next share instead."""
    groups = [order] if facts.task == "regression" else [order[y[order] == i] for i in range(len(facts.classes))]
    picked = []
    for group in groups:
        start, stop = round(len(group) * share * offset), round(len(group) * share * (offset + 1))
        picked.append(group[start:stop])
    return np.sort(np.concatenate(picked))


def _fewer(options: DataOptions, facts: Facts, part: Part, fold: int) -> Part:
    """Return the examples that the options leave to learn from."""
    classes, rng = len(facts.classes), np.random.default_rng([SEED, fold, 1])
    if options.imbalance > 1:
        shares = options.imbalance ** -(np.arange(classes) / max(classes - 1, 1))
        rows = [rng.permutation(np.flatnonzero(part.y == i)) for i in range(classes)]
        kept = [row[: max(round(len(row) * share), 1)] for row, share in zip(rows, shares, strict=True)]
        part = _subset(part, np.sort(np.concatenate(kept)))
    if options.train_size is not None:
        if options.train_size > len(part):
            raise DataError(f"train_size={options.train_size}: {facts.source} has {len(part)} examples to learn from")
        part = _subset(part, _of_each_class(facts, part.y, options.train_size, rng))
    return part


def _mislabelled(y: Array, classes: int, share: float, rng: np.random.Generator) -> Array:
    """Return the labels, about `share` of them changed to any other class."""
    steps = np.where(rng.random(len(y)) < share, rng.integers(1, classes, len(y)), 0)
    return (y.astype(np.int64) + steps) % classes


def _subset(part: Part, rows: NDArray[np.int64]) -> Part:
    return Part(part.x[rows], part.y[rows])


def _of_each_class(facts: Facts, y: Array, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pick exactly `size` indices, of each class its share (the largest remainders rounded up)."""
    order = rng.permutation(len(y))
    if facts.task == "regression":
        return np.sort(order[:size])
    counts = np.bincount(y.astype(np.int64), minlength=len(facts.classes))
    exact = counts * size / len(y)
    wanted = exact.astype(np.int64)
    wanted[np.argsort(wanted - exact, kind="stable")[: size - wanted.sum()]] += 1
    return np.sort(np.concatenate([order[y[order] == i][:n] for i, n in enumerate(wanted)]))


def describe(split: Split) -> Data:
    """Return what a record says of the data it saw."""
    classes = split.facts.classes
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return Data(
        source=split.facts.source,
        train_fingerprint=split.train.fingerprint,
        test_fingerprint=split.test.fingerprint,
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_test=len(split.test),
        shape=split.train.x.shape[1:],
        classes=classes,
        class_counts={name: part.counts(len(classes)) for name, part in parts.items()} if classes else {},
        verified=split.facts.verified,
    )
