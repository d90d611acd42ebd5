"""The files of CIFAR: pickles from Python 2, read without letting them run code."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError, first_line

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
}
"""The names that a NumPy array needs; a pickle that asks for any other is refused."""

CURE = "delete the dataset's folder and fetch it again"


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to import {module}.{name}")
        return super().find_class(*ALLOWED[module, name])


def read(paths: Sequence[Path], **classes: int) -> tuple[NDArray[np.uint8], list[NDArray[np.int64]]]:
    """Read CIFAR files into one array of images (n, 32, 32, 3) uint8, and one of labels (n,) int64 for each key.

    `classes` says how many classes the labels under a key have: `read(paths, labels=10)`.
    """
    # A file holds 3,072 bytes and a little more for each image, so its size bounds their number.
    images = np.empty((sum(_size(path) for path in paths) // 3072, 32, 32, 3), np.uint8)
    numbers: list[list[NDArray[np.int64]]] = []
    n = 0
    for path in paths:
        planes, found = read_batch(path, classes)
        images[n : n + len(planes)] = planes
        n += len(planes)
        numbers.append(found)
    return images[:n], [np.concatenate(parts) for parts in zip(*numbers, strict=True)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {CURE}") from error


def read_batch(path: Path, classes: Mapping[str, int]) -> tuple[NDArray[np.uint8], list[NDArray[np.int64]]]:
    """Read one CIFAR file: a view of its images (n, 32, 32, 3) uint8 and its labels (n,) int64 for each key.

    Raise DataError, naming the file, if it is damaged or wants to run code.
    """
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        images = np.asarray(batch[b"data"])
        numbers = [np.asarray(batch[key.encode()], np.int64) for key in classes]
    except (
        OSError,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        MemoryError,
    ) as error:
        raise DataError(f"{path}: refused: {first_line(error)}; {CURE}") from error
    if images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != 3072:
        raise DataError(f"{path}: holds {images.dtype} {images.shape}, not 32 × 32 images; {CURE}")
    for (key, count), found in zip(classes.items(), numbers, strict=True):
        if found.shape != images.shape[:1] or (len(found) and not 0 <= found.min() <= found.max() < count):
            raise DataError(f"{path}: its {key} are no labels of {count} classes, one an image; {CURE}")
    return images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), numbers
