"""The files of CIFAR: pickles from Python 2, read without letting them run code."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"): ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
}
"""The names that a NumPy array needs; a pickle that asks for any other is refused."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to import {module}.{name}")
        return super().find_class(*ALLOWED[module, name])


def read(paths: Sequence[Path], labels: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read CIFAR files into one array of images (n, 32, 32, 3) uint8, and one of labels (n,) int64."""
    # A file holds 3,072 bytes and a little more for each image, so its size bounds their number.
    images = np.empty((sum(_size(path) for path in paths) // 3072, 32, 32, 3), np.uint8)
    numbers = []
    n = 0
    for path in paths:
        planes, found = read_batch(path, labels, classes)
        images[n : n + len(planes)] = planes
        n += len(planes)
        numbers.append(found)
    return images[:n], np.concatenate(numbers)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); delete the dataset's folder and fetch it again"
        ) from error


def read_batch(path: Path, labels: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one CIFAR file: a view of its images (n, 32, 32, 3) uint8 and the labels under the key `labels`, (n,) int64.

    Raise DataError, naming the file, if it is damaged or wants to run code.
    """
    try:
        with path.open("rb") as file:
            batch = _ArrayUnpickler(file, encoding="bytes").load()
        images = np.asarray(batch[b"data"])
        numbers = np.asarray(batch[labels.encode()], np.int64)
    except (
        OSError,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
    ) as error:
        raise DataError(
            f"{path}: refused: {error or type(error).__name__}; delete the dataset's folder and fetch it again"
        ) from error
    fits = (
        images.dtype == np.uint8 and images.ndim == 2 and images.shape[1] == 3072 and numbers.shape == images.shape[:1]
    )
    if not fits or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < classes):
        raise DataError(
            f"{path}: holds {images.dtype} {images.shape} and labels {numbers.shape}, not 32 × 32 images of "
            f"{classes} classes; delete the dataset's folder and fetch it again"
        )
    return images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), numbers
