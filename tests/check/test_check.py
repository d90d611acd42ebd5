"""Alarms: raised by real drops, silent on noise, and never cleared by a lack of data."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from factory import (
    LATER,
    cell,
    outcomes,
    process,
    record,
    regression,
    replace,
    suite_cell,
    suite_record,
    summary,
    timed,
    unfinished,
)

from bench import store
from bench.check import Report, Row, check, judge, render
from bench.check.slides import History
from bench.errors import BenchError, NothingToCompare
from bench.records import Cell, Record


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


def fill(folder: Path, found: Iterable[Record]) -> None:
    for one in found:
        store.write(folder, one)


def seeds(of: Cell | None = None, count: int = 3, **fields: Any) -> list[Record]:
    return [record(of, seed=seed, **{"n_test": 1000, **fields}) for seed in range(count)]


def compare(new: Path, old: Path, after: Sequence[Record], before: Sequence[Record], **options: float) -> Report:
    fill(old, before)
    fill(new, after)
    return check(new, old, **options)


def only(report: Report) -> Row:
    (row,) = report.rows
    return row


def again(**fields: Any) -> dict[str, Any]:
    """Return fields of an execution whose noise is drawn anew."""
    return {"network": "again", "created": LATER, **fields}


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


def test_a_timing_that_fails_is_an_alarm(old: Path, new: Path) -> None:
    lost = replace(timed(created=LATER), status="failed", runtime_packages=(), measurements=(), series=(), timings=())
    row = compare(new, old, [lost, *seeds(created=LATER)], [timed(), *seeds()]).rows[0]
    assert (row.metric, row.runtime, row.verdict) == ("status", "litert", "regressed")


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


@pytest.mark.parametrize(
    ("p50_ms", "verdict"), [(1.0, "unchanged"), (1.05, "unchanged"), (1.1, "regressed"), (0.5, "improved")]
)
def test_speed(old: Path, new: Path, p50_ms: float, verdict: str) -> None:
    report = compare(new, old, [timed(p50_ms=p50_ms, created=LATER, batch_sizes=(1,))], [timed(batch_sizes=(1,))])
    found = {row.metric: row.verdict for row in report.rows}
    assert found == {"latency_ms": verdict, "throughput": verdict}


def sampled(p50_ms: float, processes: int = 5, **fields: Any) -> Record:
    """Return a `measure` record of which the figures are summarized from calls, as a real one's are."""
    calls = [[p50_ms * (1 + 0.01 * process)] * 20 for process in range(processes)]
    made, found = timed(batch_sizes=(1,), **fields), summary([process(each) for each in calls])
    return replace(made, measurements=found.measurements, series=found.series, timings=found.timings)


@pytest.mark.parametrize(("p50_ms", "verdict"), [(1.0, "unchanged"), (1.5, "regressed"), (0.5, "improved")])
def test_figures_that_a_measurement_leaves_are_judged(old: Path, new: Path, p50_ms: float, verdict: str) -> None:
    report = compare(new, old, [sampled(p50_ms, created=LATER)], [sampled(1.0)])
    assert {row.metric: row.verdict for row in report.rows} == {"latency_ms": verdict, "throughput": verdict}


def test_processes_that_disagree_leave_a_timing_undecided(old: Path, new: Path) -> None:
    before, after = timed(width=0.2, batch_sizes=(1,)), timed(p50_ms=1.08, width=0.2, batch_sizes=(1,), created=LATER)
    row = next(row for row in compare(new, old, [after], [before]).rows if row.metric == "latency_ms")
    assert (row.verdict, "--remeasure" in row.reason) == ("undecided", True)


def test_the_few_processes_of_a_smoke_profile_are_not_judged(old: Path, new: Path) -> None:
    before, after = timed(profile="smoke"), timed(p50_ms=3, profile="smoke", created=LATER)
    report = compare(new, old, [after, *seeds(created=LATER)], [before, *seeds()])
    assert {row.verdict for row in report.rows if row.node == "measure"} == {"shown"}
    assert check(new, old, strict=True).exit_code == 0
    assert render(report).count("smoke") == 1


def many(p50_ms: float, **fields: Any) -> list[Record]:
    return [timed(cell(architecture=f"a{i}"), p50_ms=p50_ms, batch_sizes=(1,), **fields) for i in range(20)]


def test_a_slow_day_of_the_machine_is_no_alarm(old: Path, new: Path) -> None:
    before, after = many(1.0, sitting="monday"), many(1.12, sitting="friday", created=LATER)
    assert {row.verdict for row in compare(new, old, after, before).rows} == {"undecided"}
    in_turns = [replace(one, sitting="monday") for one in after]
    assert {row.verdict for row in compare(new / "t", old / "t", in_turns, before).rows} == {"regressed"}


def test_timings_that_were_taken_again_hide_no_others() -> None:
    before, after = many(1.0), many(1.5, created=LATER)
    rows = judge(after, before, timings=([many(1.0, created=LATER)[0]], [before[0]]))
    verdicts = {(row.cell_id, row.metric): row.verdict for row in rows}
    assert len(verdicts) == 40
    assert {verdict for (cell_id, _), verdict in verdicts.items() if cell_id == before[0].cell_id} == {"unchanged"}
    assert {verdict for (cell_id, _), verdict in verdicts.items() if cell_id != before[0].cell_id} != {"unchanged"}


def test_timings_that_took_turns_are_surer_than_those_of_two_sittings(old: Path, new: Path) -> None:
    after, before = timed(sitting="a", created=LATER, batch_sizes=(1,)), timed(sitting="b", batch_sizes=(1,))
    apart = compare(new, old, [after], [before]).rows[0]
    together = compare(new / "t", old / "t", [after], [replace(before, sitting="a")]).rows[0]
    assert apart.high is not None
    assert together.high is not None
    assert together.high < 0.8 * apart.high


def test_latency_needs_equal_hardware(old: Path, new: Path) -> None:
    before = [timed(created="2025-01-01T00:00:00Z", hardware="hw-b"), *seeds()]
    report = compare(new, old, [timed(p50_ms=9, created=LATER), *seeds(created=LATER)], before)
    row = next(row for row in report.rows if row.metric == "latency_ms")
    assert row.verdict == "undecided"
    assert row.reason.startswith("measured on other hardware or versions: hw-a")


def test_a_later_record_of_other_hardware_hides_no_baseline(old: Path, new: Path) -> None:
    before = [timed(), timed(hardware="hw-b", p50_ms=50, created="2026-01-15T00:00:00Z")]
    report = compare(new, old, [timed(created=LATER)], before)
    assert {row.verdict for row in report.rows} == {"unchanged"}


def test_only_valid_timings_count(old: Path, new: Path) -> None:
    shaky = timed(p50_ms=9, created=LATER, validity="unstable", reasons=("the clock drifted",))
    report = compare(new, old, [shaky, *seeds(created=LATER)], [timed(), *seeds()])
    doubted = [row for row in report.rows if row.metric == "latency_ms"]
    assert {row.verdict for row in doubted} == {"undecided"}
    assert doubted[0].reason == "new timing: unstable: the clock drifted"


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


def history(commits: int, loss: float) -> list[list[Record]]:
    """Return the records of commit after commit; one cell of six loses `loss` with each of the last ten."""
    grid = [cell(architecture=f"net{index}") for index in range(6)]
    return [
        [
            replace(made, provenance=replace(made.provenance, commit=f"{commit:07}"))
            for of in grid
            for made in seeds(
                of,
                n_test=4000,
                accuracy=0.9 - (loss * max(0, commit - commits + 10) if of is grid[2] else 0),
                network=f"{of.architecture.name} {commit}",
                created=f"2026-03-{commit + 1:02}T00:00:00Z",
            )
        ]
        for commit in range(commits)
    ]


def test_a_slide_over_many_commits_names_between_which_it_happened(old: Path, new: Path) -> None:
    *before, after = history(16, 0.004)
    report = compare(new, old, after, [one for commit in before for one in commit])
    slid = [row for row in report.rows if row.metric == "slide"]
    assert [row.cell_id.split("-")[1] for row in slid] == ["net2"]
    first, last = re.findall(r"commit (\d+) to (\d+)", slid[0].reason)[0]
    assert 3 <= int(first) < int(last) <= 15
    assert slid[0].fails


def test_a_steady_history_slides_nowhere(old: Path, new: Path) -> None:
    *before, after = history(12, 0.0)
    report = compare(new, old, after, [one for commit in before for one in commit])
    assert {row.metric for row in report.rows} == {"accuracy"}


def test_networks_that_were_not_made_anew_say_nothing_new(old: Path, new: Path) -> None:
    first, *_ = history(1, 0.0)
    again_and_again = [
        [replace(one, provenance=replace(one.provenance, commit=f"{commit:07}")) for one in first]
        for commit in range(9)
    ]
    assert all(len(History(commit).points) == 1 for commit in again_and_again)
    cell_runs = [one for commit in again_and_again for one in commit if one.cell_id == first[0].cell_id]
    assert len(History(cell_runs).points) == 1


def git(folder: Path, *arguments: str) -> None:
    who = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who |= {f"GIT_{role}_{field}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env=os.environ | who)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with three committed runs in `a folder/results`."""
    git(tmp_path, "init", "-q")
    results = tmp_path / "a folder" / "results"
    fill(results, seeds(accuracy=0.92))
    store.write_suite(results, suite_record([suite_cell(cell(), label="the label")]))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "baseline")
    return results


def test_a_revision_is_compared_with_the_files_that_it_lacks(repository: Path) -> None:
    with pytest.raises(NothingToCompare, match="no new records"):
        check(repository)
    fill(repository, seeds(accuracy=0.80, **again()))
    row = only(check(repository))
    assert (row.verdict, row.label, row.old and row.old.n) == ("regressed", "the label", 3)


def test_the_baseline_is_what_git_holds_even_if_the_files_are_gone(repository: Path) -> None:
    for path in repository.glob("*/*/*.json"):
        path.unlink()
    fill(repository, seeds(accuracy=0.80, **again()))
    assert only(check(repository, "HEAD")).verdict == "regressed"


def test_records_that_were_changed_or_deleted_are_told(repository: Path) -> None:
    changed, deleted, _ = sorted(repository.glob("*/*/*.json"))
    changed.write_text(changed.read_text() + " ")
    deleted.unlink()
    with pytest.raises(NothingToCompare, match=r"1 of its records are gone; 1 broken .*differs from HEAD"):
        check(repository)
    fill(repository, seeds(accuracy=0.92, created=LATER))
    report = check(repository)
    assert (report.exit_code, report.counts["gone"]) == (4, 1)


def test_a_broken_record_in_the_baseline_is_named(repository: Path) -> None:
    broken = repository / "demo" / "cell" / "x.json"
    broken.parent.mkdir()
    broken.write_text("{")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "break")
    fill(repository, seeds(created=LATER, accuracy=0.92))
    assert any("HEAD:demo/cell/x.json" in problem for problem in check(repository).problems)


@pytest.mark.parametrize("revision", ["no-such-branch", "--help", "HEAD~99"])
def test_an_unknown_revision_is_one_line_with_its_cure(repository: Path, revision: str) -> None:
    with pytest.raises(BenchError, match="neither a folder nor a revision") as caught:
        check(repository, revision)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_results_outside_any_repository_need_a_folder(new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(new.parent))
    fill(new, seeds())
    with pytest.raises(BenchError, match="name a folder of results"):
        check(new)


def test_missing_and_identical_folders_are_refused(new: Path) -> None:
    with pytest.raises(BenchError, match="no such folder"):
        check(new)
    fill(new, seeds())
    with pytest.raises(BenchError, match="the results folder itself"):
        check(new, new)


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
