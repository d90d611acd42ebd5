"""CIFAR-10: colour photographs of 32 × 32 pixels

50,000 training and 10,000 test images of ten classes, in equal numbers. The test that small
networks are usually compared on.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; Python files
from https://www.kaggle.com/datasets/pankrzysiu/cifar10-python

Licence: none stated by the authors; free for research, please cite

Expect: 91.25 % for ResNet-20 (He 2015), 87.2 % for MLPerf Tiny's ResNet-8
"""

from bench.files.cifar import read
from bench.files.downloads import download, find, published
from bench.work.data import Dataset

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
    folder = find(download(HANDLE), "cifar-10-batches-py/test_batch", "test_batch").parent
    *train, test = [folder / name for name in MD5]
    x, (y,) = read(train, labels=len(CLASSES))
    x_test, (y_test,) = read([test], labels=len(CLASSES))
    return Dataset(
        x=x,
        y=y,
        x_test=x_test,
        y_test=y_test,
        classes=CLASSES,
        source=HANDLE,
        verified=published({folder / name: checksum for name, checksum in MD5.items()}),
    )
