"""What a suite file must not hold is refused with its line, and what it may hold becomes plain values."""

from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.planning.located_yaml import Located


def located(folder: Path, text: str) -> Located:
    path = folder / "mine.yaml"
    path.write_text(text)
    return Located(path)


def test_values_are_plain_ones(tmp_path: Path) -> None:
    found = located(tmp_path, "a: null\nb: [true, False]\nc: {d: 0x10, e: 1_000, f: 1.5e3}\ng: 2026-01-02\n")
    assert found.value == {"a": None, "b": [True, False], "c": {"d": 16, "e": 1000, "f": 1500.0}, "g": "2026-01-02"}


def test_a_value_without_a_line_has_that_of_what_holds_it(tmp_path: Path) -> None:
    found = located(tmp_path, "title: T\ntraining:\n  epochs: 3\n")
    assert (found.line("training", "epochs"), found.line("training", "rate"), found.line("seeds")) == (3, 2, 1)
    assert str(found.error("wrong", "training", "rate")) == f"{tmp_path / 'mine.yaml'}:2: wrong"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- a\n- b\n", 1, "a suite is a mapping that starts with"),
        ("a: 1\nb: 1.0e+999\n", 2, "1.0e+999 is not a finite number"),
        ("a: .inf\n", 1, "'.inf' is not a number"),
        ("a: !!int x\n", 1, "'x' is not a number"),
        ("a: 1\nb: !!python/object:os.system {}\n", 2, "python/object:os.system' is not read"),
        ("a: 1\nb: !mine x\n", 2, "the tag '!mine' is not read"),
        ("a: 1\n? [b, c]\n: 2\n", 2, "a key must be a word"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is there twice"),
        ("a: &x 1\n", 1, "anchors and aliases (&x) are not read"),
        ("a:\n\tb: 1\n", 2, "indent with spaces"),
        ("a: [1, 2\n", 2, "check indentation, quotes and brackets near there"),
    ],
)
def test_what_a_suite_must_not_hold_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(SuiteError) as caught:
        located(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")
    assert says in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match=r"mine\.yaml: not YAML"):
        Located(tmp_path / "mine.yaml")
