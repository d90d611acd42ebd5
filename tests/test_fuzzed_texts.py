"""Suites, expressions, plugins and records of any content: what comes out is one line, or sound."""

import json
from pathlib import Path

import factory
import pytest
from conftest import ROOT
from damage import EDITS, Edit, damaged, fuzz
from hypothesis import example, given
from hypothesis import strategies as st

from bench import export, store
from bench.cards import read_card
from bench.catalog import Catalog, parse_call
from bench.errors import BenchError, PluginError, SuiteError
from bench.planning import suite as suites
from bench.query import Query, fields_of
from bench.records import Record

CATALOG = Catalog()
SUITES = [path.read_bytes() for path in sorted((ROOT / "suites").glob("*.yaml"))]
PLUGINS = [
    path.read_bytes()
    for kind in ("architectures", "techniques")
    for path in sorted((ROOT / "bench" / kind).glob("[a-z]*.py"))
]
WORDS = [
    "seed",
    "=",
    "!=",
    "<",
    "in",
    "not",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    "0",
    "1.5",
    "recipe",
    "'a*'",
    "mlp(width=3)",
]
WORDS += [
    "None",
    "lambda",
    "x",
    ",",
    ":",
    "{",
    "}",
    "**",
    "%",
    "\\",
    "'",
    "#",
    "\n",
    "é",
    "\0",
    "9" * 5000,
    "fold",
    "-1",
]
EXPRESSIONS = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=40)
CALLS = st.lists(
    st.sampled_from(["mlp", "(", ")", "width", "=", "3", ",", "[", "]", "{", "}", "'", "1e999", "-", "*", "lambda: 0"]),
    max_size=14,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def one_line(error: BenchError, begins: str = "") -> None:
    assert str(error).startswith(begins)
    assert len(str(error)) < 100_000


@given(st.sampled_from(SUITES), EDITS)
@example(b"title: T\ndatasets: [digits]\narchitectures: [mlp]\nseeds: [4294967296]\n", [])
@example(b"title: \xff", [])
@example(b"title: T\ndatasets: [digits]\narchitectures: [mlp]\ntraining: {epochs: [1, 1.0]}\n", [])
@example(b"? [a]\n: b\n", [])
@example(b"a: &x [*x]\n", [])
@example(b"%YAML 9.9\n---\na: b\n", [])
@fuzz(300)
def test_suites(place: Path, text: bytes, edits: list[Edit]) -> None:
    path = place / "mine.yaml"
    path.write_bytes(damaged(text, edits))
    try:
        found = suites.read(path, CATALOG)
    except SuiteError as error:
        one_line(error, str(path))
    else:
        assert found.cells


@given(EXPRESSIONS)
@example("not " * 2000 + "seed=0")
@example("seed in [" + "(" * 90 + "0" + ")" * 90 + "]")
@example("seed=" + "-" * 3000 + "1")
@example("a.b=c")
@example("seed=1 if seed else 2")
@example("recipe=b'a'")
@example("seed<'a'")
@example("seed=1j")
@fuzz(400)
def test_expressions(text: str) -> None:
    row = factory.suite_cell(factory.cell())
    try:
        Query(text).matches(fields_of(row, 0, 0))
    except SuiteError as error:
        one_line(error)


@given(CALLS.map(" ".join) | st.text(max_size=30))
@example("mlp(width={[]: 1})")
@example("mlp(width=" + "(" * 500 + ")" * 500 + ")")
@example("mlp(width=9" + "9" * 5000 + ")")
@example("mlp(width=1e999)")
@example("mlp(width=2**64)")
@example("mlp(width=18446744073709551616)")
@fuzz(300)
def test_calls(text: str) -> None:
    try:
        parse_call(text)
        CATALOG.resolve("architectures", text)
    except PluginError as error:
        one_line(error)


@given(st.sampled_from(PLUGINS), EDITS)
@example(b"TASKS = {[]: 1}\ndef build(inputs, outputs): ...\n", [])
@example(b"def build(inputs, outputs, *, a: 'x y' = 1): ...\n", [])
@fuzz(200)
def test_plugins(place: Path, text: bytes, edits: list[Edit]) -> None:
    path = place / "mine.py"
    path.write_bytes(damaged(text, edits))
    for kind in ("architectures", "techniques"):
        read_card.cache_clear()
        try:
            read_card(kind, path)
        except PluginError as error:
            one_line(error)


RECORD = json.loads(store.encode(factory.record()))
ODD = [None, True, "", "\0", "../x", "x" * 3000, -1, 2**64, 1e308, 5e-324, [], {}, [[]], {"": None}, ["a", 1]]


def places(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return where anything stands in JSON data."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inside for place in places(one, (*at, key)))]


def replaced(value: object, at: tuple[str | int, ...], new: object) -> object:
    if not at:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)  # type: ignore[call-overload]
    copied[at[0]] = replaced(copied[at[0]], at[1:], new)
    return copied


@given(st.sampled_from(places(RECORD)[1:]), st.sampled_from(ODD))
@fuzz(400)
def test_records_of_odd_content(
    tmp_path_factory: pytest.TempPathFactory, at: tuple[str | int, ...], new: object
) -> None:
    folder = tmp_path_factory.mktemp("results")
    (folder / "demo" / "cell").mkdir(parents=True)
    (folder / "demo" / "cell" / "odd.json").write_text(json.dumps(replaced(RECORD, at, new)))
    reading = store.read(folder)
    assert len(reading.records) + len(reading.problems) == 1
    assert len(reading.problems) >= len(store.headers(folder)[1]), "planning reads less of it"
    if reading.records:
        assert len(export.read(folder)) == len(reading.records[0].measurements) or not reading.records[0].measurements


@given(EDITS)
@fuzz(200)
def test_damaged_records(place: Path, edits: list[Edit]) -> None:
    path = place / "record.json"
    path.write_bytes(damaged(store.encode(factory.record()), edits))
    try:
        store.read_file(path, Record)
    except BenchError as error:
        one_line(error, str(path))
