"""Losses that are spread over many commits."""

import re
from pathlib import Path

from comparing import compare, seeds
from factory import cell, replace

from bench.check.slides import History
from bench.records import Record


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
