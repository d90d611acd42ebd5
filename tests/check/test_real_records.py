"""The committed records, held against themselves: nothing has changed, so nothing may be alarmed; a real loss is."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from factory import replace

from bench import store
from bench.check import Row, judge
from bench.records import Record

RESULTS = Path(__file__).parents[2] / "results"
SUITES = ("digits", "mnist", "tables")


@cache
def recorded(suite: str) -> tuple[Record, ...]:
    """Return the newest finished record of each node of a suite."""
    return tuple(store.newest([one for one in store.read(RESULTS).records if one.suite == suite]))


def alarms(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.verdict == "regressed"]


@pytest.mark.parametrize("suite", SUITES)
def test_records_held_against_themselves_are_unchanged(suite: str) -> None:
    found = recorded(suite)
    rows = [row for row in judge(found, found) if row.metric in {"accuracy", "loss"}]
    assert rows
    assert {row.verdict for row in rows} == {"unchanged"}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("left", [0, 1, 2])
def test_one_seed_held_against_the_others_raises_no_alarm(suite: str, left: int) -> None:
    found = recorded(suite)
    rows = judge([one for one in found if one.seed == left], [one for one in found if one.seed not in {left, None}])
    assert [row for row in rows if row.metric in {"accuracy", "loss"}]
    assert alarms(rows) == []


def test_an_answer_in_a_hundred_that_is_lost_on_mnist_is_found() -> None:
    found = recorded("mnist")
    cell = next(one.cell_id for one in found if one.node == "train" and one.cell.architecture.name == "lenet5")
    rows = judge([spoiled(one) if one.cell_id == cell else one for one in found], found)
    assert {(row.cell_id, row.metric) for row in alarms(rows)} == {(cell, "accuracy")}
    assert alarms(rows)[0].difference == pytest.approx(-0.01, abs=1e-4)


def spoiled(made: Record) -> Record:
    """Return a record that has lost one right answer in a hundred, the same of every seed."""
    if made.correct is None or made.data is None:
        return made
    right = np.unpackbits(np.frombuffer(made.correct, np.uint8), count=made.data.n_test)
    lost = np.random.default_rng(0).permutation(made.data.n_test)[: made.data.n_test // 100]
    right[lost] = 0
    value = float(right.mean())
    measured = tuple(replace(m, value=value) if m.name == "accuracy" else m for m in made.measurements)
    return replace(made, correct=np.packbits(right).tobytes(), measurements=measured, confusion=None)
