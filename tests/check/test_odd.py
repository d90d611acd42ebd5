"""Records that are legal and strange: a check, the pages and their ranks must not stumble over them."""

import warnings
from typing import Any

import numpy as np
import pytest
from factory import LATER, cell, provenance, record, regression, replace, suite_cell, suite_record, unfinished

from bench.check import Row, judge
from bench.records import Record
from bench.site import model


@pytest.fixture(autouse=True)
def _no_warning() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def runs(count: int = 3, architecture: str = "mlp", **fields: Any) -> list[Record]:
    return [record(cell(architecture=architecture), seed=seed, **{"n_test": 1000, **fields}) for seed in range(count)]


def again(count: int = 3, **fields: Any) -> list[Record]:
    return runs(count, **{"network": "again", "created": LATER, **fields})


def with_figure(made: Record, name: str, **fields: Any) -> Record:
    return replace(made, measurements=tuple(replace(m, **fields) if m.name == name else m for m in made.measurements))


def alarms(rows: list[Row]) -> list[tuple[str, str | None]]:
    return [(row.metric, row.class_name) for row in rows if row.fails]


def commits(level: Any, count: int = 12, **fields: Any) -> list[Record]:
    """Return a history: three seeds a commit, whose accuracy `level` says."""
    return [
        replace(made, provenance=provenance(commit=f"{i:07}"))
        for i in range(count)
        for made in runs(accuracy=level(i), network=f"{i}", created=f"2026-03-{i + 1:02}T00:00:00Z", **fields)
    ]


def test_a_failed_run_at_the_end_of_a_slide_is_told() -> None:
    old = commits(lambda i: 0.95 - 0.02 * i)
    new = [replace(unfinished(created="2026-04-01T00:00:00Z"), provenance=provenance(commit="new"))]
    assert alarms(judge(new, old)) == [("status", None)]


def test_a_history_of_other_sizes_or_without_sizes_slides_nowhere() -> None:
    sizes = commits(lambda _: 0.9)
    shrunk = [
        replace(made, data=replace(made.data, test_fingerprint="x" * 16))
        for i in range(8)
        for made in runs(n_test=2000 - 8 * i, network=f"{i}", created=f"2026-03-{i + 1:02}T00:00:00Z")
        if made.data
    ]
    unsized = [with_figure(made, "accuracy", n=None) if made.created > "2026-03-09" else made for made in sizes]
    for history in (shrunk, unsized):
        assert alarms(judge(history[-3:], history[:-3])) == []


def test_derived_and_trained_networks_have_histories_of_their_own() -> None:
    trained = commits(lambda _: 0.85, 8)
    derived = [replace(made, node="derive") for made in commits(lambda _: 0.95, 5)]
    assert alarms(judge(trained[-3:], [*trained[:-3], *derived])) == []


def test_classes_are_compared_on_common_test_sets_alone() -> None:
    old = runs()
    right = np.tile([False, True, True, True], 250)
    other = [record(seed=seed, fold=1, correct=right, created=LATER) for seed in range(8)]
    rows = judge([replace(old[0], created=LATER), *other], old)
    assert alarms(rows) == []


def test_other_classes_are_no_classes_to_compare() -> None:
    def three(made: Record) -> Record:
        assert made.data is not None
        data = replace(made.data, classes=("a", "b", "c"), class_counts={})
        return replace(made, data=data, confusion=[[250, 0, 0], [0, 250, 0], [0, 100, 400]])

    assert {row.class_name for row in judge(again(), [three(one) for one in runs()])} == {None}


@pytest.mark.parametrize("without", [0, 1, 2])
def test_a_row_without_outcomes_is_ranked(without: int) -> None:
    names = ("mlp", "cnn", "vit")
    made = [
        replace(one, correct=None) if i == without else one
        for i, name in enumerate(names)
        for one in runs(architecture=name, accuracy=0.9 - 0.1 * i)
    ]
    suite = suite_record([suite_cell(cell(architecture=name)) for name in names])
    (board,) = model.view(suite, made).boards
    assert list(board.ranks.values()) == ["1", "2", "3"]
    assert all(row.score and row.score.high is not None and row.score.high <= 1 for row in board.rows)


def test_equal_means_of_other_runs_are_told_what_would_tell() -> None:
    def side(*right: int, **fields: Any) -> list[Record]:
        return [record(seed=i, correct=np.arange(300) < n, **fields) for i, n in enumerate(right)]

    (row,) = [row for row in judge(side(240, 250, 260, created=LATER), side(260, 250, 240)) if row.metric == "accuracy"]
    assert row.difference == 0
    assert row.visible is not None


def test_losses_without_any_spread_differ_for_sure() -> None:
    old, new = (
        [regression(loss=loss, seed=seed, created=created) for seed in range(3)]
        for loss, created in ((0.3, LATER), (0.9, LATER))
    )
    assert alarms(judge(new, old)) == [("loss", None)]
    assert alarms(judge(old, old)) == []


@pytest.mark.parametrize("loss", [1e-200, 0.0, 1e100, -1e100, 1e-30])
def test_losses_of_any_size_are_compared(loss: float) -> None:
    def side(scale: float) -> list[Record]:
        made = [regression(loss=0.3, seed=seed) for seed in range(3)]
        return [with_figure(one, "loss", value=loss * (1 + scale * (one.seed or 0))) for one in made]

    others = [regression(cell(architecture="cnn"), loss=0.3 + 0.01 * seed, seed=seed) for seed in range(3)]
    rows = judge([*side(0.1), *others], [*side(0.2), *others])
    assert {row.metric for row in rows} >= {"loss"}


def test_spreads_of_all_sizes_and_a_single_seed_end_in_no_overflow() -> None:
    def spread(name: str, size: float, count: int = 3) -> list[Record]:
        return [regression(cell(architecture=name), loss=1 + size * seed, seed=seed) for seed in range(count)]

    cells = [one for j in range(6) for one in spread(f"net{j}", 10.0 ** (3 - j))]
    alone = [regression(cell(architecture="alone"), loss=loss, seed=0) for loss in (1.0, 2.0)]
    assert judge([alone[1], *cells], [alone[0], *cells])


@pytest.mark.parametrize("n_test", [1, 2, 3])
def test_test_sets_of_an_example_or_two_are_compared(n_test: int) -> None:
    def small(made: Record) -> Record:
        assert made.data is not None
        accuracy = replace(made.measurements[0], value=1.0, n=n_test)
        right = np.packbits(np.ones(n_test, bool)).tobytes()
        data = replace(made.data, n_test=n_test)
        return replace(made, data=data, correct=right, measurements=(accuracy,), confusion=None)

    old, new = ([small(one) for one in side] for side in (runs(), again()))
    assert judge(new, old)
    suite = suite_record([suite_cell(cell(architecture=name)) for name in ("mlp", "cnn")])
    assert model.view(suite, [*old, *(small(one) for one in runs(architecture="cnn"))]).boards


def test_a_perfect_score_on_an_endless_test_set_is_compared() -> None:
    made = [with_figure(one, "accuracy", value=1.0, n=2**53) for one in runs(correct=np.ones(1000, bool))]
    assert judge(made, made)


def test_one_cell_without_spread_leaves_the_others_theirs() -> None:
    cells = [f"net{i}" for i in range(12)]
    old, new = ([one for name in cells for one in side(architecture=name)] for side in (runs, again))
    fixed = [record(cell(architecture="fixed"), seed=seed, correct=np.arange(1000) < 900) for seed in range(3)]
    widths = []
    for extra in ([], fixed):
        rows = judge([*new, *extra], [*old, *extra])
        row = next(row for row in rows if "net3" in row.cell_id)
        assert row.high is not None
        assert row.low is not None
        widths.append(row.high - row.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.3)


def test_figures_that_count_no_answers_have_no_floor() -> None:
    def side(value: float, created: str) -> list[Record]:
        return [with_figure(one, "roc_auc", value=value + 1e-5 * (one.seed or 0)) for one in runs(created=created)]

    rows = judge(side(0.978, LATER), side(0.990, LATER), gates=["roc_auc"])
    assert alarms(rows) == [("roc_auc", None)]


def test_a_run_that_was_made_anew_in_the_baseline_proves_nothing_by_its_older_record() -> None:
    old = runs(created=LATER)
    new = [*runs(), *(unfinished(seed=seed, created="2026-03-01T00:00:00Z") for seed in range(3))]
    assert {row.metric for row in judge(new, old)} == {"status"}
