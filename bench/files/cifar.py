"""The files of CIFAR: pickles from Python 2, read without letting them run code.

A pickle is a program, and Python's interpreter of them is not made for hostile ones. So a file is
walked through first, and must hold nothing but the few instructions that its publisher's files
hold; what it then says of its array is taken down and checked, and NumPy itself is never called.
"""

import io
import pickle
import pickletools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError, first_line
from bench.files import regular

MOST_BYTES = 200_000_000
"""The largest published file has 156 MB."""
PLAIN = {
    *("PROTO", "MARK", "STOP"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2"),
    *("BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINUNICODE"),
    *("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT"),
}
"""Instructions that may stand there as often as they like. Nothing put aside is ever fetched again, so values form
a tree as large as the file."""
FEW = {
    *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("GLOBAL", "REDUCE", "BUILD"),
}
MOST_OF_FEW = 16
"""Instructions of each kind that make or change a collection or an array; it bounds how deep they nest."""
NUMPY = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
}
"""The names that an array needs; a pickle that asks for any other is refused."""

CURE = "delete the dataset's folder and fetch it again"


class _Noted:
    """What stands for one of NumPy's names while a pickle is read: takes down how it is called and filled."""

    def __init__(self, name: str, given: tuple[Any, ...] = ()) -> None:
        self.name, self.given = name, given
        self.state: object = None

    def __call__(self, *given: Any) -> "_Noted":
        return _Noted(self.name, given)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Noted(name)


def read(paths: Sequence[Path], **classes: int) -> tuple[NDArray[np.uint8], list[NDArray[np.int64]]]:
    """Read CIFAR files into one array of images (n, 32, 32, 3) uint8, and one of labels (n,) int64 for each key.

    `classes` says how many classes the labels under a key have: `read(paths, labels=10)`.
    """
    # A file holds 3,072 bytes and a little more for each image, so its size bounds their number.
    whole = sum(regular.size(path, MOST_BYTES, CURE) for path in paths)
    images = np.empty((whole // 3072, 32, 32, 3), np.uint8)
    numbers: list[list[NDArray[np.int64]]] = []
    n = 0
    for path in paths:
        planes, found = read_batch(path, classes)
        images[n : n + len(planes)] = planes
        n += len(planes)
        numbers.append(found)
    return images[:n], [np.concatenate(parts) for parts in zip(*numbers, strict=True)]


def read_batch(path: Path, classes: Mapping[str, int]) -> tuple[NDArray[np.uint8], list[NDArray[np.int64]]]:
    """Read one CIFAR file: a view of its images (n, 32, 32, 3) uint8 and its labels (n,) int64 for each key.

    Raise DataError, naming the file, if it is damaged or wants to run code.
    """
    text = regular.read(path, MOST_BYTES, CURE)
    try:
        _walk(text)
        batch = _Unpickler(io.BytesIO(text), encoding="bytes").load()
        images = _array(batch[b"data"])
        numbers = [_labels(batch[key.encode()]) for key in classes]
    except Exception as error:  # unpicklers raise anything
        raise DataError(f"{path}: refused: {first_line(error)}; {CURE}") from error
    for (key, count), found in zip(classes.items(), numbers, strict=True):
        if found.shape != images.shape[:1] or (len(found) and not 0 <= found.min() <= found.max() < count):
            raise DataError(f"{path}: its {key} are no labels of {count} classes, one an image; {CURE}")
    return images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), numbers


def _walk(text: bytes) -> None:
    """Refuse a pickle with any instruction that the published files do not need, before one is carried out."""
    counts: Counter[str] = Counter()
    for n, (code, argument, _) in enumerate(pickletools.genops(text)):
        if code.name in FEW:
            counts[code.name] += 1
        elif code.name not in PLAIN:
            raise pickle.UnpicklingError(f"it holds {code.name}, which no file of CIFAR needs")
        if counts[code.name] > MOST_OF_FEW:
            raise pickle.UnpicklingError(f"it holds {code.name} more than {MOST_OF_FEW} times")
        if code.name == "GLOBAL" and argument not in NUMPY:
            raise pickle.UnpicklingError(f"it wants to import {str(argument).replace(' ', '.')}")
        if (
            code.name == "LONG_BINPUT" and int(argument or 0) > n
        ):  # the table of what is put aside would fill the memory
            raise pickle.UnpicklingError(f"it puts a value aside at {argument}")


def _array(noted: object) -> NDArray[np.uint8]:
    """Return the array (n, 3072) uint8 that was taken down; raise UnpicklingError if it is another."""
    match noted:
        case _Noted(
            name="_reconstruct",
            state=(
                1,
                (int(n), 3072),
                _Noted(name="dtype", given=("u1" | b"u1", *_)),
                False,
                bytes(pixels),
            ),
        ) if n * 3072 == len(pixels):
            return np.frombuffer(pixels, np.uint8).reshape(n, 3072)
    raise pickle.UnpicklingError("its data are not 32 × 32 images of bytes")


def _labels(found: object) -> NDArray[np.int64]:
    if not isinstance(found, list) or not all(type(label) is int for label in found):
        raise pickle.UnpicklingError("its labels are not a list of whole numbers")
    return np.array(found, np.int64)
