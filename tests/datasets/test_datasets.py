"""Every dataset from files in its published format, a person's own files, and all that can be wrong with them."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sample_data
import workbench
from PIL import Image

from bench.catalog import OPTIONS, Catalog
from bench.errors import DataError
from bench.records import DataOptions
from bench.work import data

CATALOG = Catalog()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache that `conftest` points kagglehub to."""
    return tmp_path / "kaggle"


def load(call: str) -> data.Dataset:
    return workbench.load(call)


@pytest.mark.parametrize("name", CATALOG.names("datasets"))
def test_every_dataset_is_as_its_literals_say(name: str, cache: Path, tmp_path: Path) -> None:
    sample_data.all_of_them(cache)
    call = sample_data.own_files(tmp_path).get(name, name)
    use, card = CATALOG.resolve("datasets", call), CATALOG.card("datasets", name)
    found = load(call)
    facts = card.facts(use)
    assert found.task == facts.task
    assert (found.x.ndim == 4) is (facts.input == "image")
    if facts.shape:
        assert found.x.shape[1:] == facts.shape
        assert found.outputs == facts.outputs
        assert found.source == facts.handle
    assert (found.task == "regression") is (not found.classes)
    assert len(data.split(found, 0, 0.1).train) > 0


@pytest.mark.parametrize("write", sample_data.PUBLISHED)
def test_a_dataset_that_is_nowhere_says_what_to_do(write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="connect to the network once, or point KAGGLEHUB_CACHE") as caught:
        load(write.__name__)
    assert "\n" not in str(caught.value)


def test_cifar100_has_fine_coarse_and_both(cache: Path) -> None:
    sample_data.cifar100(cache)
    fine, coarse, both = (load(f"cifar100(labels='{labels}')") for labels in ("fine", "coarse", "both"))
    assert (fine.outputs, coarse.outputs, both.outputs) == (100, 20, 120)
    assert (len(set(fine.classes)), len(set(coarse.classes))) == (100, 20)
    assert np.array_equal(np.array(fine.superclass_of)[fine.y], coarse.y)
    assert both.task == "hierarchical"
    assert fine.verified is False, "these are not the published files"


def test_one_copy_of_the_images_is_in_memory(cache: Path) -> None:
    sample_data.cifar10(cache)
    found = load("cifar10")
    parts = data.split(found, 0, 0.2)
    assert np.shares_memory(parts.train.x, found.x)
    assert np.shares_memory(parts.validation.x, found.x)
    assert not np.shares_memory(parts.train.x, parts.validation.x)


def test_medical_mnist_is_decoded_once(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    files = sample_data.medical_mnist(cache)
    first = load("medical_mnist")
    assert "decoding images" in capfd.readouterr().err
    again = load("medical_mnist")
    assert "decoding" not in capfd.readouterr().err
    assert np.array_equal(first.x, again.x)
    assert np.bincount(first.y).tolist() == [10] * 6
    (files / "Hand" / "000003.jpeg").unlink()
    assert len(load("medical_mnist").x) == 59, "changed files are decoded again"


def test_medical_mnist_without_a_class_is_refused(cache: Path) -> None:
    files = sample_data.medical_mnist(cache)
    for path in (files / "Hand").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no images of the class 'Hand'"):
        load("medical_mnist")


def test_zeros_that_mean_missing_become_missing(cache: Path) -> None:
    sample_data.diabetes(cache)
    found = load("diabetes")
    names = [column.name for column in found.columns]
    assert np.isnan(found.x[:, names.index("Insulin")]).all()
    assert not np.isnan(found.x[:, names.index("Pregnancies")]).any(), "nobody has been pregnant is no gap"
    assert 0 < np.isnan(found.x[:, names.index("SkinThickness")]).mean() < 1


# A person's own table


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


TABLE = "size;colour;code;id;kind\n" + "".join(
    f"{'' if i == 3 else i / 2};{['red', 'blue', ''][i % 3]};{i % 4};n{i};{'ab'[i % 2]}\n" for i in range(40)
)


def test_a_table_of_ones_own_has_numbers_categories_and_gaps(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TABLE)
    found = load(f"csv(path='{path}', target='kind', categorical=['code'], drop=['id'], separator=';')")
    assert [column.name for column in found.columns] == ["size", "colour", "code"]
    assert [column.categories for column in found.columns] == [(), ("blue", "red"), ("0", "1", "2", "3")]
    assert found.classes == ("a", "b")
    assert np.isnan(found.x).sum(axis=0).tolist() == [1, 13, 0]
    assert found.x[:2].tolist() == [[0, 1, 0], [0.5, 0, 1]]


def test_a_table_of_ones_own_may_be_a_regression(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", TABLE)
    found = load(f"csv(path='{path}', target='code', task='regression', drop=['id', 'colour'], separator=';')")
    assert (found.task, found.outputs, found.classes) == ("regression", 1, ())
    assert found.y.tolist()[:4] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "call", "says"),
    [
        (TABLE, "target='kinds', separator=';'", "no column 'kinds'; did you mean 'kind'?"),
        (TABLE, "target='kind'", "no column 'kind'"),
        (TABLE, "target='kind', separator=';', drop=['size', 'colour', 'code', 'id']", "no column is left"),
        (TABLE, "target='kind', separator=';', drop=['colr']", "no column 'colr' beside the target"),
        (TABLE, "target='size', task='regression', separator=';'", "t.csv:5: no value of 'size'"),
        (TABLE, "target='id', separator=';'", "has 40 different values in 40 lines"),
        (TABLE, "target='id', task='regression', separator=';'", "t.csv:2: 'id' is 'n0', not a number"),
        ("a,b\n1,x\n2,\n", "target='b'", "t.csv:3: no value of 'b'"),
        ("a,b\n" + "1,x\n2,y\n" * 5 + "inf,x\n", "target='b'", "t.csv:12: 'a' is 'inf', not a number"),
        ("a,b\n" + "".join(f"t{i},{i % 2}\n" for i in range(200)), "target='b'", "leave it out with drop=['a']"),
        ("", "target='b'", "cannot be read as CSV"),
        ("a,b\n", "target='b'", "0 rows"),
        ("a,b\n" + "1,2,3\n" * 9, "target='b'", "cannot be read as CSV: Length of header"),
        ("a,a ,b\n" + "1,2,x\n" * 9, "target='b'", "two columns are named 'a'"),
        ("a,b\n" + "1e300,x\n2,y\n" * 9, "target='b'", "t.csv:2: 'a' is '1e+300', not a number"),
        ("a,b\n" + "1,x\n" * 9, "target='b'", "has one value alone"),
        ("a,b\n1,2\n", "target='b', task='regression'", "too few to be cut into 5 folds"),
        ("a,b\n1,2,3,4\n1,2\n1,2,3,4,5\n", "target='b'", "cannot be read as CSV"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, text: str, call: str, says: str) -> None:
    path = write(tmp_path / "t.csv", text)
    with pytest.raises(DataError) as caught:
        data.split(load(f"csv(path='{path}', {call})"), 0, 0.1)
    assert says in str(caught.value)
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


# A person's own pictures


def photos(folder: Path, *parts: str, size: tuple[int, int] = (12, 9), mode: str = "RGB") -> Path:
    for part in parts or ("",):
        for name in ("cats", "dogs"):
            sample_data.image_class(folder / part / name, 10, size, mode)
    return folder


def test_a_folder_of_classes_is_read_and_cut_into_folds(tmp_path: Path) -> None:
    found = load(f"image_folder(path='{photos(tmp_path / 'p')}')")
    assert found.x.shape == (20, 9, 12, 3)
    assert found.classes == ("cats", "dogs")
    assert found.x_test is None
    first = np.asarray(Image.open(tmp_path / "p" / "cats" / "000000.png"))
    assert np.array_equal(found.x[0], first)


def test_split_folders_are_the_parts(tmp_path: Path) -> None:
    photos(tmp_path / "p", "train", "val", "test")
    found = load(f"image_folder(path='{tmp_path / 'p'}')")
    assert len(found.x) == 40, "validation images are learned from where there is a test part"
    assert found.x_test is not None
    assert len(found.x_test) == 20
    only_val = load(f"image_folder(path='{photos(tmp_path / 'q', 'train', 'valid')}')")
    assert only_val.x_test is not None
    assert len(only_val.x) == 20


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_any_number_of_channels_is_kept(tmp_path: Path, mode: str, channels: int) -> None:
    path = photos(tmp_path / "p", mode=mode)
    assert load(f"image_folder(path='{path}')").x.shape[-1] == min(channels, 3), "opacity is kept if asked for"
    assert load(f"image_folder(path='{path}', channels={channels})").x.shape[-1] == channels


def test_images_of_several_sizes_and_modes_are_made_alike_if_asked(tmp_path: Path) -> None:
    photos(tmp_path / "p")
    sample_data.image_class(tmp_path / "p" / "cats" / "more", 3, (40, 30), "L")
    with pytest.raises(DataError, match=r"40 × 30 pixels, most others are 12 × 9; .*size=64"):
        load(f"image_folder(path='{tmp_path / 'p'}')")
    found = load(f"image_folder(path='{tmp_path / 'p'}', size=16)")
    assert found.x.shape == (23, 16, 16, 3)
    assert dict(found.sizes) == {(12, 9): 20, (40, 30): 3}
    assert load(f"image_folder(path='{tmp_path / 'p'}', size=16, channels=1)").x.shape == (23, 16, 16, 1)


def zipped(folder: Path, path: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, f"all/{file.relative_to(folder)}")
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


def test_an_archive_is_read_without_being_unpacked(tmp_path: Path) -> None:
    path = zipped(photos(tmp_path / "p"), tmp_path / "p.zip")
    there = set(tmp_path.rglob("*"))
    found = load(f"image_folder(path='{path}')")
    assert np.array_equal(found.x, load(f"image_folder(path='{tmp_path / 'p'}')").x)
    assert set(tmp_path.rglob("*")) == there


def broken(folder: Path, fault: str) -> tuple[Path, str]:
    """Return pictures with a fault, and what should be said of it."""
    path = photos(folder / "p", *(("train", "test") if fault == "class" else ()))
    match fault:
        case "class":
            sample_data.image_class(path / "train" / "mice", 3, (12, 9))
            return path, "no images of the class 'mice' in the test part"
        case "one class":
            (path / "dogs").rename(folder / "dogs")
            return path, "images of 1 classes"
        case "empty":
            (folder / "empty").mkdir()
            return folder / "empty", "no image files below it"
        case "text":
            (path / "cats" / "000004.png").write_text("not a picture")
            return path, "000004.png: not an image that can be read"
        case "cut off":
            whole = (path / "cats" / "000004.png").read_bytes()
            (path / "cats" / "000004.png").write_bytes(whole[:-60])
            return path, "000004.png: damaged image"
        case "other program":
            (path / "cats" / "000004.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 12 9\n%%EOF\n")
            return path, "000004.png: not an image that can be read"
        case "floats":
            Image.fromarray(np.ones((9, 12), np.float32)).save(path / "cats" / "f.tiff")
            return path, "f.tiff: pixels of 32 bits"
        case "backup":
            return photos(path, "train", "test", "backup"), "'backup' lies beside the parts"
        case "loose":
            sample_data.image_class(path, 1, (12, 9))
            return path, "000000.png: lies in no class's folder"
        case "link":
            (path / "cats" / "x.png").symlink_to(photos(folder / "q") / "cats" / "000000.png")
            return path, "x.png: leads out of"
        case "huge":
            out = io.BytesIO()
            Image.new("1", (20_000, 20_000)).save(out, "PNG")
            (path / "cats" / "huge.png").write_bytes(out.getvalue())
            return path, "huge.png"
        case "climbing":
            return zipped(path, folder / "p.zip", **{"..__..__evil.png": b"x"}), "would leave its folder"
        case "absolute":
            return zipped(path, folder / "p.zip", **{"__etc__evil.png": b"x"}), "would leave its folder"
        case "bomb":
            return zipped(path, folder / "p.zip", **{"cats__b.png": b"\0" * 60_000_000}), "that would become"
    (folder / "p.zip").write_bytes(b"PK\3\4 nothing")
    return folder / "p.zip", "not a zip archive that can be read"


@pytest.mark.parametrize(
    "fault",
    [
        "class",
        "one class",
        "empty",
        "text",
        "cut off",
        "other program",
        "floats",
        "backup",
        "loose",
        "link",
        "huge",
        "climbing",
        "absolute",
        "bomb",
        "no archive",
    ],
)
def test_pictures_that_cannot_be_read_are_refused_by_name(tmp_path: Path, fault: str) -> None:
    path, says = broken(tmp_path, fault)
    with pytest.raises(DataError) as caught:
        load(f"image_folder(path='{path}')")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path.parent / "evil.png").exists()


# Options common to all


def part(fold: int = 0, **options: object) -> data.Split:
    return data.split(load("digits"), fold, 0.1, DataOptions(**options))  # type: ignore[arg-type]


def test_train_size_is_exact_and_keeps_the_shares_of_the_classes() -> None:
    found = part(train_size=300)
    assert len(found.train) + len(found.validation) == 300
    counts = [a + b for a, b in zip(found.train.counts(10), found.validation.counts(10), strict=True)]
    assert max(counts) - min(counts) <= 2
    with pytest.raises(DataError, match=r"train_size=2000: .* has 1438 examples"):
        part(train_size=2000)


def test_imbalance_makes_a_long_tail() -> None:
    found = part(imbalance=10)
    counts = np.array(found.train.counts(10)) + found.validation.counts(10)
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.1)
    assert (np.diff(counts) < 0).all()


def test_label_noise_changes_that_share_of_labels_to_others() -> None:
    clean, noisy = part(), part(label_noise=0.3)
    assert np.array_equal(clean.train.x, noisy.train.x)
    assert (clean.train.y != noisy.train.y).mean() == pytest.approx(0.3, abs=0.04)
    wrong = noisy.train.y[(clean.train.y != noisy.train.y) & (clean.train.y == 3)]
    assert set(wrong) == set(range(10)) - {3}


@pytest.mark.parametrize("options", [{}, {"train_size": 500}, {"imbalance": 5}, {"label_noise": 0.2}])
def test_options_follow_the_fold_and_leave_the_test_part_alone(options: dict[str, float]) -> None:
    assert part(**options).train.fingerprint == part(**options).train.fingerprint
    assert part(**options).test.fingerprint == part().test.fingerprint
    assert part(1, **options).train.fingerprint != part(**options).train.fingerprint
    assert options.keys() <= OPTIONS.keys()


def test_parts_hold_every_example_once_with_its_own_label() -> None:
    whole = load("digits")
    labels = {image.tobytes(): int(label) for image, label in zip(whole.x, whole.y, strict=True)}
    found = part(2)
    seen = [
        (image.tobytes(), int(y))
        for p in (found.train, found.validation, found.test)
        for image, y in zip(p.x, p.y, strict=True)
    ]
    assert dict(seen) == labels
    assert len(seen) == len(labels)


def test_images_of_16_bits_keep_one_scale(tmp_path: Path) -> None:
    for name, value in (("a", 257 * 10), ("b", 257 * 200)):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(np.full((4, 4), value, np.uint16)).save(tmp_path / name / f"{i}.png")
    found = load(f"image_folder(path='{tmp_path}')")
    assert found.x.shape == (12, 4, 4, 1)
    assert sorted(set(found.x.ravel().tolist())) == [10, 200]


def test_options_about_classes_are_refused_for_a_regression(cache: Path) -> None:
    sample_data.wine_quality(cache)
    for option in ({"label_noise": 0.1}, {"imbalance": 3.0}):
        with pytest.raises(DataError, match="about classes, this is a regression"):
            data.split(load("wine_quality"), 0, 0.1, DataOptions(**option))
