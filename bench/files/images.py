"""Image files → one array of bytes; every fault names the file.

Files come from a folder or straight out of a zip archive, which is never unpacked, so nothing
can be written outside of anything. Decoding goes in parallel: Pillow lets other threads run.
"""

import io
import os
import unicodedata
import warnings
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import track

from bench.errors import DataError, first_line
from bench.files import regular
from bench.files.archives import open_archive

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
MOST_PIXELS = 64_000_000
"""An image of more is refused unread: it would take 200 MB decoded."""
MOST_BYTES = 1_000_000_000
"""A file of more is refused unread; one of the most pixels, not compressed, is smaller."""
Size = tuple[int, int]
"""Width and height, as Pillow has them."""
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Pillow knows many more, some of which start other programs."""
_CHANNELS = {"1": 1, "L": 1, "LA": 4, "RGBA": 4, "PA": 4}


class Files:
    """The image files below a folder or in a zip archive.

    Attributes:
        path: The folder or archive.
        names: Paths of the image files within it, sorted.
        empty: Paths of the folders within it that no image file lies below, sorted.
    """

    def __init__(self, path: Path) -> None:
        """List them.

        Raise DataError for a folder that cannot be read, links that are not followed, names that
        cannot be printed, and an archive that is damaged, climbs out of its folder or is a bomb.
        """
        self.path = path
        self._archive: zipfile.ZipFile | None = None
        if path.is_dir():
            found, folders = _listed(path)
        else:
            self._archive = open_archive(path)
            entries = self._archive.infolist()
            found = [entry.filename for entry in entries if not entry.is_dir()]
            folders = [entry.filename for entry in entries if entry.is_dir()]
        folders += [str(parent) for name in found for parent in PurePosixPath(name).parents]
        self.names = sorted(name for name in found if _is_image(name))
        with_images = {parent for name in self.names for parent in PurePosixPath(name).parents}
        seen = {folder for name in folders if not _is_hidden(folder := PurePosixPath(name))}
        self.empty = sorted(str(folder) for folder in seen - with_images)
        for name in (*self.names, *self.empty):
            if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in name):
                raise DataError(f"{path}: the name {name!r} is not UTF-8 or holds control characters; rename it")

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        if not self._archive:
            return regular.read(self.path / name, MOST_BYTES, "replace or delete it")
        try:
            return self._archive.read(name)
        except Exception as error:  # a damaged archive may raise anything
            raise DataError(f"{self.path / name}: cannot be read: {first_line(error)}") from error


def _listed(root: Path) -> tuple[list[str], list[str]]:
    """Return all files and all folders below a folder; links to folders are refused, as they could lead anywhere."""
    found: list[str] = []
    below: list[str] = []

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}); allow it or take it out") from error

    for place, folders, files in os.walk(root, onerror=refuse):
        inside = Path(place).relative_to(root)
        folders[:] = [name for name in folders if not _is_hidden(PurePosixPath(name))]
        for name in folders:
            if (link := root / inside / name).is_symlink():
                raise DataError(f"{link}: a link to a folder, which is not followed; put the folder itself there")
        for name in files:
            link = root / inside / name
            if link.is_symlink() and not Path(os.path.realpath(link)).is_relative_to(os.path.realpath(root)):
                raise DataError(f"{link}: leads out of {root}; put the file itself there")
        found += [(inside / name).as_posix() for name in files]
        below += [(inside / name).as_posix() for name in folders]
    return found, below


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and not _is_hidden(path)


def decode(
    files: Files, names: Sequence[str], *, side: int | None, channels: int | None
) -> tuple[NDArray[np.uint8], list[tuple[Size, int]]]:
    """Return images as (n, height, width, channels) uint8, in the order of `names`, and how many had each size.

    With `side` each is resized to that many pixels squared; without, all must have one size.
    `channels` is 1, 3 or 4; without it 3, or 1 if all are grey. Opacity is kept where it is asked for.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")
        sizes = list(pool.map(lambda name: _inspect(files, name), names))
        depth = channels or min(max(deep for _, deep in sizes), 3)
        shapes = Counter(size for size, _ in sizes)
        if side is None and len(shapes) > 1:
            usual = shapes.most_common(1)[0][0]
            other = next(i for i, (size, _) in enumerate(sizes) if size != usual)
            raise DataError(
                f"{files.path / names[other]}: {_text(sizes[other][0])} pixels, most others are {_text(usual)}; "
                "give the side to which all are resized, e.g. size=64"
            )
        width, height = (side, side) if side else sizes[0][0]
        try:
            images = np.empty((len(names), height, width, depth), np.uint8)
        except (MemoryError, ValueError) as error:
            raise DataError(
                f"{files.path}: {len(names):,} images of {_text((width, height))} pixels are more than fits into "
                "the memory; give a smaller size"
            ) from error

        def fill(i: int) -> None:
            images[i] = _decode(files, names[i], (width, height), depth)

        console = Console(stderr=True)
        for _ in track(pool.map(fill, range(len(names))), "decoding images", len(names), console=console):
            pass
    return images, shapes.most_common()


def _inspect(files: Files, name: str) -> tuple[Size, int]:
    """Return an image's (width, height) and channels, without decoding it."""
    with _opened(files, name) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(
                f"{files.path / name}: {_text(image.size)} is more than {MOST_PIXELS:,} pixels, too many to be meant; "
                "replace or delete it"
            )
        if image.mode in {"I", "F"}:
            raise DataError(f"{files.path / name}: pixels of 32 bits; save it with 8 or 16 bits a channel")
        transparent = image.mode == "P" and "transparency" in image.info
        deep = image.mode.startswith("I;16")
        return image.size, 4 if transparent else 1 if deep else _CHANNELS.get(image.mode, 3)


def _decode(files: Files, name: str, size: Size, channels: int) -> NDArray[np.uint8]:
    with _opened(files, name) as image:
        try:
            image.load()
            if image.mode.startswith("I;16"):
                image = Image.fromarray(np.uint8(np.asarray(image, np.float64) / 257))
            image = image.convert(MODES[channels])
            if image.size != size:
                image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)
            return np.asarray(image).reshape(size[1], size[0], channels)
        except Exception as error:  # Pillow's decoders raise anything
            raise DataError(
                f"{files.path / name}: damaged image ({first_line(error)}); replace or delete it"
            ) from error


def _opened(files: Files, name: str) -> Image.Image:
    content = io.BytesIO(files.read(name))
    try:
        return Image.open(content, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise DataError(
            f"{files.path / name}: more than {MOST_PIXELS:,} pixels, too many to be meant; replace or delete it"
        ) from error
    except Exception as error:  # Pillow's readers raise anything
        raise DataError(f"{files.path / name}: not an image that can be read; replace or delete it") from error


def _text(size: Size) -> str:
    return f"{size[0]} × {size[1]}"
