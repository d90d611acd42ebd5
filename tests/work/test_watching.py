"""Looking on changes nothing and costs itself alone."""

import sys
from pathlib import Path
from typing import Any

import pytest
import workbench
from conftest import ROOT

from bench import cards
from bench.catalog import Catalog
from bench.planning import fingerprints
from bench.records import Record

PROGRAM = ROOT / "tests" / "watching_cases.py"
HEAD = (
    '"""Own\n\nOf a person.\n"""\n\nimport keras\nimport numpy as np\n\n'
    "from bench.records import Diagnosis, Picture, Series\n\n\n"
)
LOOKING = (
    "def diagnose(outcome):\n    return Diagnosis('Own', tuple(s for s in outcome.series if s.watcher == 'own'))\n"
)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_watching_changes_nothing(backend: str) -> None:
    told = workbench.told_on(backend, PROGRAM)
    assert len(told["same"]) >= 5
    assert {name: same for name, same in told["same"].items() if not same} == {}
    assert {name: what for name, what in told["became"].items() if what != "finished"} == {}
    assert told["cut"]


SEEN = (
    "def watch(trainer):\n    values = {}\n    return lambda: (Series('a', 'epoch', list(values), values),)\n\n\n"
    + LOOKING
)


def ran(folder: Path, text: str, more: str = "own, calibration") -> list[Record]:
    (folder / "diagnostics").mkdir(exist_ok=True)
    (folder / "diagnostics" / "own.py").write_text(HEAD + text)
    sys.modules.pop("bench_plugins.diagnostics.own", None)  # that of before, as another process would not know it
    for remembered in (fingerprints.fingerprint, fingerprints._code_of, cards.read_card):
        remembered.cache_clear()
    return workbench.run(folder, workbench.written("[]", more=f"diagnostics: [{more}]"), Catalog([folder]))


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        (SEEN.format("[1e300]"), "failed", "its 'watch' must return at most 50 bench.records.Series"),
        (SEEN.format("30_000 * [1.0]"), "failed", "its 'watch' must return at most 50 bench.records.Series"),
        (SEEN.format("[np.float32(1)]"), "failed", "its 'watch' must return at most 50 bench.records.Series"),
        ("def diagnose(outcome):\n    raise KeyError('mine')\n", "failed", "diagnostics/own.py:13: KeyError"),
        (
            "def diagnose(outcome):\n    return Diagnosis('x', (Series('a', 'b', [1.0], [float('nan')]),))\n",
            "failed",
            "must return a bench.records.Diagnosis, its numbers plain (array.tolist()) and finite",
        ),
        (
            "def diagnose(outcome):\n    return Diagnosis('x', pictures=(Picture(bytes(10_000_000)),))\n",
            "failed",
            "own.py:13: ValueError: pictures of 10,000,000 bytes; at most 60,000 together",
        ),
        ("def diagnose(outcome):\n    return Diagnosis('x', note=10**6 * 'x')\n", "failed", "of at most 60,000 bytes"),
        ("def diagnose(outcome):\n    np.ones(10**15)\n", "out_of_memory", "Unable to allocate"),
        (
            "def watch(trainer):\n    raise KeyError('mine')\n\n\n" + LOOKING,
            "failed",
            "diagnostics/own.py:13: KeyError",
        ),
        (
            "class Callback(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None):\n"
            "        raise KeyError('mine')\n\n\n"
            "def watch(trainer):\n    trainer.callbacks.append(Callback())\n    return lambda: ()\n\n\n" + LOOKING,
            "failed",
            "diagnostics/own.py:14: KeyError: 'mine'",
        ),
        (
            "def watch(trainer):\n    return lambda: (1 / 0,)\n\n\n" + LOOKING,
            "failed",
            "diagnostics/own.py:13: ZeroDivisionError",
        ),
        ("def watch(trainer):\n    return None\n\n\n" + LOOKING, "failed", "must return a function"),
    ],
    ids=[
        "infinite",
        "many points",
        "bare floats",
        "raises",
        "nan",
        "picture",
        "text",
        "memory",
        "watch",
        "callback",
        "telling",
        "nothing",
    ],
)
def test_a_diagnostic_costs_its_own_node_alone(tmp_path: Path, text: str, status: str, message: str) -> None:
    trained, own, other = ran(tmp_path, text)
    assert trained.status == "finished"
    assert trained.artifact is not None
    assert (own.status, other.status) == (status, "finished")
    assert own.error is not None
    assert message in own.error.message
    assert ran(tmp_path, text) == [], "nothing is trained again for it"


def test_a_watcher_that_was_mended_watches_again(tmp_path: Path) -> None:
    wrong = "def watch(trainer):\n    raise KeyError('mine')\n\n\n" + LOOKING
    right = "def watch(trainer):\n    return lambda: ()\n\n\n" + LOOKING
    assert [one.status for one in ran(tmp_path, wrong, more="own")] == ["finished", "failed"]
    assert ran(tmp_path, wrong, more="own") == []
    assert [(one.node, one.status) for one in ran(tmp_path, right, more="own")] == [
        ("train", "finished"),
        ("diagnose", "finished"),
    ]
    assert ran(tmp_path, right, more="own") == []


def test_what_looking_on_takes_is_no_part_of_the_training(tmp_path: Path) -> None:
    slow = (
        "class Callback(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None):\n"
        "        import time\n\n        time.sleep(5)\n\n\n"
        "def watch(trainer):\n    trainer.callbacks.append(Callback())\n    return lambda: ()\n\n\n" + LOOKING
    )
    trained, *_ = ran(tmp_path, slow)
    assert trained.phases_s["watch"] >= 10
    fit_s = trained.value("fit_s")
    assert fit_s is not None and fit_s < 10


def test_a_diagnostic_of_ones_own_runs_on_what_is_there(tmp_path: Path) -> None:
    plain: Any = "def diagnose(outcome):\n    return Diagnosis(str(len(outcome.network.layers)))\n"
    before = workbench.run(tmp_path, workbench.written("[]"))
    assert [one.node for one in before] == ["train"]
    assert [one.node for one in ran(tmp_path, plain, more="own")] == ["diagnose"]


def test_a_plan_says_what_a_diagnostic_costs_whose_network_is_gone(tmp_path: Path) -> None:
    from bench.planning import plan, suite

    (trained,) = workbench.run(tmp_path, workbench.written("[]"))
    assert trained.artifact is not None

    def planned() -> plan.Plan:
        (tmp_path / "mine.yaml").write_text(workbench.written("[]", more="diagnostics: [slices]"))
        read = suite.read(tmp_path / "mine.yaml", Catalog())
        return plan.make(read, Catalog(), tmp_path / "results", tmp_path / "home" / "artifacts")

    there = planned()
    assert [step.due for step in there.steps.values()] == [False, True]
    (tmp_path / "home" / "artifacts" / trained.artifact.file).unlink()
    gone = planned()
    assert [step.due for step in gone.steps.values()] == [True, True]
    assert "not on this machine" in next(iter(gone.steps.values())).reason
    training = sum(trained.phases_s.values())
    assert sum(run.cost_s for run in gone.runs) >= sum(run.cost_s for run in there.runs) + 0.5 * training
