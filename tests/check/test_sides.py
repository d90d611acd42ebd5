"""What is new, and what the baseline: folders, and revisions of git."""

import os
import subprocess
from pathlib import Path

import pytest
from comparing import again, fill, only, seeds
from factory import LATER, cell, suite_cell, suite_record

from bench import store
from bench.check import check
from bench.errors import BenchError, NothingToCompare


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
