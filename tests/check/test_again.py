"""What a check may do before it raises an alarm: train the seeds that would tell, time both networks side by side."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from factory import LATER, digest, record, replace
from timings import timed

from bench import confirm, remeasure, store
from bench.catalog import Catalog
from bench.check import check
from bench.errors import BenchError
from bench.planning import suite as suites
from bench.records import Record
from bench.tasks import home

CATALOG = Catalog()
FAKE = {"worker": "fake_worker", "timer": "fake_worker"}
SUITE = """
title: T
datasets: [digits]
architectures: [mlp, perceptron]
seeds: [0]
threads: 1
measure: {profile: smoke, runtimes: [litert], batch_sizes: [1]}
"""
OLD, NEW = Path("old"), Path("results")


@pytest.fixture
def cells(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The cells of a suite whose new code has run with one seed each."""
    Path("suites/mine.yaml").write_text(SUITE)
    real = confirm.settings_of
    monkeypatch.setattr(confirm, "settings_of", lambda *a, **k: msgspec.structs.replace(real(*a, **k), **FAKE))
    return [row.cell for row in suites.read(suites.find("mine"), CATALOG).cells]


def test_confirm_trains_just_the_seeds_that_would_tell(cells: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    for of in cells:
        for seed in range(5):
            store.write(OLD, record(of, suite="mine", seed=seed))
        store.write(NEW, record(of, suite="mine", network="again", created=LATER))
    before = check(NEW, OLD)
    asked = {row.cell_id: row.more_seeds for row in before.rows if row.more_seeds}
    assert asked
    assert confirm.confirm(before.rows, NEW, CATALOG)
    seeds: dict[str, list[int | None]] = {}
    for made in store.read(NEW).records:
        seeds.setdefault(made.cell_id, []).append(made.seed)
        assert made.node == "train"
    assert {cell: sorted(found) for cell, found in seeds.items() if cell in asked} == {
        cell: list(range(more + 1)) for cell, more in asked.items() if more
    }
    # The worker of these tests makes better networks than the baseline's.
    assert {row.verdict for row in check(NEW, OLD).rows if row.cell_id in asked} <= {"improved", "unchanged"}


def test_confirm_leaves_alone_what_it_cannot_run(cells: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(5):
        store.write(OLD, record(cells[0], suite="gone", seed=seed))
    store.write(NEW, record(cells[0], suite="gone", network="again", created=LATER))
    assert not confirm.confirm(check(NEW, OLD).rows, NEW, CATALOG)
    assert "suites/gone.yaml: no such suite" in capsys.readouterr().err


def trained(name: str, of: Any, created: str) -> Record:
    """Return the record of a network that lies on this machine."""
    made = record(of, suite="mine", created=created)
    assert made.artifact is not None
    artifact = replace(made.artifact, digest=digest(name), file=f"{name}.keras")
    home().artifacts.mkdir(parents=True, exist_ok=True)
    (home().artifacts / artifact.file).write_text(name)
    return replace(made, artifact=artifact)


def again(new: Any, old: Any) -> Any:
    settings = msgspec.structs.replace(remeasure.settings_of(NEW, CATALOG), **FAKE)
    return remeasure.remeasure(new, old, settings, 0.1)


def test_timings_of_two_sittings_are_taken_again_side_by_side(cells: list[Any]) -> None:
    for folder, name, p50_ms, created in ((OLD, "before", 1.0, "2026-01-02T03:04:05Z"), (NEW, "after", 1.5, LATER)):
        store.write(folder, trained(name, cells[0], created))
        timing = timed(cells[0], suite="mine", p50_ms=p50_ms, batch_sizes=(1,), parent=digest(name), created=created)
        store.write(folder, timing)
    assert {row.verdict for row in check(NEW, OLD).rows if row.node == "measure"} == {"regressed"}
    # The timer of these tests finds all networks equally fast.
    rows = [row for row in check(NEW, OLD, remeasure=again).rows if row.node == "measure"]
    assert {row.verdict for row in rows} == {"unchanged"}
    assert all(row.difference == 0 for row in rows)


def test_networks_that_are_gone_cannot_be_timed_again(cells: list[Any]) -> None:
    for folder, created in ((OLD, "2026-01-02T03:04:05Z"), (NEW, LATER)):
        store.write(folder, timed(cells[0], suite="mine", created=created))
    with pytest.raises(BenchError, match="of no cell both networks, new and old, are on this machine"):
        check(NEW, OLD, remeasure=again)
