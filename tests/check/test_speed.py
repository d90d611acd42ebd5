"""Timings: slower ones are alarms, noise and slow days are none."""

from pathlib import Path
from typing import Any

import pytest
from comparing import compare, seeds
from factory import LATER, cell, replace
from timings import process, summary, timed

from bench.check import check, judge, render
from bench.records import Record


def test_a_timing_that_fails_is_an_alarm(old: Path, new: Path) -> None:
    lost = replace(timed(created=LATER), status="failed", runtime_packages=(), measurements=(), series=(), timings=())
    row = compare(new, old, [lost, *seeds(created=LATER)], [timed(), *seeds()]).rows[0]
    assert (row.metric, row.runtime, row.verdict) == ("status", "litert", "regressed")


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
