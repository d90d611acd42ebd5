"""Datasets are decoded once, and again whenever anything about them changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_data

from bench.catalog import Catalog
from bench.tasks import Home
from bench.work import data, decoded

CATALOG = Catalog()


@pytest.fixture(autouse=True)
def _all_are_worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "WORTHWHILE_S", -1.0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def kept(home: Home) -> list[Path]:
    return list(home.decoded.glob("*")) if home.decoded.exists() else []


def load(call: str, home: Home) -> data.Dataset:
    use = CATALOG.resolve("datasets", call)
    return data.load(decoded.loader(CATALOG, use, home), use.name, CATALOG.given("datasets", use))


def test_the_second_process_finds_the_same_arrays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load("digits", home)

    def fails(**_: Any) -> data.Dataset:
        raise AssertionError("decoded twice")

    monkeypatch.setattr(CATALOG.load("datasets", "digits"), "load", fails)
    second = load("digits", home)
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.y, second.y)
    assert (first.x.dtype, first.classes, first.source) == (second.x.dtype, second.classes, second.source)
    assert second.x_test is None
    data.split(second, 0, 0.1)  # reorders the arrays in place
    assert np.array_equal(load("digits", home).x, first.x), "what is kept is not changed"


def test_other_parameters_and_changed_files_are_other_datasets(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a,b\n" + "\n".join(f"{i},{i % 2}" for i in range(60)))
    call = f"csv(path={str(table)!r}, target='b')"
    assert len(load(call, home).x) == 60
    table.write_text("a,b\n" + "\n".join(f"{i},{i % 2}" for i in range(80)))
    assert len(load(call, home).x) == 80
    load(f"csv(path={str(table)!r}, target='a', task='regression')", home)
    assert len(kept(home)) == 3


def test_a_repaired_download_is_decoded_again(home: Home, tmp_path: Path) -> None:
    """A file that does not match its checksum is read, marked, and not kept."""
    sample_data.mnist(tmp_path / "kaggle")  # made up, so no checksum matches
    assert load("mnist", home).verified is False
    assert kept(home) == []
    sample_data.wine_quality(tmp_path / "kaggle")
    before = load("wine_quality", home)
    assert len(kept(home)) == 1
    (file,) = (tmp_path / "kaggle").rglob("*.csv")
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))
    assert len(load("wine_quality", home).x) == len(before.x) - 1


def test_what_loads_at_once_is_not_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "WORTHWHILE_S", 60.0)
    load("digits", home)
    assert kept(home) == []
