"""A dataset in memory, and its division into training, validation and test parts.

Everything here follows the fold and never the seed, so that seeds stay comparable.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.catalog import Catalog
from bench.errors import DataError
from bench.records import Data, Use

FOLDS = 5
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Dataset:
    """What a dataset plugin's `load` returns.

    Attributes:
        x: Training examples: images (n, height, width, channels) uint8, or a table (n, columns)
            float32 with NaN for missing values and integer codes for categories.
        y: Training labels, (n,) integers from 0, or (n,) float32 for regression.
        classes: Name of each class, in label order; empty for regression.
        source: Handle and version, or whatever names the data exactly.
        x_test: Test examples; None where the publisher made no test part, which is then one of
            `FOLDS` stratified folds.
        y_test: Test labels.
        task: What is to be learned.
        verified: Whether the files match their published checksums; None where none are known.
    """

    x: NDArray[np.generic]
    y: NDArray[np.generic]
    classes: tuple[str, ...]
    source: str
    x_test: NDArray[np.generic] | None = None
    y_test: NDArray[np.generic] | None = None
    task: Task = "classification"
    verified: bool | None = None


@dataclass(frozen=True)
class Part:
    """Examples with their labels."""

    x: NDArray[np.generic]
    y: NDArray[np.generic]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.x)

    def counts(self, classes: int) -> list[int]:
        """Return the number of examples of each class."""
        return [int(count) for count in np.bincount(self.y.astype(np.int64), minlength=classes)]

    def fingerprint(self) -> str:
        """Return 16 hex digits of SHA-256 over shape, type and bytes of both arrays."""
        digest = sha256()
        for array in (self.x, self.y):
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Split:
    """A dataset divided for one fold. Selection uses `validation`; `test` is touched once a run."""

    dataset: Dataset
    train: Part
    validation: Part
    test: Part

    @property
    def outputs(self) -> int:
        """Return the width of the network's output."""
        return len(self.dataset.classes) or 1


def load(catalog: Catalog, use: Use) -> Dataset:
    """Load a dataset, or take it from a warm worker's memory."""
    return _loaded(catalog, use.name, msgspec.json.encode(use.parameters))


@lru_cache(maxsize=2)
def _loaded(catalog: Catalog, name: str, parameters: bytes) -> Dataset:
    dataset: Dataset = catalog.load("datasets", name).load(**msgspec.json.decode(parameters))
    return dataset


def fetch(use: Use, plugins: tuple[Path, ...]) -> str | None:
    """Load a dataset before any compute is spent; return what is wrong with it, if anything is."""
    try:
        load(Catalog(plugins), use)
    except DataError as error:
        return str(error)
    return None


def split(dataset: Dataset, fold: int, validation: float) -> Split:
    """Divide a dataset: the fold picks the test part where the publisher made none, and the validation part."""
    rng = np.random.default_rng([20_240_229, fold])
    rest = np.arange(len(dataset.x))
    if dataset.x_test is None or dataset.y_test is None:
        order = np.random.default_rng(20_240_229).permutation(len(dataset.x))
        held = _stratified(dataset, order, 1 / FOLDS, offset=fold)
        test = Part(dataset.x[held], dataset.y[held])
        rest = np.setdiff1d(rest, held)
    else:
        test = Part(dataset.x_test, dataset.y_test)
    chosen = _stratified(dataset, rng.permutation(rest), validation)
    kept = np.setdiff1d(rest, chosen)
    return Split(
        dataset=dataset,
        # Without a held-out part the full array is used as it is: one copy of it in memory.
        train=Part(dataset.x[kept], dataset.y[kept]) if len(kept) < len(dataset.x) else Part(dataset.x, dataset.y),
        validation=Part(dataset.x[chosen], dataset.y[chosen]),
        test=test,
    )


def _stratified(dataset: Dataset, order: NDArray[np.int64], share: float, offset: int = 0) -> NDArray[np.int64]:
    """Pick `share` of the indices in `order`, of each class alike; `offset` picks the next share instead."""
    groups = (
        [order[dataset.y[order] == label] for label in range(len(dataset.classes))]
        if dataset.task == "classification"
        else [order]
    )
    picked = []
    for group in groups:
        start, stop = round(len(group) * share * offset), round(len(group) * share * (offset + 1))
        picked.append(group[start:stop])
    return np.sort(np.concatenate(picked))


def describe(split: Split) -> Data:
    """Return what a record says of the data it saw."""
    classes = split.dataset.classes
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return Data(
        source=split.dataset.source,
        train_fingerprint=split.train.fingerprint(),
        test_fingerprint=split.test.fingerprint(),
        n_train=len(split.train),
        n_validation=len(split.validation),
        n_test=len(split.test),
        shape=split.train.x.shape[1:],
        classes=classes,
        class_counts={name: part.counts(len(classes)) for name, part in parts.items()} if classes else {},
        verified=split.dataset.verified,
    )


def download(handle: str) -> Path:
    """Return the folder of a Kaggle dataset, from the cache or the network.

    The handle must name its version, `owner/slug/versions/N`: then the cache answers without a
    network. Raise DataError, with the cure, if neither has it.
    """
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # kagglehub lets every kind of network and API error through
        cache = os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")
        raise DataError(
            f"{handle}: not in the cache ({cache}) and Kaggle does not answer ({type(error).__name__}); "
            "connect to the network once, or point KAGGLEHUB_CACHE at a cache that holds it"
        ) from error
