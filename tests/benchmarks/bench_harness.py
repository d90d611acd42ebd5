"""The harness's own speed, by pytest-benchmark: `nox -s perf`."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import factory
import msgspec
import numpy as np
import pytest
import sample_suites

from bench import check, records, site, stats, store
from bench.catalog import Catalog
from bench.planning import plan, suite
from bench.records import Record
from bench.stats import Score

sys.path.insert(0, str(Path(__file__).parents[1] / "stats"))
from population import TestSet, grid

RECORDS = 2000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with as many records as a year of use leaves."""
    folder = tmp_path_factory.mktemp("results")
    for seed in range(RECORDS):
        store.write(folder, factory.record(seed=seed, n_test=100))
    return folder


@pytest.fixture
def large_suite(tmp_path: Path) -> Path:
    path = tmp_path / "large.yaml"
    calls = "\n".join(f"  - mlp(width={width})" for width in range(1, 1001))
    seeds = ", ".join(map(str, range(10)))
    path.write_text(f"title: L\ndatasets: [digits]\narchitectures:\n{calls}\nseeds: [{seeds}]\n")
    return path


def test_help(benchmark: Any) -> None:
    benchmark(subprocess.run, [sys.executable, "-m", "bench", "--help"], capture_output=True, check=True)


def test_read_suite_of_10000_runs(benchmark: Any, large_suite: Path) -> None:
    found = benchmark(suite.read, large_suite, Catalog())
    assert len(found.cells) == 1000


def test_plan_10000_runs(benchmark: Any, large_suite: Path, tmp_path: Path) -> None:
    read = suite.read(large_suite, Catalog())
    made = benchmark(plan.make, read, Catalog(), tmp_path / "results", tmp_path / "artifacts")
    assert len(made.runs) == 10_000


def test_read_headers(benchmark: Any, results: Path) -> None:
    assert len(benchmark(store.headers, results)[0]) == RECORDS


def test_read_records(benchmark: Any, results: Path) -> None:
    assert len(benchmark(store.read, results).records) == RECORDS


def test_write_record(benchmark: Any, tmp_path: Path) -> None:
    benchmark(store.write, tmp_path, msgspec.structs.replace(factory.record(), suite="written"))


def test_build_site(benchmark: Any, tmp_path: Path) -> None:
    sample_suites.write_results(tmp_path / "results")
    report = benchmark.pedantic(site.build, (tmp_path / "results", tmp_path / "site", Catalog()), rounds=3)
    assert report.pages


def grown(seeds: int, created: str) -> list[Record]:
    """Return runs of as many cells as make 5,000 of them, on a test set of CIFAR-10's size."""
    test = TestSet(np.random.default_rng(0))
    some = grid(test, 10)
    made = [network.runs(seeds, created=created) for network in some]
    cells = [factory.cell(architecture=f"a{i}") for i in range(5000 // seeds)]
    return [
        msgspec.structs.replace(run, cell=of, cell_id=records.cell_id(of))
        for i, of in enumerate(cells)
        for run in made[i % len(made)]
    ]


def test_check_10000_records(benchmark: Any, tmp_path: Path) -> None:
    for name, created in (("old", factory.CREATED), ("new", factory.LATER)):
        for run in grown(5, created):
            store.write(tmp_path / name, run)
    report = benchmark.pedantic(check.check, (tmp_path / "new", tmp_path / "old"), rounds=3)
    assert len([row for row in report.rows if row.metric == "accuracy"]) == 1000


def test_rank_3334_rows(benchmark: Any) -> None:
    runs: dict[str, list[Score]] = {}
    for run in grown(3, factory.CREATED) + [
        msgspec.structs.replace(run, cell_id=f"{run.cell_id}b") for run in grown(3, factory.CREATED)
    ]:
        found = stats.score(run, "accuracy")
        assert found is not None
        runs.setdefault(run.cell_id, []).append(found)
    assert len(runs) >= 3332

    def ranked() -> int:
        board = [stats.Runs(scores) for scores in runs.values()]  # unpacks 10,000 outcomes of each run
        return len(stats.ranking(board, None).ranks)

    assert benchmark.pedantic(ranked, rounds=3) == len(runs)


def test_timing_adds_nothing_to_a_call(tmp_path: Path) -> None:
    """p50 of an int8 ResNet-20 by the harness, and by a bare loop of the same calls, block after block in turns."""
    import tensorflow as tf
    import workbench
    from ai_edge_litert.interpreter import Interpreter

    from bench.measure import latency
    from bench.measure.meters import Meters
    from bench.records import MeasureSpec, Use
    from bench.tasks import Home
    from bench.work import network

    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (64, 32, 32, 3), np.uint8)
    learn = workbench.data.Learn(
        workbench.data.Facts(source="made here", classes=tuple("0123456789")),
        workbench.data.Part(images, draw.integers(0, 10, 64)),
        workbench.data.Part(images[:0], np.zeros(0, np.int64)),
    )
    model = workbench.build("resnet(depth=20)", learn)
    path = tmp_path / "network.tflite"
    model.export(
        path,
        format="litert",
        verbose=False,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([image[None].astype(np.float32)] for image in images),
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        inference_input_type=tf.uint8,
    )
    home = Home(tmp_path / "home")
    deployed = workbench.deploy("litert", network.keep(path, home.artifacts), home)
    watch = latency.Stopwatch(deployed, MeasureSpec(Use("litert"), "standard", (1,), 1), Meters(Catalog()))
    bare = Interpreter(str(next(home.artifacts.iterdir())), num_threads=1)
    bare.allocate_tensors()
    bare.set_tensor(bare.get_input_details()[0]["index"], images[:1])
    leave = bare.get_output_details()[0]["index"]

    def by_hand() -> float:
        spent = []
        for _ in range(5000):
            started = time.perf_counter_ns()
            bare.invoke()
            bare.get_tensor(leave)
            spent.append((time.perf_counter_ns() - started) / 1e6)
        return float(np.median(spent))

    ratios = []
    for _ in range(5):
        before = by_hand()
        ours = float(np.median(watch.steady(images, 1, 0.0).latencies_ms))
        ratios.append(ours / ((before + by_hand()) / 2))
    print(f"p50 by the harness ÷ by hand: {np.round(ratios, 3).tolist()}, last {ours:.4f} ms")
    assert abs(np.median(ratios) - 1) < 0.03
