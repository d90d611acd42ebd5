"""`bench best`: what fits a budget, best first, and what is left out for want of a figure."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Bench
from factory import cell, record, suite_cell, suite_record
from timings import timed

from bench import store
from bench.best import Budget, best
from bench.errors import BenchError, NothingToCompare

FAST, GOOD, ODD = cell(), cell(techniques=["augment"]), cell(techniques=["dropout"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    rows = [suite_cell(FAST, "fast"), suite_cell(GOOD, "good"), suite_cell(ODD, "odd")]
    store.write_suite(tmp_path, suite_record(rows))
    for of, accuracy, p50 in ((FAST, 0.90, 0.2), (GOOD, 0.97, 0.8), (ODD, 0.99, 0.1)):
        for seed in range(3):
            made = record(of, seed=seed, accuracy=accuracy, n_test=1000)
            store.write(tmp_path, made)
            if seed == 0:
                doubt: dict[str, Any] = {"validity": "unstable", "reasons": ("a neighbour",)} if of == ODD else {}
                assert made.artifact is not None
                store.write(tmp_path, timed(of, p50_ms=p50, parent=made.artifact.digest, **doubt))
    return tmp_path


def test_the_best_that_is_quick_enough(place: Path) -> None:
    found = best(place, "demo", Budget(latency_ms=1.0))
    assert [round(one.score, 2) for one in found.choices] == [0.97, 0.91]
    assert found.unknown == 1, "an unstable timing is no timing"
    assert [round(one.score, 2) for one in best(place, "demo", Budget(latency_ms=0.5)).choices] == [0.91]
    assert [round(one.score, 2) for one in best(place, "demo", Budget()).choices] == [0.99, 0.97, 0.91]


def test_size_and_latency_are_of_one_file(place: Path) -> None:
    sizes = {
        one.label.removeprefix("mlp · "): (one.size_kb, one.format) for one in best(place, "demo", Budget()).choices
    }
    assert sizes == {"odd": (52.0, "keras"), "good": (50.0, "litert"), "fast": (50.0, "litert")}
    assert len(best(place, "demo", Budget(size_kb=51.0, latency_ms=1.0)).choices) == 2


def test_what_it_must_reach_may_be_doubtful(place: Path) -> None:
    surely, doubtful = best(place, "demo", Budget(score=0.969)).choices
    assert (surely.surely, doubtful.surely) == (True, False)
    assert not best(place, "demo", Budget(score=0.995)).choices


def test_the_command_says_how_to_take_it_along(place: Path, bench: Bench) -> None:
    done = bench("best", "demo", "--results", str(place), "--max-latency-ms", "1", "--min-accuracy", "0.5")
    assert done.returncode == 0
    assert "--to litert FOLDER" in done.stdout, "on which it is fast enough"
    assert "--to keras FOLDER" in bench("best", "demo", "--results", str(place)).stdout
    percent = bench("best", "demo", "--results", str(place), "--min-accuracy", "90")
    assert percent.returncode == 2
    assert "--min-accuracy 90: a share from 0 to 1 is meant, such as 0.9" in percent.stderr
    assert "1 row lacks a figure" in done.stdout
    nothing = bench("best", "demo", "--results", str(place), "--max-size-kb", "0", "--min-accuracy", "0.5")
    assert nothing.returncode == 3
    assert nothing.stdout.startswith("no row fits; of each figure asked for the best of any row: Accuracy 0.9")
    assert nothing.stdout.endswith(", 50.0 kB\n")
    assert "no valid timing" in bench("best", "demo", "--results", str(place)).stdout
    assert bench("best", "demos", "--results", str(place)).returncode == 2


def test_a_suite_without_scores_has_no_best(tmp_path: Path) -> None:
    store.write_suite(tmp_path, suite_record([suite_cell(FAST, "fast")]))
    with pytest.raises(NothingToCompare, match="no row has a score yet; bench run demo"):
        best(tmp_path, "demo", Budget())
    with pytest.raises(BenchError, match="no records of a suite 'mnist'"):
        best(tmp_path, "mnist", Budget())
