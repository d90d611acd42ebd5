"""The tidy table: complete, typed, and readable again from what it is written to."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from factory import LATER, cell, record, unfinished
from sample_suites import write_results
from timings import timed

import bench
from bench import export, store
from bench.errors import BenchError
from bench.records import Use


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_one_row_a_measurement(results: Path) -> None:
    made = record(cell(techniques=["augment", "prune"], epochs=3), seed=4, n_test=400)
    store.write(results, made)
    frame = bench.read(results)
    assert len(frame) == len(made.measurements)
    row = frame[(frame.name == "accuracy")].iloc[0]
    assert row.value == made.value("accuracy")
    assert (row.techniques, row["training.epochs"], row.seed, row.n) == ("augment + prune", 3, 4, 400)
    assert (row.hardware, row.backend, row.artifact) == ("hw-a", "tensorflow", made.artifact and made.artifact.digest)


def test_a_setting_that_is_a_plugin_is_written_as_its_call(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results.mkdir()
    made = record(cell(optimizer=Use("sgd", {"momentum": 0.9})))
    reading = store.Reading(records=(made,), suites={}, problems=())
    monkeypatch.setattr(store, "read", lambda folder: reading)
    assert set(export.read(results)["training.optimizer"]) == {"sgd(momentum=0.9)"}


def test_failed_runs_keep_a_row(results: Path) -> None:
    store.write(results, unfinished(status="timeout"))
    frame = export.read(results)
    assert list(frame.status) == ["timeout"]
    assert frame[["name", "value", "artifact"]].isna().all(axis=None)
    assert not frame.newest.any()


def test_newest_marks_the_last_execution(results: Path) -> None:
    for created in ("2026-01-01T00:00:00Z", LATER):
        store.write(results, record(created=created))
    frame = export.read(results)
    assert set(frame[frame.newest].created) == {pd.Timestamp(LATER)}
    assert len(frame[~frame.newest]) == len(frame[frame.newest])


def test_a_timing_names_the_artifact_that_was_timed(results: Path) -> None:
    store.write(results, timed(parent="abc", batch_sizes=(1,)))
    frame = export.read(results)
    assert set(frame.artifact) == {"abc"}
    assert set(frame[frame.name == "latency_ms"].statistic) == {"p50", "p90"}


def test_a_seedless_run_leaves_the_other_seeds_whole_numbers(results: Path) -> None:
    store.write(results, record(seed=None, node="derive"))
    store.write(results, record(seed=3))
    assert str(export.read(results).seed.dtype) == "Int64"
    assert set(export.read(results).seed.dropna()) == {3}


def test_broken_records_are_named_and_skipped(results: Path) -> None:
    store.write(results, record())
    (results / "demo" / "broken").mkdir()
    (results / "demo" / "broken" / "x.json").write_text("{}")
    with pytest.warns(UserWarning, match=r"x\.json"):
        frame = export.read(results)
    assert not frame.empty


def test_an_empty_folder_has_all_columns_and_an_absent_one_is_refused(results: Path) -> None:
    with pytest.raises(BenchError, match="no such folder"):
        export.read(results)
    results.mkdir()
    frame = export.read(results)
    assert frame.empty
    assert {"suite", "value", "training.epochs", "newest"} <= set(frame.columns)


def test_csv_and_json_hold_the_whole_table(results: Path, tmp_path: Path) -> None:
    write_results(results)
    frame = export.read(results)
    export.write(frame, tmp_path / "all.csv")
    back = pd.read_csv(tmp_path / "all.csv")
    assert list(back.columns) == list(frame.columns)
    pd.testing.assert_series_equal(back.value, frame.value)
    export.write(frame, tmp_path / "all.json")
    objects = json.loads((tmp_path / "all.json").read_text())
    assert len(objects) == len(frame)
    assert objects[0]["suite"] == frame.suite[0]


def test_parquet_needs_pyarrow(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(results, record())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BenchError, match="pip install pyarrow"):
        export.write(export.read(results), tmp_path / "all.parquet")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"no format for '\.xls'"):
        export.write(pd.DataFrame(), tmp_path / "all.xls")
