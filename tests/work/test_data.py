"""Reading of files that may be damaged or hostile, and the division of datasets."""

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import sample_data
import workbench

from bench import dataset_record
from bench.datasets import digits, mnist
from bench.errors import DataError
from bench.files.cifar import read_batch
from bench.records import Use
from bench.tasks import Home
from bench.work import data, exploration


def test_idx_files_are_read(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(mnist.read_idx(sample_data.idx(tmp_path / "a", array)), array)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-1],
        lambda b: b + b"x",
        lambda b: b[:9],
        lambda b: b"",
        lambda b: b"PK\3\4" + b,
        gzip.compress,
        lambda b: b"\0\0\x0d\3" + b[4:],
        lambda b: b"\0\0\x08\4" + b"\0\1\0\0" * 4,
        lambda b: b"\0\0\x08\2" + b"\x80\0\0\0\0\0\0\2",
        lambda b: b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x",
        lambda b: b"\0\0\x08\0x",
    ],
    ids=[
        "truncated",
        "too long",
        "no shape",
        "empty",
        "zip",
        "gzip",
        "floats",
        "product 0 in 64 bits",
        "product 0 in 32 bits",
        "255 dimensions",
        "no dimension",
    ],
)
def test_a_damaged_idx_file_is_named(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = sample_data.idx(tmp_path / "images.idx", np.zeros((3, 4, 4), np.uint8))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"images\.idx: .*fetch it again"):
        mnist.read_idx(path)


def test_mnist_comes_from_the_cache_and_its_checksums_are_compared(tmp_path: Path) -> None:
    sample_data.mnist(tmp_path / "kaggle")
    found = mnist.load()
    assert found.x.shape == (20, 28, 28, 1)
    assert found.verified is False, "these are not the published files"


def test_labels_out_of_range_are_refused(tmp_path: Path) -> None:
    sample_data.mnist(tmp_path / "kaggle", digit=11)
    with pytest.raises(DataError, match="train-images"):
        mnist.load()


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


def batch(**changes: object) -> dict[bytes, object]:
    return {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0, 1, 2, 3]} | {
        k.encode(): v for k, v in changes.items()
    }


def test_cifar_batches_are_read_planes_first(tmp_path: Path) -> None:
    pixels = np.arange(4 * 3072, dtype=np.int64).astype(np.uint8).reshape(4, 3072)
    (tmp_path / "b").write_bytes(pickle.dumps(batch(data=pixels), protocol=3))
    images, (labels,) = read_batch(tmp_path / "b", {"labels": 10})
    assert images.shape == (4, 32, 32, 3)
    assert images[1, 2, 3].tolist() == [pixels[1, channel * 1024 + 2 * 32 + 3] for channel in range(3)]
    assert labels.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Hostile()),
        pickle.dumps(batch(labels=Hostile())),
        pickle.dumps(batch(labels=[0, 1, 2, 10])),
        pickle.dumps(batch(data=np.zeros((4, 100), np.uint8))),
        pickle.dumps(batch(data=np.zeros((4, 3072), np.float32))),
        pickle.dumps([1, 2]),
        pickle.dumps(batch())[:-20],
        b"",
        b"not a pickle",
    ],
    ids=["hostile", "hostile inside", "label", "shape", "type", "list", "truncated", "empty", "text"],
)
def test_a_bad_pickle_is_refused_by_name_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError, match="data_batch_1"):
        read_batch(tmp_path / "data_batch_1", {"labels": 10})
    assert not (tmp_path / "pwned").exists()


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1btR"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x80\2}U\4data" + ARRAY + b"b.", "state is not a dictionary"),
        (b"\x80\2}U\4data(K\1(M\0\4M\0\x0ctcnumpy\ndtype\nU\2O8\x85RU\0tbs.", "state is not a dictionary"),
        (b"\x80\2}U\4data" + ARRAY + b"(K\1K\1U\2u1I00\nU\0tbs.", "holds INT, which"),
        (b"\x80\2" + b"\x85" * 100_000 + b".", "holds TUPLE1 more than 16 times"),
        (b"\x80\2" + b"]" * 100_000 + b"a" * 99_999 + b".", "holds EMPTY_LIST more than 16 times"),
        (b"\x80\2}q\1h\1.", "holds BINGET, which no file of CIFAR needs"),
        (b"\x80\2}r\xff\xff\xff\x7f.", "puts a value aside at 2147483647"),
        (b"\x80\2T\xff\xff\xff\x7f.", "expected 2147483647 bytes"),
        (b"\x80\2\x8a\xff" + b"\xff" * 255 + b".", "holds LONG1, which"),
        (b"\x80\2cnumpy\ndtype\n}U\x08__call__Nsb.", "refused"),
        (b"\x80\2cos\nsystem\n.", "it wants to import os.system"),
        (pickle.dumps(batch(data=np.asfortranarray(np.zeros((4, 3072), np.uint8))), 3), "not 32 × 32 images"),
        (pickle.dumps(batch(labels=[b"0", b"1", b"2", b"3"]), 3), "not a list of whole numbers"),
        (pickle.dumps(batch(labels=[[0], [1], [2], [3]]), 3), "not a list of whole numbers"),
        (pickle.dumps(batch(labels=[0, 1, 2]), 3), "its labels are no labels of 10 classes"),
    ],
)
def test_a_pickle_made_to_break_the_unpickler_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_batch(tmp_path / "data_batch_1", {"labels": 10})
    assert says in str(caught.value)
    assert str(caught.value).endswith("fetch it again")


def test_a_survey_leaves_a_record_or_raises_the_fault_as_a_line(tmp_path: Path) -> None:
    exploration.survey(Use("digits"), (), tmp_path, Home(tmp_path / "home"))
    (record,) = dataset_record.read(tmp_path)[0]
    assert (record.parts[0].n, record.folds) == (1438, 5)
    with pytest.raises(DataError, match="not in the cache"):
        exploration.survey(Use("mnist"), (), tmp_path, Home(tmp_path / "home"))


def test_the_parts_of_a_fold_are_disjoint_and_complete() -> None:
    found = data.split(digits.load(), fold=0, validation=0.1)
    assert len(found.train) + len(found.validation) + len(found.test) == 1797
    assert len(found.test) == pytest.approx(1797 / data.FOLDS, abs=5)
    rows = [part.x.reshape(len(part), -1).tobytes() for part in (found.train, found.validation, found.test)]
    assert len(set(rows)) == 3


def test_the_folds_test_every_example_once() -> None:
    images = digits.load().x
    tests = [data.split(digits.load(), fold, 0.1).test for fold in range(data.FOLDS)]
    assert sum(map(len, tests)) == len(images)
    assert np.array_equal(
        np.sort(np.concatenate([part.x for part in tests]).reshape(len(images), -1), axis=0),
        np.sort(images.reshape(len(images), -1), axis=0),
    )


def test_parts_are_stratified() -> None:
    found = data.split(digits.load(), fold=2, validation=0.2)
    for part in (found.train, found.validation, found.test):
        counts = part.counts(10)
        assert max(counts) - min(counts) <= 0.1 * max(counts) + 1


def test_a_published_test_part_is_the_test_part_of_every_fold(tmp_path: Path) -> None:
    sample_data.mnist(tmp_path / "kaggle")
    prints = {data.split(mnist.load(), fold, 0.2).test.fingerprint for fold in range(3)}
    assert len(prints) == 1


def test_fingerprints_tell_arrays_apart() -> None:
    x, y = np.zeros((4, 2), np.uint8), np.zeros(4, np.int64)
    parts = [data.Part(x, y), data.Part(x.reshape(2, 4), y), data.Part(x, y + 1), data.Part(x.astype(np.int8), y)]
    assert len({part.fingerprint for part in parts}) == 4


def test_preparing_twice_in_one_process_loads_once() -> None:
    assert workbench.prepare("digits", 0, 0.1) is workbench.prepare("digits", 0, 0.1)
