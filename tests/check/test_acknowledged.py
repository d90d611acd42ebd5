"""Alerts that may stand for a while do not fail a check; an entry that outlives its alert does."""

from pathlib import Path

import pytest
from factory import LATER, cell, record

from bench import store
from bench.check import Report, check
from bench.errors import BenchError
from bench.records import cell_id


def entry(of: str = "mlp", what: str = "accuracy", until: str = "2999-01-31") -> str:
    name = cell_id(cell(architecture=of))
    return f"  - cell: {name}\n    what: {what}\n    reason: half the time is worth it\n    until: {until}\n"


def judged(tmp_path: Path, *entries: str, loss: float = 0.2, header: str = "acknowledged:\n") -> Report:
    """Return a check of two cells of which one has lost, with these entries at hand."""
    old, new = tmp_path / "old", tmp_path / "new"
    for architecture, lost in (("mlp", loss), ("cnn", 0.0)):
        for seed in range(3):
            of = cell(architecture=architecture)
            fields = {"seed": seed, "n_test": 1000, "network": architecture}
            store.write(old, record(of, **fields))
            store.write(new, record(of, **fields, accuracy=0.9 - lost, created=LATER))
    path = tmp_path / "acknowledged.yaml"
    path.write_text(header + "".join(entries))
    return check(new, old, accepted=path)


def test_an_acknowledged_alert_does_not_fail(tmp_path: Path) -> None:
    report = judged(tmp_path, entry())
    assert (report.exit_code, report.counts["regressed"], report.counts["acknowledged"]) == (0, 0, 1)
    assert report.rows[0].acknowledged == "half the time is worth it"


@pytest.mark.parametrize(
    ("entries", "loss", "told"),
    [
        ([entry(until="2020-01-31")], 0.2, "ran out on 2020-01-31; renew it or delete it"),
        ([entry()], 0.0, "answers to no alert; delete it"),
        ([entry(), entry("cnn")], 0.2, "answers to no alert; delete it"),
        ([entry("vit")], 0.0, "answers to no alert; delete it"),
    ],
)
def test_what_has_run_out_or_answers_to_nothing_fails(
    tmp_path: Path, entries: list[str], loss: float, told: str
) -> None:
    report = judged(tmp_path, *entries, loss=loss)
    assert report.exit_code == 1
    assert [told in fault for fault in report.faults] == [True]
    assert report.faults[0].startswith(f"{tmp_path}/acknowledged.yaml:")


def test_a_cell_that_this_check_does_not_compare_keeps_its_entry(tmp_path: Path) -> None:
    store.write(tmp_path / "old", record(cell(architecture="vit")))
    assert judged(tmp_path, entry("vit"), loss=0.0).exit_code == 0


@pytest.mark.parametrize(
    ("header", "entries", "told"),
    [
        ("", ["- cell: a\n"], ":1: must be a mapping that starts with 'acknowledged:'"),
        ("known:\n", [entry()], ":1: must be a mapping that starts with 'acknowledged:'"),
        ("acknowledged:\n", ["  - cell: a\n    what: accuracy\n    reason: b\n"], ":2: Object missing required field"),
        ("acknowledged:\n", [entry(until="soon")], ":2: Invalid RFC3339|:2: Invalid"),
        ("acknowledged:\n", [entry().replace("half the time is worth it", "''")], ":2: Expected `str` of length >= 1"),
        ("acknowledged:\n", [entry() + "    who: me\n"], ":2: Object contains unknown field `who`"),
        ("acknowledged:\n", ["  - [1, 2\n"], "broken YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, header: str, entries: list[str], told: str) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        judged(tmp_path, *entries, header=header)
    assert "\n" not in str(caught.value)
