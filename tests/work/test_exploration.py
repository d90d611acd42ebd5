"""The first look at a dataset: counts, gaps, duplicates, samples, and the record that keeps them."""

import io
from pathlib import Path

import numpy as np
import pytest
import sample_data
import workbench
from PIL import Image

from bench import dataset_record
from bench.catalog import Catalog
from bench.cli import main
from bench.records import Use
from bench.site.contents import gather
from bench.tasks import Home
from bench.work import data, exploration

CATALOG = Catalog()


def explored(dataset: data.Dataset) -> dataset_record.DatasetRecord:
    return exploration.explore(Use("mine"), dataset)


def test_duplicates_are_counted_within_and_across_parts() -> None:
    x = np.array([[1.0], [2.0], [1.0], [3.0]], np.float32)
    found = explored(
        data.Dataset(
            x=x,
            y=np.array([0, 1, 1, 0]),
            x_test=np.array([[2.0], [9.0]], np.float32),
            y_test=np.array([1, 0]),
            classes=("a", "b"),
            columns=(data.Column("c"),),
            source="here",
        )
    )
    twice = found.duplicates
    assert (twice.within_train, twice.test_in_train, twice.contradicting) == (1, 1, 2)
    assert [part.class_counts for part in found.parts] == [(2, 2), (1, 1)]
    assert found.folds is None


def test_pixels_and_samples_are_those_of_the_training_part() -> None:
    x = np.zeros((4, 40, 80, 3), np.uint8)
    x[:2, ..., 0] = 200
    found = explored(
        data.Dataset(
            x=x, y=np.array([0, 1, 0, 1]), x_test=x[:2], y_test=np.array([0, 1]), classes=("a", "b"), source=""
        )
    ).images
    assert found is not None
    assert found.channel_means == (100.0, 0.0, 0.0)
    assert found.channel_deviations == (100.0, 0.0, 0.0)
    strip = Image.open(io.BytesIO(found.samples["a"]))
    assert strip.format == "WEBP"
    assert strip.size == (64 + 1 + 64, 32)


def test_columns_have_gaps_quartiles_and_histograms(tmp_path: Path) -> None:
    calls = sample_data.own_files(tmp_path)
    use = CATALOG.resolve("datasets", calls["csv"])
    found = exploration.explore(use, workbench.load(str(use)))
    a, b, colour = found.columns
    assert (a.missing, len(a.edges), sum(a.counts)) == (0, 21, found.parts[0].n)
    assert b.missing == found.parts[0].n - sum(b.counts) > 0
    assert colour.categories == ("blue", "red")
    assert found.correlated == ("a", "b", "1"), "the second class is the one that values go along with"
    table = np.array(found.correlations)
    assert np.allclose(table, table.T)
    assert np.allclose(np.diag(table), 1)


def test_the_command_prints_and_keeps_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample_data.diabetes(tmp_path / "kaggle")
    assert main(["data", "diabetes", "--results", str(tmp_path / "r")]) == 0
    out = capsys.readouterr().out
    assert "diabetic" in out
    assert "Insulin" in out
    (kept,) = (tmp_path / "r" / "datasets").iterdir()
    before = kept.read_bytes()
    assert main(["data", "diabetes", "--results", str(tmp_path / "r"), "--json"]) == 0
    assert kept.read_bytes() == before, "what is known already is not written again"
    assert '"missing"' in capsys.readouterr().out


def test_a_variant_is_printed_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "digits(imbalance=10, train_size=200)", "--results", str(tmp_path)]) == 0
    assert "train 200" in capsys.readouterr().out
    assert dataset_record.read(tmp_path) == ([], [])


def test_a_broken_record_is_named_and_skipped(tmp_path: Path) -> None:
    exploration.survey(Use("digits"), (), tmp_path, Home(tmp_path / "home"))
    (tmp_path / "datasets" / "x.json").write_text("{")
    found, problems = dataset_record.read(tmp_path)
    assert [record.dataset.name for record in found] == ["digits"]
    assert "x.json: not a record" in problems[0]


def test_changed_files_of_ones_own_are_looked_at_again(tmp_path: Path) -> None:
    use = CATALOG.resolve("datasets", sample_data.own_files(tmp_path)["csv"])
    exploration.survey(use, (), tmp_path, Home(tmp_path / "home"))
    with (tmp_path / "mine.csv").open("a") as file:
        file.write("100,200,red,1\n")
    exploration.survey(use, (), tmp_path, Home(tmp_path / "home"))
    (found,) = dataset_record.read(tmp_path)[0]
    assert sum(part.n for part in found.parts) == 61


def test_the_site_shows_what_was_found(tmp_path: Path) -> None:
    sample_data.wine_quality(tmp_path / "kaggle")
    sample_data.cifar100(tmp_path / "kaggle")
    for call in ("digits", "wine_quality", "cifar100(labels='fine')", "cifar100(labels='coarse')"):
        exploration.survey(CATALOG.resolve("datasets", call), (), tmp_path, Home(tmp_path / "home"))
    pages = gather(tmp_path, CATALOG).pages
    digits = pages["catalogue/datasets/digits.md"].html
    assert "1,438" in digits
    assert digits.count("data:image/webp;base64,") == 10
    assert "train_size" in digits, "what every dataset takes stands there too"
    assert "No two training examples are equal" in digits
    quality = pages["catalogue/datasets/wine_quality.md"].html
    assert quality.count("<svg") == 12, "a histogram of each column and of the target"
    assert "Correlations" in quality
    fine_and_coarse = pages["catalogue/datasets/cifar100.md"].html
    assert "The data: cifar100(labels=&#39;fine&#39;)" in fine_and_coarse
    assert "The data: cifar100(labels=&#39;coarse&#39;)" in fine_and_coarse
    assert 'id="data-2"' in fine_and_coarse
    assert "The data" not in pages["catalogue/datasets/wine.md"].html
