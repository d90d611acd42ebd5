"""Records: identity, reading of old and broken ones, writing that is never half done."""

import json
from pathlib import Path

import factory
import msgspec
import pytest

from bench import records, store
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
    record = records.decode(GOLDEN.read_bytes(), Record, str(GOLDEN))
    assert record.status == "finished"
    assert record.value("accuracy", split="test") is not None
    assert cell_id(record.cell) == record.cell_id, "the cell's hash has changed: raise CELL_HASH"


def test_a_newer_record_is_refused_by_name() -> None:
    text = json.dumps(json.loads(GOLDEN.read_text()) | {"schema": records.SCHEMA + 1}).encode()
    with pytest.raises(RecordError, match=r"some\.json: written with schema 3, this bench reads up to 2; update bench"):
        records.decode(text, Record, "some.json")


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
