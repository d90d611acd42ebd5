"""Files damaged in every way that Hypothesis thinks of: what comes out is an error that names them, or sound data."""

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import workbench
from damage import EDITS, Edit, damaged, fuzz
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from bench.datasets import mnist
from bench.errors import DataError
from bench.files.cifar import read_batch
from bench.work import data


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def one_line(error: DataError, name: str) -> None:
    """Check that an error names the file and can be printed and recorded."""
    assert name in str(error)
    assert "\n" not in str(error)
    str(error).encode()


def sound(call: str, name: str) -> None:
    """Load a dataset and divide it, or get an error of one line that names the file."""
    try:
        data.split(workbench.load(call), 0, 0.1)
    except DataError as error:
        one_line(error, name)


# CIFAR's pickles

PIXELS = np.zeros((1, 3072), np.uint8)
PICKLE = pickle.dumps({b"batch_label": b"one", b"labels": [7], b"data": PIXELS, b"filenames": [b"a.png"]}, 3)


def read_pickle(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        images, (labels,) = read_batch(path, {"labels": 10})
    except DataError as error:
        one_line(error, path.name)
    else:
        assert (images.dtype, images.shape) == (np.uint8, (len(labels), 32, 32, 3))
        assert images.size == 0 or 0 <= images.min() <= images.max() <= 255
        assert ((labels >= 0) & (labels < 10)).all()


@fuzz(350)
@given(content=st.just(PICKLE), edits=EDITS)
@example(content=PICKLE, edits=[("write", PICKLE.index(b"C\x09filenames"), b"\x8d")])  # once an OverflowError
@example(content=PICKLE, edits=[("insert", PICKLE.index(b"NNNJ"), b")")])  # once a SystemError in NumPy
@example(content=b"\x80\2})" + b"\x85" * 1_000_000 + b"Ns.", edits=[])  # once a segmentation fault, in a hash
@example(content=b"\x80\2]" + b"]" * 1_000_000 + b"a" * 1_000_000 + b".", edits=[])
def test_cifar(place: Path, content: bytes, edits: list[Edit]) -> None:
    read_pickle(place / "data_batch_1", damaged(content, edits))


# IDX files


DIGITS = b"\0\0\x08\3" + struct.pack(">3I", 2, 3, 4) + bytes(range(24))


@fuzz(150)
@given(content=st.sampled_from([DIGITS, gzip.compress(DIGITS, mtime=0)]), edits=EDITS)
@example(content=b"\0\0\x08\4" + b"\0\1\0\0" * 4, edits=[])  # 2**64 elements, once taken for none
@example(content=b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", edits=[])  # once a ValueError
@example(content=gzip.compress(b"\0" * 1_000_000, mtime=0), edits=[])
def test_idx(place: Path, content: bytes, edits: list[Edit]) -> None:
    path = place / "images.idx"
    path.write_bytes(content := damaged(content, edits))
    try:
        found = mnist.read_idx(path)
    except DataError as error:
        one_line(error, path.name)
    else:
        assert (
            content
            == b"\0\0\x08" + bytes([found.ndim]) + struct.pack(f">{found.ndim}I", *found.shape) + found.tobytes()
        )


# Tables

TABLE = b"size, colour ,code,kind\r\n" + b"".join(
    b"%d.5,%s,%d,%s\r\n" % (i, (b"red", b'"blue, or so"', b"")[i % 3], i, (b"a", b"b")[i % 2]) for i in range(24)
)


@fuzz(250)
@given(edits=EDITS, more=st.sampled_from(["target='kind'", "target='code', task='regression'"]))
@example(edits=[("write", 0, b"code")], more="target='kind'")
@example(edits=[("insert", TABLE.index(b"0,a"), b"9" * 400)], more="target='code', task='regression'")
@example(edits=[("insert", 40, b"\0")], more="target='kind'")
@example(edits=[("insert", 0, b"\xef\xbb\xbf")], more="target='kind'")
def test_csv(place: Path, edits: list[Edit], more: str) -> None:
    path = place / "table.csv"
    path.write_bytes(damaged(TABLE, edits))
    sound(f"csv(path='{path}', {more})", path.name)


# Pictures

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")


def picture(kind: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(out, kind)
    return out.getvalue()


PICTURES = {f"{mode}.{kind.lower()}": picture(kind, mode) for kind in FORMATS for mode in ("RGB", "L")}


@pytest.fixture(scope="module")
def photos(place: Path) -> Path:
    for name in ("cats", "dogs"):
        (place / "photos" / name).mkdir(parents=True)
        for i in range(5):
            (place / "photos" / name / f"{i}.png").write_bytes(picture("PNG"))
    return place / "photos"


@fuzz(300)
@given(name=st.sampled_from(sorted(PICTURES)), edits=EDITS, size=st.sampled_from(["", ", size=5, channels=1"]))
@example(name="RGB.bmp", edits=[("write", 18, struct.pack("<2I", 50_000, 50_000))], size="")
@example(name="RGB.bmp", edits=[("write", 18, struct.pack("<2I", 9_000, 9_000))], size="")
def test_images(photos: Path, name: str, edits: list[Edit], size: str) -> None:
    path = photos / "cats" / name
    path.write_bytes(damaged(PICTURES[name], edits))
    try:
        sound(f"image_folder(path='{photos}'{size})", "photos")
    finally:
        path.unlink()


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("cats", "dogs"):
            for i in range(4):
                entry = zipfile.ZipInfo(f"all/{name}/{i}.bmp")  # of 1980: the same bytes at any time
                opened.writestr(entry, PICTURES["RGB.bmp"], zipfile.ZIP_DEFLATED)
    return out.getvalue()


ARCHIVE = archive()


@fuzz(150)
@given(edits=EDITS)
@example(edits=[("write", ARCHIVE.rindex(b"all/dogs"), b"../d")])
@example(edits=[("write", ARCHIVE.rindex(b"all/dogs"), b"all\n")])
def test_archives(place: Path, edits: list[Edit]) -> None:
    path = place / "photos.zip"
    path.write_bytes(damaged(ARCHIVE, edits))
    sound(f"image_folder(path='{path}')", path.name)
