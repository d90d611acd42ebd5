"""Whatever becomes of a plugin's process leaves a record or one line; nothing hangs, nothing finished is lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, command
from fault_kinds import ENDS

from bench import store

pytestmark = pytest.mark.slow
SUITE = """
title: Mine
datasets: {datasets}
architectures: [perceptron]
recipes: {recipes}
training: {{epochs: 2}}
seeds: [0]
threads: 1
measure: {{profile: smoke, batch_sizes: [1], runtimes: {runtimes}}}
"""


@pytest.fixture(params=["disk", "small disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder, which may lie on a disk of its own that can be filled and made read-only."""
    small = tmp_path / "small"
    small.mkdir()
    if request.param == "small disk":
        words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(small)]
        if os.getuid() or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("nothing can be mounted here")
    yield small
    if request.param == "small disk":
        subprocess.run(["umount", "-l", str(small)], check=True)


def kinds(place: Path) -> list[str]:
    return [kind for kind in ENDS if os.path.ismount(place) == (kind in {"full", "read_only"}) or kind == "none"]


def run(place: Path, tmp_path: Path, *words: str, **parts: object) -> subprocess.CompletedProcess[str]:
    """Run a suite with faulty parts; extra words, such as a time limit, take the worker without TensorFlow."""
    (place / "suites").mkdir()
    text = SUITE.format(**{"datasets": ["faulty(kind='none')"], "recipes": {"baseline": []}, "runtimes": []} | parts)
    (place / "suites" / "mine.yaml").write_text(text)
    (tmp_path / "faults").mkdir()
    modules = {"worker": "fake_worker", "timer": "fake_worker"} if words else {}
    done = subprocess.run(
        command("run", "mine", "--workers", "2", "--plugins", str(ROOT / "tests" / "faulty"), *words, **modules),
        cwd=place,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "SMALL_DISK": str(place), "BENCH_HOME": "home"}
        | {"FAULTS": str(tmp_path / "faults"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.glob("__autograph*")), "temporary files go with the run"
    return done


def check(found: dict[str, tuple[str, str]], wanted: list[str]) -> None:
    assert found.keys() == set(wanted)
    for kind, (status, message) in found.items():
        assert status == ENDS[kind][0], (kind, status, message)
        assert ENDS[kind][1] in message, (kind, message)


def outcome(record: store.Record) -> tuple[str, str]:
    return record.status, record.error.message if record.error else ""


def test_in_training(place: Path, tmp_path: Path) -> None:
    recipes = {kind: [f"faulty(kind='{kind}')"] for kind in kinds(place)}
    run(place, tmp_path, recipes=recipes)
    records = store.read(place / "results").records
    check({str(one.cell.techniques[0].parameters["kind"]): outcome(one) for one in records}, kinds(place))


def test_in_loading(place: Path, tmp_path: Path) -> None:
    datasets = [f"faulty(kind='{kind}', at=2)" for kind in kinds(place)]
    run(place, tmp_path, datasets=datasets)
    records = store.read(place / "results").records
    check({str(one.cell.dataset.parameters["kind"]): outcome(one) for one in records}, kinds(place))


def test_in_measuring(place: Path, tmp_path: Path) -> None:
    runtimes = [f"faulty(kind='{kind}')" for kind in kinds(place)]
    run(place, tmp_path, runtimes=runtimes)
    records = store.read(place / "results").records
    assert [one.status for one in records if one.node == "train"] == ["finished"]
    timed = {str(one.measure.runtime.parameters["kind"]): outcome(one) for one in records if one.measure}
    check(timed, kinds(place))


@pytest.mark.parametrize("place", ["disk"], indirect=True)
@pytest.mark.parametrize(
    "kind", ["exit", "exit_3", "at_once", "term", "kill", "fault", "stop", "memory", "raise", "hang"]
)
def test_before_any_compute(place: Path, tmp_path: Path, kind: str) -> None:
    done = run(place, tmp_path, "--timeout", "8", datasets=[f"faulty(kind='{kind}')"])
    if ENDS.get(kind, ("failed",))[0] == "finished":
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2
    assert done.stderr.startswith(f"bench: faulty(kind='{kind}', at=1): ")
    assert done.stderr.count("\n") == 1
    assert not store.read(place / "results").records
