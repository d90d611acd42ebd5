"""Medical MNIST: X-ray, CT and MRI pictures of six kinds

58,954 grey pictures of 64 × 64 pixels: abdomen CT, breast MRI, chest X-ray, chest CT, hand X-ray,
head CT. Close to solved by any convolutional network, so it separates networks by size and
latency and not by accuracy. The test part is one of five stratified folds. The JPEG files are
decoded once; the array is kept beside kagglehub's cache.

Source: A. Lozano, Medical MNIST, 2017,
https://github.com/apolanco3225/Medical-MNIST-Classification; JPEG files from
https://www.kaggle.com/datasets/andrewmvd/medical-mnist

Licence: see the page at Kaggle

Expect: above 99 % for any small convolutional network
"""

import numpy as np

from bench.errors import DataError, first_line
from bench.files.contents import listing
from bench.files.downloads import cache, download
from bench.files.images import Files, decode
from bench.work.data import Dataset

HANDLE = "andrewmvd/medical-mnist/versions/1"
INPUT = "image"
TASK = "classification"
SHAPE = (64, 64, 1)
OUTPUTS = 6

CLASSES = ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT")


def load() -> Dataset:
    """Return all pictures, class by class; the first time, and after a change of the files, they are decoded."""
    root = download(HANDLE)
    kept = cache() / "bench" / f"medical-mnist-{listing(root)}.npz"
    if not kept.exists():
        files = Files(root)
        names = [[name for name in files.names if name.startswith(f"{one}/")] for one in CLASSES]
        for one, found in zip(CLASSES, names, strict=True):
            if not found:
                raise DataError(f"{root}: no images of the class '{one}'; delete the folder and fetch it again")
        x, _ = decode(files, [name for found in names for name in found], side=SHAPE[0], channels=1)
        y = np.repeat(np.arange(len(CLASSES)), [len(found) for found in names])
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(".draft.npz")
        np.savez(draft, x=x, y=y)
        draft.replace(kept)
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            return Dataset(x=arrays["x"], y=arrays["y"], classes=CLASSES, source=HANDLE)
    except Exception as error:  # a damaged archive may raise anything
        raise DataError(f"{kept}: cannot be read ({first_line(error)}); delete it") from error
