"""MNIST: handwritten digits of 28 × 28 pixels

60,000 training and 10,000 test images in grey, the first benchmark of most image classifiers
and by now close to solved: differences between good networks are a few images.

Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database, 1998; IDX files from
https://www.kaggle.com/datasets/hojjatk/mnist-dataset

Licence: CC BY-SA 3.0

Expect: 99.05 % for LeNet-5 (LeCun 1998), 99.2 % for a small convolutional network (Keras's example)
"""

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.files import regular
from bench.files.downloads import download, published
from bench.work.data import Dataset

HANDLE = "hojjatk/mnist-dataset/versions/1"
INPUT = "image"
TASK = "classification"
SHAPE = (28, 28, 1)
OUTPUTS = 10

MD5 = {
    "train-images": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels": "a25bea736e30d166cdddb491f175f624",
    "t10k-images": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels": "27ae3e4e09519cfbb04c329615203637",
}
MOST_BYTES = 200_000_000
"""The largest published file has 47 MB."""
CURE = "delete the dataset's folder and fetch it again"


def load() -> Dataset:
    """Return both parts; the published checksums are compared and the answer recorded."""
    folder = download(HANDLE)
    files = {name: folder / f"{name}.idx{3 if name.endswith('images') else 1}-ubyte" for name in MD5}
    arrays = {name: read_idx(path) for name, path in files.items()}
    for part in ("train", "t10k"):
        images, labels = arrays[f"{part}-images"], arrays[f"{part}-labels"]
        if images.shape[1:] != SHAPE[:2] or labels.ndim != 1 or len(images) != len(labels) or labels.max(initial=0) > 9:
            raise DataError(
                f"{files[f'{part}-images']}: holds {images.shape} with labels {labels.shape}, "
                f"not digits with one label each; {CURE}"
            )
    return Dataset(
        x=arrays["train-images"][..., np.newaxis],
        y=arrays["train-labels"].astype(np.int64),
        x_test=arrays["t10k-images"][..., np.newaxis],
        y_test=arrays["t10k-labels"].astype(np.int64),
        classes=tuple(str(digit) for digit in range(10)),
        source=HANDLE,
        verified=published({path: MD5[name] for name, path in files.items()}),
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, of one to three dimensions; raise DataError, naming it, if it is damaged."""
    text = regular.read(path, MOST_BYTES, CURE)
    if len(text) < 4 or text[:3] != b"\0\0\x08" or not 1 <= text[3] <= 3:
        raise DataError(f"{path}: not an IDX file of bytes; {CURE}")
    start = 4 + 4 * text[3]
    shape = struct.unpack(f">{text[3]}I", text[4:start]) if len(text) >= start else ()
    if len(text) < start or len(text) - start != math.prod(shape):
        raise DataError(f"{path}: damaged: {len(text)} bytes do not fit the shape {shape}; {CURE}")
    return np.frombuffer(text, np.uint8, offset=start).reshape(shape)
