"""Image folder: pictures of your own

A folder, or a zip archive of one, with a folder of image files for each class: `cats/1.jpg`,
`dogs/2.png`. If there are `train` and `test` folders (or `val`, `valid`, `validation`) with
the classes inside, the latter are the test part; with both, validation images are learned from.
Otherwise the test part is one of five stratified folds. `size` is the side to which all are
resized, needed where they differ. A folder without an image and a link to a folder are
errors, so that no class is left out in silence. `channels` is 1 (grey), 3 (RGB) or 4 (with opacity); without it
pictures are RGB, or grey if all of them are.

Source: your files; their path stands in the suite, their arrays' fingerprints in every record

Licence: yours
"""

from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from bench.errors import DataError
from bench.files.images import SUFFIXES, Files, decode
from bench.work.data import Dataset

HANDLE = "image_folder"
INPUT = "image"
TASK = "classification"
PATHS = ("path",)

TRAIN, TEST, VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation")


def load(*, path: str, size: int | None = None, channels: Literal[1, 3, 4] | None = None) -> Dataset:
    """Return the images, class by class in the order of their folders' names."""
    if size is not None and size < 1:
        raise DataError(f"{path}: size={size}; give the side to which all are resized in pixels, e.g. size=64")
    files = Files(Path(path))
    parts = _parts(files)
    classes = sorted(set(parts["train"]))
    for part, found in parts.items():
        for name in set(classes) ^ set(found):
            raise DataError(f"{path}: no images of the class '{name}' in the {part} part; add the folder '{name}'")
    if len(classes) < 2:
        raise DataError(f"{path}: images of {len(classes)} classes; each class should have a folder of its own")
    names = {part: [name for one in classes for name in found[one]] for part, found in parts.items()}
    images, sizes = decode(files, [*names["train"], *names.get("test", [])], side=size, channels=channels)
    labels = [i for found in parts.values() for i, one in enumerate(classes) for _ in found[one]]
    learn = len(names["train"])
    return Dataset(
        x=images[:learn],
        y=np.array(labels[:learn], np.int64),
        x_test=images[learn:] if "test" in parts else None,
        y_test=np.array(labels[learn:], np.int64) if "test" in parts else None,
        classes=tuple(classes),
        sizes=tuple(sizes) if len(sizes) > 1 else (),
        source=f"image_folder/{Path(path).name}",
    )


def _parts(files: Files) -> dict[str, dict[str, list[str]]]:
    """Return the files of each class of the training part, and of the test part where there is one."""
    paths = [PurePosixPath(name) for name in files.names]
    while paths and len({path.parts[0] for path in paths}) == 1 and min(len(path.parts) for path in paths) > 2:
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]  # archives often hold one folder that holds all
    stripped = dict(zip(paths, files.names, strict=True))
    tops = {path.parts[0].lower() for path in paths}
    split = tops & set(TRAIN) and tops & {*TEST, *VALIDATION}
    strangers = sorted(tops - {*TRAIN, *TEST, *VALIDATION})
    if split and strangers:
        raise DataError(f"{files.path}: '{strangers[0]}' lies beside the parts; take it out of there")
    held_out = TEST if tops & set(TEST) else VALIDATION
    found: dict[str, dict[str, list[str]]] = {"train": {}, "test": {}} if split else {"train": {}}
    for path, name in stripped.items():
        part = "test" if split and path.parts[0].lower() in held_out else "train"
        inside = path.parts[1:] if split else path.parts
        if len(inside) < 2:
            raise DataError(f"{files.path / name}: lies in no class's folder; move it into one")
        found[part].setdefault(inside[0], []).append(name)
    if not paths:
        raise DataError(f"{files.path}: no image files below it; each class should have a folder of its own")
    outside = len(PurePosixPath(files.names[0]).parts) - len(paths[0].parts)
    for name in files.empty:
        if len(PurePosixPath(name).parts) <= outside + bool(split) + 1:
            raise DataError(
                f"{files.path / name}: no image below it ({', '.join(sorted(SUFFIXES))}); put some there or take it out"
            )
    return found
