"""Records: identity, reading of old and broken ones, writing that is never half done."""

import json
import os
from pathlib import Path
from typing import Any

import factory
import msgspec
import pytest
import timings

from bench import limits, records, store, upgrades
from bench.errors import RecordError
from bench.records import Cell, Record, Training, Use, cell_id

GOLDEN = Path(__file__).parent / "golden" / "record-schema-1.json"


def cell(**parameters: object) -> Cell:
    made = factory.cell()
    return msgspec.structs.replace(made, architecture=Use("mlp", dict(parameters)))


def test_ids_are_equal_for_equal_cells_alone() -> None:
    different = [
        cell(a=[0.5]),
        cell(a=[0, 5]),
        cell(a=1),
        cell(a=-1),
        cell(a="1"),
        cell(a=True),
        cell(a=None),
        cell(b=1),
    ]
    assert len({cell_id(one) for one in different}) == len(different)
    assert cell_id(cell(a=1, b=2)) == cell_id(cell(b=2, a=1))


def test_an_id_does_not_depend_on_how_a_float_is_written() -> None:
    plain = msgspec.to_builtins(factory.settings())
    written = [msgspec.convert(plain | {"learning_rate": rate}, Training) for rate in (1, 1.0)]
    ids = {cell_id(msgspec.structs.replace(cell(), training=training)) for training in written}
    assert len(ids) == 1


def test_an_id_begins_with_what_a_person_reads() -> None:
    assert cell_id(msgspec.structs.replace(cell(), techniques=(Use("prune"),))).startswith("digits-mlp-prune-")


def test_a_record_of_schema_1_is_read_for_ever() -> None:
    record = upgrades.decode(GOLDEN.read_bytes(), Record, str(GOLDEN))
    assert record.status == "finished"
    assert record.value("accuracy", split="test") is not None
    assert cell_id(record.cell) == record.cell_id, "the cell's hash has changed: raise CELL_HASH"


def test_a_newer_record_is_refused_by_name() -> None:
    text = json.dumps(json.loads(GOLDEN.read_text()) | {"schema": records.SCHEMA + 1}).encode()
    with pytest.raises(
        RecordError, match=r"some\.json: written with schema 10, this bench reads up to 9; update bench"
    ):
        upgrades.decode(text, Record, "some.json")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": 1, "cell": null}',
        b'{"schema": 1, "cells": 5}',
        b'{"schema": 1, "created": 5}',
        b'{"schema": 1}',
        b'{"schema": "1"}',
        b"\xff\xfe",
        b'{"schema": 0}',
    ],
)
def test_a_broken_record_is_named_and_skipped(tmp_path: Path, text: bytes) -> None:
    store.write(tmp_path, factory.record())
    (tmp_path / "demo" / "cell").mkdir()
    (tmp_path / "demo" / "cell" / "broken.json").write_bytes(text)
    reading = store.read(tmp_path)
    assert len(reading.records) == 1
    assert len(reading.problems) == 1
    assert "broken.json" in reading.problems[0]
    assert len(store.headers(tmp_path)[0]) == 1


ODD: dict[str, Any] = {
    "created": "yesterday",
    "created ": "2026-02-31T00:00:00Z",
    "suite": "../up",
    "cell_id": "a/b",
    "fold": 10**12,
    "seed": 2**64 - 1,
    "confusion": [[1, 2], [3]],
    "correct": "AA==",
    "phases_s": {"fit": -1},
    "measurements": [{"name": "parameters", "value": 1e308, "unit": "1", "better": "lower"}],
    "measurements ": [{"name": "accuracy", "value": 5.0, "unit": "1", "better": "higher"}],
    "measurements  ": [{"name": "loss", "value": 1, "unit": "", "better": "lower", "low": 2, "high": 1}],
    "series": [{"name": "loss", "axis": "epoch", "points": [1, 2], "values": [1]}],
    "tables": {"t": {"title": "t", "columns": ["a"], "rows": [["x", "y"]]}},
}
"""Fields with content of the right type that no record can have; the blanks only make keys distinct."""


@pytest.mark.parametrize(("field", "content"), ODD.items())
def test_a_record_of_odd_content_is_named_with_the_place_and_skipped(tmp_path: Path, field: str, content: Any) -> None:
    path = store.write(tmp_path, factory.record())
    text = json.loads(path.read_text()) | {field.strip(): content}
    (path.parent / "odd.json").write_text(json.dumps(text))
    reading = store.read(tmp_path)
    assert len(reading.records) == 1
    assert len(reading.problems) == 1
    assert "odd.json: not a record: " in reading.problems[0]


def test_what_is_no_regular_file_is_named_and_skipped(tmp_path: Path) -> None:
    folder = store.write(tmp_path, factory.record()).parent
    os.mkfifo(folder / "pipe.json")
    (folder / "endless.json").symlink_to("/dev/zero")
    (folder / "folder.json").mkdir()
    with (folder / "large.json").open("wb") as file:
        file.truncate(limits.MOST_BYTES + 1)
    reading = store.read(tmp_path)
    assert len(reading.records) == 1
    assert len(reading.problems) == 4
    assert all("cannot be read" in problem for problem in reading.problems)


def test_records_are_appended(tmp_path: Path) -> None:
    made = factory.record()
    assert store.write(tmp_path, made) != store.write(tmp_path, made)
    assert store.read(tmp_path).records == (made, made)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        store.write(tmp_path, factory.record())
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_newest_finished_record_of_a_node_stands() -> None:
    old = factory.record(accuracy=0.8)
    new = factory.record(accuracy=0.9, created=factory.LATER)
    other = factory.record(seed=1)
    failed = factory.unfinished(created="2027-01-01T00:00:00Z")
    assert store.newest([old, new, other, failed]) == [new, other]


def test_every_field_of_a_record_is_in_its_schema() -> None:
    schema = msgspec.json.schema(Record)
    assert set(schema["$defs"]["Record"]["properties"]) == {field.name for field in msgspec.structs.fields(Record)}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("accuracy", 0.5, "accuracy is not the share of correct answers"),
        ("parameters", -1.0, "parameters is not negative"),
    ],
)
def test_figures_that_cannot_be_are_refused(name: str, value: float, told: str) -> None:
    made = json.loads(msgspec.json.encode(factory.record(n_test=400)))
    made["measurements"] = [
        m | {"value": value, "low": value, "high": value} if m["name"] == name else m for m in made["measurements"]
    ]
    with pytest.raises(RecordError, match=told):
        upgrades.decode(json.dumps(made).encode(), Record, "some.json")


def test_cold_starts_of_before_schema_9_are_left_out() -> None:
    timing = timings.timed()
    names = {one.name for one in timing.measurements}
    old = store.encode(timing).replace(b'"schema":9', b'"schema":8', 1)
    found = upgrades.decode(old, Record, "here")
    assert {one.name for one in found.measurements} == names - {"load_ms", "cold_start_ms"}
    assert upgrades.decode(store.encode(timing), Record, "here") == timing
