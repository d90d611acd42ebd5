"""Alarms: raised by real drops, silent on noise, and never cleared by a lack of data."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from comparing import again, compare, fill, only, seeds
from factory import LATER, cell, outcomes, record, regression, replace, unfinished

from bench.check import Report, check, render
from bench.errors import BenchError, NothingToCompare
from bench.records import Record


def test_a_drop_is_an_alarm(old: Path, new: Path) -> None:
    report = compare(new, old, seeds(accuracy=0.80, **again()), seeds(accuracy=0.92))
    row = only(report)
    assert (row.verdict, report.exit_code, row.metric, row.n) == ("regressed", 1, "accuracy", 3)
    assert row.low is not None
    assert row.high is not None
    assert row.low < -0.1 < row.high < 0


def test_a_gain_is_an_improvement(old: Path, new: Path) -> None:
    report = compare(new, old, seeds(accuracy=0.92, **again()), seeds(accuracy=0.80))
    assert (only(report).verdict, report.exit_code) == ("improved", 0)


def test_identical_outcomes_are_unchanged(old: Path, new: Path) -> None:
    report = compare(new, old, seeds(count=1, created=LATER), seeds(count=1), tolerance=0)
    assert only(report).verdict == "unchanged"


def test_seeds_that_come_out_as_they_did_are_unchanged_whatever_others_did(old: Path, new: Path) -> None:
    row = only(compare(new, old, seeds(count=1, created=LATER), seeds(count=5, n_test=1000)))
    assert (row.verdict, row.difference) == ("unchanged", 0)


def test_little_data_is_undecided_and_neither_raises_nor_clears(old: Path, new: Path) -> None:
    report = compare(new, old, seeds(n_test=60, **again()), seeds(n_test=60))
    assert (only(report).verdict, report.exit_code) == ("undecided", 0)
    assert check(new, old, strict=True).exit_code == 1


def test_tolerance_decides_what_counts_as_unchanged(old: Path, new: Path) -> None:
    after, before = seeds(n_test=20_000, accuracy=0.895, spread=0.0, **again()), seeds(n_test=20_000, spread=0.0)
    assert only(compare(new, old, after, before, tolerance=0.02)).verdict == "unchanged"
    assert only(check(new, old, tolerance=0.001)).verdict == "regressed"


def test_single_seeds_without_known_spread_are_undecided(old: Path, new: Path) -> None:
    row = only(compare(new, old, seeds(count=1, accuracy=0.7, **again()), seeds(count=1)))
    assert row.verdict == "undecided"
    assert "one seed" in row.reason


def test_single_seeds_borrow_the_spread_of_the_suite(old: Path, new: Path) -> None:
    others = [one for name in ("a", "b", "c") for one in seeds(cell(architecture=name))]
    report = compare(new, old, seeds(count=1, accuracy=0.7, **again()), [*seeds(count=1), *others])
    assert only(report).verdict == "regressed"


def test_folds_on_one_test_set_tell_a_spread(old: Path, new: Path) -> None:
    def runs(folds: int, **fields: Any) -> list[Record]:
        return [record(fold=fold, n_test=1000, test_fingerprint="published", **fields) for fold in range(folds)]

    assert only(compare(new, old, runs(1, accuracy=0.7, **again()), runs(3))).verdict == "regressed"


def test_other_test_sets_are_not_compared(old: Path, new: Path) -> None:
    before = [*seeds(), *seeds(cell(architecture="cnn"))]
    after = [*seeds(test_fingerprint="other", accuracy=0.5, **again()), *seeds(cell(architecture="cnn"), **again())]
    rows = {row.cell_id[:10]: row for row in compare(new, old, after, before).rows}
    assert rows["digits-mlp"].verdict == "undecided"
    assert "test sets differ" in rows["digits-mlp"].reason


def test_the_newest_execution_counts_on_both_sides(old: Path, new: Path) -> None:
    before = [*seeds(accuracy=0.5, created="2025-01-01T00:00:00Z"), *seeds()]
    after = [*seeds(accuracy=0.5, created="2025-01-01T00:00:00Z"), *seeds(created=LATER)]
    assert only(compare(new, old, after, before)).verdict == "unchanged"


def test_a_regression_task_is_judged_by_its_loss(old: Path, new: Path) -> None:
    before = [regression(loss=0.30 + 0.002 * seed, seed=seed) for seed in range(3)]
    after = [regression(loss=0.35 + 0.002 * seed, seed=seed, created=LATER) for seed in range(3)]
    row = only(compare(new, old, after, before))
    assert (row.metric, row.verdict, row.better) == ("loss", "regressed", "lower")


def test_a_new_failure_is_an_alarm_with_its_cause(old: Path, new: Path) -> None:
    after = [*seeds(created=LATER)[:2], unfinished(seed=2, created=LATER, status="timeout", message="after\n60 s")]
    report = compare(new, old, after, seeds())
    row = report.rows[0]
    assert (row.verdict, row.metric, report.exit_code) == ("regressed", "status", 1)
    assert row.reason == "timeout: seed 2: ValueError: after 60 s"


def test_a_failure_that_a_later_attempt_mended_is_none(old: Path, new: Path) -> None:
    after = [*(unfinished(seed=seed) for seed in range(3)), *seeds(created=LATER)]
    assert only(compare(new, old, after, seeds())).metric == "accuracy"


def test_records_without_counterpart_are_counted(old: Path, new: Path) -> None:
    report = compare(new, old, [*seeds(created=LATER), *seeds(cell(architecture="cnn"))], seeds())
    zero = {"regressed": 0, "acknowledged": 0, "undecided": 0, "improved": 0, "shown": 0}
    assert report.counts == {**zero, "unchanged": 1, "new": 3, "gone": 0}
    fill(old, seeds(cell(architecture="vit")))
    assert check(new, old).counts["gone"] == 3


@pytest.mark.parametrize("after", [[], seeds(cell(architecture="cnn"))])
def test_nothing_to_compare_is_never_a_pass(old: Path, new: Path, after: list[Record]) -> None:
    new.mkdir()
    with pytest.raises(NothingToCompare) as caught:
        compare(new, old, after, seeds())
    assert caught.value.exit_code == 3


def test_broken_records_are_named_and_cost_exit_code_4(old: Path, new: Path) -> None:
    fill(new, seeds(created=LATER))
    broken = new / "demo" / "cell" / "broken.json"
    broken.parent.mkdir()
    broken.write_text("{")
    report = compare(new, old, [], seeds())
    assert report.exit_code == 4
    assert str(broken) in render(report)
    fill(new, [unfinished(created="2027-01-01T00:00:00Z")])
    assert check(new, old).exit_code == 1


def test_false_alarms_are_rare_over_many_cells(old: Path, new: Path) -> None:
    grid = [cell(architecture=f"net{index}") for index in range(200)]
    before = [one for of in grid for one in seeds(of, n_test=400)]
    after = [one for of in grid for one in seeds(of, n_test=400, **again(network=f"again{of.architecture.name}"))]
    report = compare(new, old, after, before)
    assert len(report.rows) == 200
    assert report.counts["regressed"] + report.counts["improved"] <= 1


def test_a_drop_of_one_cell_among_fifty_is_found(old: Path, new: Path) -> None:
    grid = [cell(architecture=f"net{index}") for index in range(50)]
    before = [one for of in grid for one in seeds(of, n_test=2000)]
    after = [
        one
        for of in grid
        for one in seeds(
            of,
            n_test=2000,
            accuracy=0.84 if of is grid[7] else 0.9,
            **again(network=f"again{of.architecture.name}"),
        )
    ]
    report = compare(new, old, after, before)
    assert [row.cell_id.split("-")[1] for row in report.rows if row.verdict == "regressed"] == ["net7"]


def test_a_lucky_test_set_is_not_mistaken_for_a_gain(old: Path, new: Path) -> None:
    """Seeds that agree to the last example say nothing about other test examples."""
    before = outcomes(0.90, 100, spread=0.0)
    after = before.copy()
    after[(~before).nonzero()[0][:2]] = True
    row = only(compare(new, old, seeds(correct=after, created=LATER), seeds(correct=before)))
    assert row.verdict not in {"improved", "regressed"}


def test_a_class_that_is_lost_under_an_unchanged_accuracy_is_found(old: Path, new: Path) -> None:
    """The first class loses ten points, which the three others gain."""
    grid = [cell(architecture=f"net{index}") for index in range(10)]
    before = [one for of in grid for one in seeds(of, n_test=4000)]
    after = [one for of in grid for one in seeds(of, n_test=4000, **again(network=f"again{of.architecture.name}"))]
    report = compare(new, old, [moved(one) if one.cell == grid[3] else one for one in after], before)
    alerts = [(row.metric, row.class_name, row.cell_id.split("-")[1]) for row in report.rows if row.fails]
    assert alerts == [("recall", "zero", "net3")]
    assert {row.verdict for row in report.rows if row.metric == "accuracy"} <= {"unchanged", "undecided"}


def moved(made: Record) -> Record:
    """Return a record whose first class has lost a tenth of its examples, and whose others have gained as many."""
    right = np.unpackbits(np.frombuffer(made.correct or b"", np.uint8))
    first = np.flatnonzero(right[::4])[:100] * 4
    others = [index for index in np.flatnonzero(right == 0) if index % 4][:100]
    right[first], right[others] = 0, 1
    return record(made.cell, seed=made.seed, correct=right, created=LATER)


def test_exact_figures_are_alerts_beyond_the_tolerance(old: Path, new: Path) -> None:
    def grown(made: Record, size: float) -> Record:
        change = {"size_bytes": size, "parameters": 2212.0}
        return replace(
            made, measurements=tuple(replace(m, value=change.get(m.name, m.value)) for m in made.measurements)
        )

    after = [grown(one, 60_000) for one in seeds(created=LATER)]
    rows = {row.metric: row for row in compare(new, old, after, seeds()).rows}
    assert {name: row.verdict for name, row in rows.items()} == {"accuracy": "unchanged", "size_bytes": "regressed"}
    assert rows["size_bytes"].reason == "52,000 → 60,000"
    after = [grown(one, 52_100) for one in seeds(created=LATER)]
    assert compare(new / "b", old / "b", after, seeds()).exit_code == 0


def test_figures_are_gated_by_name(old: Path, new: Path) -> None:
    def worse(made: Record) -> Record:
        return replace(
            made,
            measurements=tuple(
                replace(m, value=0.2 + 0.001 * (made.seed or 0)) if m.name == "calibration_error" else m
                for m in made.measurements
            ),
        )

    fill(old, seeds())
    fill(new, [worse(one) for one in seeds(created=LATER)])
    assert check(new, old).exit_code == 0
    report = check(new, old, gates=["calibration_error", "f1"])
    assert [(row.metric, row.verdict) for row in report.rows] == [
        ("calibration_error", "regressed"),
        ("accuracy", "unchanged"),
        ("f1", "unchanged"),
    ]
    with pytest.raises(BenchError, match="not a figure that can be judged of any new record; did you mean 'f1'"):
        check(new, old, gates=["f2"])
    for name in ("latency_ms", "parameters", ""):
        with pytest.raises(BenchError, match="not a figure that can be judged"):
            check(new, old, gates=[name])


def test_a_row_says_what_it_would_have_seen_and_what_would_decide_it(old: Path, new: Path) -> None:
    grid = [cell(architecture=f"net{index}") for index in range(12)]
    before = [one for of in grid for one in seeds(of, 5, n_test=10_000)]
    after = [
        one
        for of in grid
        for one in seeds(of, 1, n_test=10_000, accuracy=0.895, **again(network=f"again{of.architecture.name}"))
    ]
    rows = compare(new, old, after, before).rows
    assert all(row.visible is not None and 0.002 < row.visible < 0.1 for row in rows)
    asked = [row for row in rows if row.more_seeds]
    assert asked
    assert all(row.verdict == "undecided" and f"{row.more_seeds} more seed" in row.reason for row in asked)


def test_the_report_reads_from_regressions_down_and_survives_json(old: Path, new: Path) -> None:
    other = cell(architecture="cnn")
    after = [*seeds(other, created=LATER), *seeds(accuracy=0.7, **again())]
    report = compare(new, old, after, [*seeds(), *seeds(other)])
    lines = render(report).splitlines()
    assert lines[0].startswith("regressed     demo  digits-mlp")
    assert lines[1].startswith("unchanged")
    counts = "1 regressed, 0 acknowledged, 0 undecided, 0 improved, 1 unchanged, 0 shown, 0 new, 0 gone"
    assert lines[-1].endswith(counts)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
