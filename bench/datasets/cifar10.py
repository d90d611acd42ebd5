"""CIFAR-10: colour photographs of 32 × 32 pixels

50,000 training and 10,000 test images of ten classes, in equal numbers. The test that small
networks are usually compared on.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; Python files from https://www.kaggle.com/datasets/pankrzysiu/cifar10-python

Licence: none stated by the authors; free for research, please cite

Expect: 91.25 % for ResNet-20 (He 2015), 87.2 % for MLPerf Tiny's ResNet-8
"""

from hashlib import md5
from pathlib import Path

import numpy as np

from bench.cifar import read_batch
from bench.data import Dataset, download
from bench.errors import DataError

HANDLE = "pankrzysiu/cifar10-python/versions/1"
INPUT = "image"
TASK = "classification"
SHAPE = (32, 32, 3)
OUTPUTS = 10

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def load() -> Dataset:
    """Return both parts; the published checksums are compared and the answer recorded."""
    folder = _folder(download(HANDLE))
    *train, test = [read_batch(folder / name, "labels", len(CLASSES)) for name in MD5]
    return Dataset(
        x=np.concatenate([images for images, _ in train]),
        y=np.concatenate([labels for _, labels in train]),
        x_test=test[0],
        y_test=test[1],
        classes=CLASSES,
        source=HANDLE,
        verified=all(
            md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest() == digest
            for name, digest in MD5.items()
        ),
    )


def _folder(root: Path) -> Path:
    for folder in (root / "cifar-10-batches-py", root):
        if (folder / "test_batch").is_file():
            return folder
    raise DataError(f"{root}: no file 'test_batch' in it; delete the dataset's folder and fetch it again")
