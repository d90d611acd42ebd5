"""Tiny files in the formats of the published datasets, where kagglehub would have put them."""

import pickle
import struct
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)


def cached(cache: Path, handle: str) -> Path:
    """Return the folder of a dataset in a kagglehub cache, made and marked as complete."""
    name, _, version = handle.partition("/versions/")
    place = cache / "datasets" / name
    files = place / "versions" / version
    files.mkdir(parents=True, exist_ok=True)
    (place / f"{version}.complete").touch()
    return files


def idx(path: Path, array: np.ndarray) -> Path:
    """Write an IDX file of unsigned bytes."""
    path.write_bytes(b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())
    return path


def mnist(cache: Path, *, digit: int | None = None) -> Path:
    files = cached(cache, "hojjatk/mnist-dataset/versions/1")
    for part, n in (("train", 20), ("t10k", 10)):
        labels = np.arange(n) % 10 if digit is None else np.full(n, digit)
        idx(files / f"{part}-images.idx3-ubyte", RNG.integers(0, 256, (n, 28, 28)).astype(np.uint8))
        idx(files / f"{part}-labels.idx1-ubyte", labels.astype(np.uint8))
    return files


def _batch(n: int, **labels: np.ndarray) -> bytes:
    pixels = RNG.integers(0, 256, (n, 3072)).astype(np.uint8)
    return pickle.dumps({b"data": pixels} | {name.encode(): list(map(int, y)) for name, y in labels.items()}, 3)


def cifar10(cache: Path) -> Path:
    files = cached(cache, "pankrzysiu/cifar10-python/versions/1") / "cifar-10-batches-py"
    files.mkdir(exist_ok=True)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (files / name).write_bytes(_batch(10, labels=np.arange(10)))
    return files


def cifar100(cache: Path) -> Path:
    files = cached(cache, "fedesoriano/cifar100/versions/1")
    for name in ("train", "test"):
        fine = np.arange(100)
        (files / name).write_bytes(_batch(100, fine_labels=fine, coarse_labels=fine // 5))
    return files


def medical_mnist(cache: Path) -> Path:
    files = cached(cache, "andrewmvd/medical-mnist/versions/1")
    for name in ("AbdomenCT", "BreastMRI", "CXR", "ChestCT", "Hand", "HeadCT"):
        image_class(files / name, 10, (64, 64), "L", "jpeg")
    return files


def image_class(folder: Path, n: int, size: tuple[int, int], mode: str = "RGB", suffix: str = "png") -> None:
    """Write noise images into a class's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    depth = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    for i in range(n):
        pixels = RNG.integers(0, 256, (size[1], size[0], *depth)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:06}.{suffix}")


def diabetes(cache: Path) -> Path:
    path = cached(cache, "uciml/pima-indians-diabetes-database/versions/1") / "diabetes.csv"
    names = "Pregnancies,Glucose,BloodPressure,SkinThickness,Insulin,BMI,DiabetesPedigreeFunction,Age,Outcome"
    rows = [f"{i % 5},{90 + i},{60 + i % 7},{i % 2 * 20},0,3{i % 9}.5,0.3,{20 + i},{i % 3 // 2}" for i in range(60)]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


def wine_quality(cache: Path) -> Path:
    path = cached(cache, "uciml/red-wine-quality-cortez-et-al-2009/versions/2") / "winequality-red.csv"
    names = ",".join([*(f"measure {i}" for i in range(11)), "quality"])
    rows = [",".join(f"{value:.3f}" for value in RNG.normal(size=11)) + f",{3 + i % 6}" for i in range(60)]
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


PUBLISHED = (mnist, cifar10, cifar100, medical_mnist, diabetes, wine_quality)


def all_of_them(cache: Path) -> None:
    """Fill a cache with a few examples of every dataset that comes from Kaggle."""
    for write in PUBLISHED:
        write(cache)


def own_files(folder: Path) -> dict[str, str]:
    """Write a table and pictures of one's own; return the calls that read them, by plugin."""
    table = folder / "mine.csv"
    rows = [f"{i % 7},{'' if i % 6 == 0 else i * 0.5},{'red' if i % 2 else 'blue'},{i % 2}" for i in range(60)]
    table.write_text("\n".join(["a,b,colour,target", *rows]) + "\n")
    for name in ("cats", "dogs"):
        image_class(folder / "photos" / name, 12, (20, 14), "RGB")
    return {"csv": f"csv(path='{table}', target='target')", "image_folder": f"image_folder(path='{folder / 'photos'}')"}
