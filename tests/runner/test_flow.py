"""From a suite file to records, with a worker that needs no TensorFlow."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_worker
import msgspec
import pytest
from conftest import ROOT, command

from bench import store
from bench.catalog import Catalog
from bench.planning import plan as planning
from bench.planning import suite
from bench.planning.plan import Plan
from bench.planning.suite import Suite
from bench.query import Query
from bench.records import Record
from bench.run import clean, run_suite, settings_of
from bench.store import Reading
from bench.tasks import home

CATALOG = Catalog([ROOT / "tests" / "plugins"])
SUITE = """
title: T
datasets: [tiny]
architectures: [mlp]
recipes: {{baseline: [], small: ["prune(sparsity=0.5)"]}}
training: {{learning_rate: {rates}}}
seeds: [0, 1]
threads: 1
measure: {{profile: smoke, runtimes: {runtimes}, batch_sizes: [1]}}
"""


def written(rates: str = "0.001", *, timed: bool = False) -> str:
    """Return the suite; without timings it needs two processes less."""
    return SUITE.format(rates=rates, runtimes="[tf_function]" if timed else "[]")


def run(
    rates: str = "0.001",
    *,
    timed: bool = False,
    timeout_s: float | None = None,
    only: str | None = None,
    **options: bool,
) -> bool:
    Path("suites/mine.yaml").write_text(written(rates, timed=timed))
    read = suite.read(Path("suites/mine.yaml"), CATALOG)
    made = planning.make(
        read, CATALOG, Path("results"), home().artifacts, only=Query(only) if only else None, **options
    )
    return execute(read, made, timeout_s)


def execute(read: Suite, made: Plan, timeout_s: float | None = None, workers: int = 1) -> bool:
    settings = settings_of(read, CATALOG, results=Path("results"), workers=workers, timeout_s=timeout_s)
    settings = msgspec.structs.replace(settings, worker="fake_worker", timer="fake_worker")
    return run_suite(read, made, CATALOG, settings)


def reading() -> Reading:
    return store.read(Path("results"))


def by_status(kind: str = "train") -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in reading().records:
        if record.node == kind:
            found.setdefault(record.status, []).append(record)
    return found


def test_all_nodes_leave_a_record_and_a_second_run_does_nothing(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not run(timed=True)
    first = reading()
    kinds = [record.node for record in first.records]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"train": 2, "derive": 2, "measure": 2}
    assert all(record.status == "finished" for record in first.records)
    derived = next(record for record in first.records if record.node == "derive" and record.seed == 1)
    trained = next(record for record in first.records if record.node == "train" and record.seed == 1)
    assert trained.artifact is not None
    assert derived.parents == (trained.artifact.digest,)
    told = capsys.readouterr().out
    assert "(a mere guess for 6 nodes, as no record is alike)" in " ".join(told.split())
    assert "[  6/6]" in told

    kept = first.suites["mine"]
    assert (kept.title, kept.baseline, kept.seeds) == ("T", "baseline", [0, 1])
    assert {cell.recipe for cell in kept.cells} == {"baseline", "small"}
    assert kept.plugins["architectures/mlp"].paper

    started = time.process_time()
    assert not run(timed=True)
    assert time.process_time() - started < 1
    assert reading().records == first.records
    assert "nothing to do" in capsys.readouterr().out


def test_the_end_of_a_run_says_what_failed_now_and_before_what_cannot_work_and_how_to_see_it(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"[0.001, {fake_worker.RAISES}]")
    told = capsys.readouterr().out
    assert "4 failed; see them with: bench show RUN; again: bench run mine --retry-failed" in told
    assert told.rstrip().endswith("see it all with: bench site serve --plugins " + str(ROOT / "tests" / "plugins"))
    assert run(f"[0.001, {fake_worker.RAISES}]")
    assert "4 failed, 4 of them before and not tried again; see them with" in capsys.readouterr().out

    Path("suites/mine.yaml").write_text(
        written().replace("[mlp]", "[mlp, lenet5]").replace('["prune(sparsity=0.5)"]', "[dropout]")
    )
    read = suite.read(Path("suites/mine.yaml"), CATALOG)
    execute(read, planning.make(read, CATALOG, Path("results"), home().artifacts))
    assert "lenet5 · baseline cannot work: " in capsys.readouterr().out


def test_workers_prepare_different_networks(workplace: Path) -> None:
    Path("suites/mine.yaml").write_text(
        SUITE.format(rates="0.001", runtimes="[litert, litert(threads=2), onnxruntime]")
    )
    read = suite.read(Path("suites/mine.yaml"), CATALOG)
    made = planning.make(read, CATALOG, Path("results"), home().artifacts)
    execute(read, made, workers=2)
    timings = [one for one in reading().records if one.node == "measure"]
    assert [one.status for one in timings] == ["finished"] * 6


def test_pooled_timings_carry_percentiles_with_enough_samples_only(workplace: Path) -> None:
    run(timed=True, only="recipe=baseline and seed=0")
    (timed,) = [record for record in reading().records if record.node == "measure"]
    assert {m.statistic for m in timed.measurements if m.name == "latency_ms"} == {"p50", "p90"}
    assert timed.value("latency_ms", statistic="p50", batch_size=1) == pytest.approx(0.52, abs=0.01)
    assert timed.value("throughput", batch_size=1) == pytest.approx(1000 / 0.5195, rel=0.01)
    sketch, *by_process = timed.series
    assert (sketch.axis, len(sketch.points)) == ("quantile", 101)
    assert {(curve.axis, len(curve.points)) for curve in by_process} == {("process", 2)}
    assert timed.sitting
    assert timed.timings[0].validity == "valid"


FAULTS = {
    fake_worker.CRASHES: ("failed", "exit code 7"),
    fake_worker.NO_MEMORY: ("out_of_memory", "signal 9"),
    fake_worker.RAISES: ("failed", "the worker has a fault"),
    fake_worker.DIVERGES: ("diverged", "lower the learning rate"),
    fake_worker.HANGS: ("timeout", "raise --timeout"),
}


def test_whatever_happens_to_a_node_is_a_record_and_the_others_go_on(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = [0.001, *FAULTS, 0.002]
    assert run(str(rates), timeout_s=4, only="seed=1")
    records = reading().records
    trained = {r.cell.training.learning_rate: r for r in records if r.node == "train"}
    derived = {r.cell.training.learning_rate: r for r in records if r.node == "derive"}
    assert trained.keys() == derived.keys() == set(rates)
    for rate, (status, says) in FAULTS.items():
        assert trained[rate].status == status
        assert trained[rate].error is not None
        assert says in trained[rate].error.message
        assert derived[rate].status == "failed"
        assert derived[rate].error is not None
        assert derived[rate].error.type == "ParentFailed"
    for rate in rates[0], rates[-1]:
        assert {trained[rate].status, derived[rate].status} == {"finished"}
    assert "--retry-failed" in capsys.readouterr().out


def test_what_failed_is_not_tried_again_unless_asked(workplace: Path) -> None:
    rates = str(fake_worker.DIVERGES)
    assert run(rates, only="seed=1")
    count = len(reading().records)
    assert run(rates, only="seed=1"), "the suite's runs still stand failed"
    assert len(reading().records) == count
    assert run(rates, only="seed=1", retry_failed=True)
    assert len(reading().records) == count + 2


def test_fresh_adds_to_the_history(workplace: Path) -> None:
    for fresh in (False, True):
        run(fresh=fresh, only="recipe=baseline and seed=1")
    assert len(by_status()["finished"]) == 2


def test_a_cell_that_cannot_work_leaves_one_record(workplace: Path) -> None:
    for _ in range(2):
        Path("suites/mine.yaml").write_text(written().replace("[mlp]", "[lenet5]"))
        read = suite.read(Path("suites/mine.yaml"), CATALOG)
        made = planning.make(read, CATALOG, Path("results"), home().artifacts)
        assert execute(read, made), "nothing at all could work, which a script must see"
    unsupported = by_status()["unsupported"] + by_status("derive")["unsupported"]
    assert len(unsupported) == 4
    assert unsupported[0].error is not None
    assert "at least 28 pixels" in unsupported[0].error.message


def test_a_missing_dataset_is_one_line_before_any_compute(workplace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "mnist"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "hojjatk/mnist-dataset/versions/1: not in the cache" in done.stderr
    assert "connect to the network" in done.stderr
    assert not list(Path("results").rglob("*.json"))


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM to the group, as schedulers send it"])
def test_an_interruption_keeps_what_is_done_and_records_nothing_else(workplace: Path, how: str) -> None:
    Path("suites/mine.yaml").write_text(written(f"[0.001, {fake_worker.HANGS}]"))
    words = ("run", "mine", "--workers", "1", "--plugins", f"{ROOT}/tests/plugins")
    process = subprocess.Popen(
        command(*words, worker="fake_worker", timer="fake_worker"),
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while len(list(Path("results").rglob("train-*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "what was done is kept" in errors
    assert "Traceback" not in errors
    assert {status: len(records) for status, records in by_status().items()} == {"finished": 2}
    assert not list(Path("results").rglob(".*.json*")), "no drafts"
    assert not list(Path("results/.leases").glob("*.json"))
    assert not run(only="learning_rate=0.001"), "the rest goes on from there"


def test_clean_keeps_the_networks_that_records_name(workplace: Path) -> None:
    run()
    (home().artifacts / "stray.keras").write_text("x")
    before = len(list(home().artifacts.iterdir()))
    assert clean(Path("results"), everything=False)[0].startswith("1 networks deleted")
    assert len(list(home().artifacts.iterdir())) == before - 1
    clean(Path("results"), everything=True)
    assert not list(home().artifacts.iterdir())
    assert not run(), "a finished suite stays cached without its networks"
