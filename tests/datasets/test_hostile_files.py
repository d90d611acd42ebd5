"""A person's own files, and what may be found in their place: links, pipes, odd names, tables that only look right."""

import io
import os
import signal
import socket
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import sample_data
import workbench
from PIL import Image

from bench.architectures import model_file
from bench.datasets import mnist
from bench.errors import DataError
from bench.files import contents
from bench.files.cifar import read_batch
from bench.work import data


@contextmanager
def in_time(seconds: int = 20) -> Iterator[None]:
    """Raise TimeoutError where the body takes longer, as it would for ever with a pipe."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def photos(folder: Path, *parts: str) -> Path:
    for part in parts or ("",):
        for name in ("cats", "dogs"):
            sample_data.image_class(folder / part / name, 6, (12, 9))
    return folder


def pictures(path: Path, more: str = "") -> data.Dataset:
    return workbench.load(f"image_folder(path='{path}'{more})")


def refused(path: Path, more: str = "") -> str:
    """Return the one line that a folder of pictures is refused with."""
    with in_time(), pytest.raises(DataError) as caught:
        pictures(path, more)
    line = str(caught.value)
    assert "\n" not in line
    line.encode()  # so that it can be printed and recorded
    return line


# Special files


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def device(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


def socket_at(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
    return path


READERS = {
    "cifar": ("data_batch_1", lambda path: read_batch(path, {"labels": 10})),
    "idx": ("train-images.idx3-ubyte", mnist.read_idx),
    "csv": ("t.csv", lambda path: workbench.load(f"csv(path='{path}', target='a')")),
    "zip": ("p.zip", pictures),
    "keras": ("n.keras", lambda path: model_file.read(path.parent, path=str(path))),
    "h5": ("n.h5", lambda path: model_file.read(path.parent, path=str(path))),
    "tflite": ("n.tflite", lambda path: model_file.read(path.parent, path=str(path))),
}


@pytest.mark.parametrize(("make", "says"), [(pipe, "a pipe"), (device, "a device"), (socket_at, "a socket")])
@pytest.mark.parametrize("reader", READERS)
def test_a_special_file_is_named_and_never_waited_on(  # type: ignore[no-untyped-def]
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, make, says: str
) -> None:
    name, read = READERS[reader]
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    make(Path(name))
    with in_time(), pytest.raises(DataError, match=rf"{name}: {says}, not a regular file; \w+"):
        read(tmp_path / name)


def test_a_special_file_among_pictures_is_named(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    pipe(path / "cats" / "x.png")
    assert "cats/x.png: a pipe, not a regular file" in refused(path)
    (path / "cats" / "x.png").unlink()
    (path / "cats" / "x.png").symlink_to("/dev/zero")
    assert "cats/x.png: leads out of" in refused(path)
    (path / "cats" / "x.png").unlink()
    (path / "cats" / "x.png").symlink_to("x.png")
    assert "cats/x.png: cannot be read (Too many levels of symbolic links)" in refused(path)
    (path / "cats" / "x.png").unlink()
    pipe(path / "cats" / "notes")
    assert len(pictures(path).x) == 12, "what is no picture is no fault"


@pytest.mark.parametrize(("reader", "most"), [("cifar", "200,000,000"), ("idx", "200,000,000")])
def test_a_file_of_any_size_is_not_read(tmp_path: Path, reader: str, most: str) -> None:
    name, read = READERS[reader]
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)
    with in_time(), pytest.raises(DataError, match=f"{name}: 1,099,511,627,776 bytes, more than the {most}"):
        read(tmp_path / name)


def test_a_damaged_copy_of_decoded_images_is_named(tmp_path: Path) -> None:
    sample_data.medical_mnist(tmp_path / "kaggle")
    workbench.load("medical_mnist")
    (kept,) = (tmp_path / "kaggle" / "bench").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(DataError, match=rf"{kept.name}: cannot be read .*; delete it"):
        workbench.load("medical_mnist")


# Classes that would be left out in silence


def test_a_class_that_is_a_link_is_named(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    sample_data.image_class(tmp_path / "mice", 6, (12, 9))
    (path / "mice").symlink_to(tmp_path / "mice")
    assert "p/mice: a link to a folder, which is not followed; put the folder itself there" in refused(path)
    (path / "mice").unlink()
    (path / "mice").symlink_to(path / "cats")
    assert "p/mice: a link to a folder" in refused(path)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photos(tmp_path / "p"))
    assert np.array_equal(pictures(tmp_path / "link").x, pictures(tmp_path / "p").x)


def test_a_link_to_a_picture_inside_is_a_picture(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    (path / "cats" / "x.png").symlink_to(path / "cats" / "000000.png")
    assert len(pictures(path).x) == 13


@pytest.mark.parametrize("inside", [None, "a.heic", "deeper/a.heic"])
@pytest.mark.parametrize("parts", [(), ("train", "test")])
def test_a_class_without_a_picture_is_named(tmp_path: Path, parts: tuple[str, ...], inside: str | None) -> None:
    path = photos(tmp_path / "p", *parts)
    empty = path.joinpath(*parts[:1], "mice")
    (empty / (inside or "x")).parent.mkdir(parents=True)
    if inside:
        (empty / inside).write_bytes(b"of unknown kind")
    line = refused(path)
    assert f"{empty}: no image below it (.bmp, .gif," in line
    assert line.endswith("put some there or take it out")


def test_a_part_without_a_picture_is_named(tmp_path: Path) -> None:
    path = photos(tmp_path / "p", "train")
    (path / "test" / "cats").mkdir(parents=True)
    assert "p/test: no image below it" in refused(path)


def test_folders_inside_a_class_and_hidden_ones_may_be_empty(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    (path / "cats" / "notes").mkdir()
    (path / ".cache" / "x").mkdir(parents=True)
    (path / ".link").symlink_to(tmp_path)
    assert len(pictures(path).x) == 12


def archived(path: Path, entries: dict[str, bytes]) -> Path:
    out = io.BytesIO()
    Image.new("RGB", (12, 9)).save(out, "PNG")
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("all/cats/1.png", "all/dogs/1.png"):
            archive.writestr(name, out.getvalue())
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_classes_in_an_archive_are_named_likewise(tmp_path: Path) -> None:
    assert len(pictures(archived(tmp_path / "good.zip", {"all/readme.txt": b"", "__MACOSX/all/x": b""})).x) == 2
    assert "p.zip/all/mice: no image below it" in refused(archived(tmp_path / "p.zip", {"all/mice/a.heic": b"x"}))
    assert "q.zip/all/mice: no image below it" in refused(archived(tmp_path / "q.zip", {"all/mice/": b""}))


# Names


NAMES = [os.fsdecode(b"mi\xffce"), "mi\nce", "mi\x1b[2Jce"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("kind", ["class", "empty class", "file"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = photos(tmp_path / "p")
    picture = path / "cats" / "000000.png"
    if kind == "file":
        picture.rename(path / "cats" / f"{name}.png")
    else:
        (path / name).mkdir()
        if kind == "class":
            picture.rename(path / name / "1.png")
    line = refused(path)
    assert "is not UTF-8 or holds control characters; rename it" in line
    assert line.isprintable()


def test_a_folder_with_such_names_has_a_fingerprint(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    before = contents.fingerprint(path, tmp_path / "cache.json")
    (path / NAMES[0]).touch()
    assert contents.fingerprint(path, tmp_path / "cache.json") != before


def test_an_archive_with_a_name_that_cannot_be_printed_is_refused(tmp_path: Path) -> None:
    assert "control characters" in refused(archived(tmp_path / "p.zip", {"all/mi\nce/1.png": b"x"}))
    assert "would leave its folder" in refused(archived(tmp_path / "q.zip", {"../mi\nce/1.png": b"x"}))
    text = archived(tmp_path / "r.zip", {"all/mäuse/1.png": b"x"}).read_bytes()
    (tmp_path / "r.zip").write_bytes(text.replace("mäuse".encode(), b"m\xff\xffuse"))
    assert "r.zip: not a zip archive that can be read" in refused(tmp_path / "r.zip")


# Pixels


def test_too_many_pixels_are_called_that(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    for side in (9_000, 50_000):  # Pillow itself refuses the second
        out = io.BytesIO()
        Image.new("1", (8, 8)).save(out, "BMP")
        header = bytearray(out.getvalue())
        header[18:26] = side.to_bytes(4, "little") * 2
        (path / "cats" / "huge.bmp").write_bytes(header)
        assert "cats/huge.bmp: " in refused(path)
        assert "more than 64,000,000 pixels, too many to be meant; replace or delete it" in refused(path)


def test_an_image_in_colours_that_cannot_be_converted_is_named(tmp_path: Path) -> None:
    path = photos(tmp_path / "p")
    Image.new("LAB", (12, 9)).save(path / "cats" / "lab.tiff")
    assert "cats/lab.tiff: damaged image (conversion from LAB" in refused(path, ", channels=1")


@pytest.mark.parametrize(("size", "says"), [(0, "size=0; give"), (10_000_000, "give a smaller size")])
def test_a_side_that_makes_no_sense_is_refused(tmp_path: Path, size: int, says: str) -> None:
    assert says in refused(photos(tmp_path / "p"), f", size={size}")


# Tables


def table(path: Path, content: bytes, more: str = "") -> data.Dataset:
    path.write_bytes(content)
    return workbench.load(f"csv(path='{path}', target='t'{more})")


ROWS = b"1,x\n2,y\n" * 6
MEASURED = b"a,t\n" + b"".join(b"%d.5,%s\n" % (i, b"xy"[i % 2 :][:1]) for i in range(60))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a,a,t\n" + b"1,2,x\n" * 9, "t.csv:1: two columns are named 'a', 1 and 2; rename one"),
        (b"a, a ,t\n" + b"1,2,x\n" * 9, "t.csv:1: two columns are named 'a', 1 and 2"),
        (b"a.1,a,a,t\n" + b"1,2,3,x\n" * 9, "t.csv:1: two columns are named 'a', 2 and 3"),
        (b",a,t\n" + b"1,2,x\n" * 9, "t.csv:1: column 1 has no name; name it"),
        (b'a," ",t\n' + b"1,2,x\n" * 9, "t.csv:1: column 2 has no name"),
        (b'"a\nb",t\n' + ROWS, "t.csv:1: the name 'a\\nb' of column 1 holds control characters"),
        (b"a,t\n" + ROWS + b"3\0,x\n", "t.csv:14: a NUL byte"),
        ("a,t\n1,x\n".encode("utf-16"), "t.csv:1: a NUL byte, so no text; save the table as CSV in UTF-8"),
        (b"a,t\n" + ROWS + b"\xff,x\n", "t.csv: cannot be read as CSV: 'utf-8' codec"),
        (b"," * 1_000_000 + b"t\n" + ROWS, "t.csv:1: names more than 50,000 columns"),
        (b"a" * 6_000_000 + b",t\n" + ROWS, "takes more than 5,000,000 bytes"),
        (MEASURED + b"x,x\n", "t.csv:62: 'a' is 'x', where 60 of 61 values are numbers; mend it,"),
        (MEASURED + b"-,x\n?,y\n", "t.csv:62: 'a' is '-', where 60 of 62 values are numbers"),
        (b"a,t\n" + b"1,0\n2,1\n" * 20 + b"3,x\n", "t.csv:42: 't' is 'x', where 40 of 41 values are numbers; mend it"),
        (b"a" * 501 + b",t\n" + ROWS, "of column 1 holds control characters or has more than 500 letters"),
    ],
)
def test_a_table_that_would_be_read_as_another_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with in_time(), pytest.raises(DataError) as caught:
        table(tmp_path / "t.csv", content)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_may_still_be_named_as_categories(tmp_path: Path) -> None:
    rows = b"".join(b"%s,%s\n" % (b"0 1 2 3+".split()[i % 4], b"xy"[i % 2 :][:1]) for i in range(40))
    with pytest.raises(DataError, match=r"t.csv:5: 'a' is '3\+', .* name the column in categorical=\[…\]"):
        table(tmp_path / "t.csv", b"a,t\n" + rows)
    (column,) = table(tmp_path / "t.csv", b"a,t\n" + rows, ", categorical=['a']").columns
    assert column.categories == ("0", "1", "2", "3+")


def test_texts_half_of_which_are_numbers_are_categories(tmp_path: Path) -> None:
    (column,) = table(tmp_path / "t.csv", b"a,t\n" + b"1,x\nred,y\n" * 9).columns
    assert column.categories == ("1", "red")


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,t\n" + ROWS,
        (b"a,t\n" + ROWS).replace(b"\n", b"\r\n"),
        (b"a,t\n" + ROWS).replace(b"\n", b"\r"),
        b"a , t\n" + ROWS.rstrip(),
        b'"a","t"\n' + ROWS,
    ],
    ids=["byte order mark", "CRLF", "CR", "spaces, no last newline", "quotes"],
)
def test_tables_are_read_however_they_were_written(tmp_path: Path, content: bytes) -> None:
    found = table(tmp_path / "t.csv", content)
    assert [column.name for column in found.columns] == ["a"]
    assert found.x.tolist() == [[1], [2]] * 6
    assert found.classes == ("x", "y")


def test_a_very_long_line_is_read(tmp_path: Path) -> None:
    found = table(tmp_path / "t.csv", b"b,a,t\n" + b"r,1,x\nr,2,y\n" * 6 + b"z" * 20_000_000 + b",3,x\n")
    assert len(found.columns[1].categories[-1]) == 20_000_000


def test_a_number_of_hundreds_of_digits_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.csv:2: 't' is '9{60}…', not a number"):
        table(tmp_path / "t.csv", b"a,t\n1," + b"9" * 400 + b"\n" + b"1,2\n3,4\n" * 6, ", task='regression'")
