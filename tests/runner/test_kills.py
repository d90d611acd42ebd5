"""SIGKILL at random moments: nothing that was finished is lost or made twice, and a long training goes on."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import ROOT, command

from bench import store

pytestmark = pytest.mark.slow

SUITE = """
title: T
datasets: [digits]
architectures: ["mlp(width=4, depth=1)", "custom_cnn(width=8, depth=2)"]
recipes:
  baseline: []
  augment: ["augment(shift=1, flip=False)", dropout]
  tiny: [quantize]
training: {epochs: 40, learning_rate: 0.005, batch_size: 32}
seeds: [0, 1]
threads: 1
measure: {runtimes: []}
"""


def started(place: Path) -> subprocess.Popen[bytes]:
    (place / "suites").mkdir(parents=True, exist_ok=True)
    (place / "suites" / "mine.yaml").write_text(SUITE)
    return subprocess.Popen(
        command("run", "mine", "--workers", "2", worker="kill_worker"),
        cwd=place,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def digests(place: Path) -> dict[tuple[str, int | None], str]:
    """Return the network of every run; fail if a run has more than one record, or one that did not finish."""
    reading = store.read(place / "results")
    assert not reading.problems
    assert {record.status for record in reading.records} == {"finished"}
    counts = Counter((record.cell_id, record.seed) for record in reading.records)
    assert set(counts.values()) == {1}, "no node is executed twice"
    return {(r.cell_id, r.seed): r.artifact.digest for r in reading.records if r.artifact}


def test_killed_at_random_moments_a_grid_comes_to_the_same_networks(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert started(tmp_path / "undisturbed").wait(300) == 0
    wanted = digests(tmp_path / "undisturbed")
    draw, resumed, kills, grids = random.Random(0), 0, request.config.getoption("--kills"), 0
    while kills:
        place, grids = tmp_path / f"killed-{grids}", grids + 1
        process = started(place)
        while kills and not ended(process, place, draw, late=kills % 2 == 0):
            resumed += bool(checkpoints(place))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills -= 1
            process = started(place)
        assert process.wait(300) == 0
        assert digests(place) == wanted
        assert not list((place / ".bench").glob("checkpoints/*")), "what has a record has no checkpoint"
    assert resumed, "no training was killed that had a checkpoint"


def checkpoints(place: Path) -> list[Path]:
    return list((place / ".bench").glob("checkpoints/*/*.checkpoint"))


def ended(process: subprocess.Popen[bytes], place: Path, draw: random.Random, *, late: bool) -> bool:
    """Wait for a random moment, a `late` one while some training has a checkpoint; tell whether the run is over."""
    while late and process.poll() is None and not checkpoints(place):
        time.sleep(0.05)
    with suppress(subprocess.TimeoutExpired):
        process.wait(draw.uniform(0, 1) if late else draw.uniform(1, 8))
    return process.returncode is not None
