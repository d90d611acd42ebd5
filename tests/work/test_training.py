"""What really trains: plugins' contracts, the same numbers from every worker, other backends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import workbench
from conftest import ROOT

from bench import store
from bench.catalog import Catalog
from bench.records import Record, Use
from bench.tasks import Home, versions
from bench.work import data

pytestmark = pytest.mark.slow

CATALOG = Catalog()


def images(shape: tuple[int, ...], n: int = 40) -> data.Dataset:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, *shape)).astype(np.uint8)
    y = np.arange(n) % 10
    return data.Dataset(x=x, y=y, classes=tuple("abcdefghij"), source="made here", x_test=x.copy(), y_test=y.copy())


def bench(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("technique", [c.name for c in CATALOG.cards("techniques") if "batch" in c.doors])
def test_every_batch_door_keeps_the_shapes_that_it_is_handed(technique: str) -> None:
    import keras

    module, use = CATALOG.load("techniques", technique), CATALOG.resolve("techniques", technique)
    learn = data.split(images((16, 16, 3)), 0, 0.0).learn
    x, y = learn.train.x.astype(np.float32), np.eye(10, dtype=np.float32)[learn.train.y]
    given = CATALOG.given("techniques", use, "batch")
    new_x, new_y = module.batch(x, y, keras.random.SeedGenerator(0), **given)
    assert (tuple(new_x.shape), tuple(new_y.shape)) == (x.shape, y.shape)
    assert np.asarray(new_x).dtype == np.float32


def test_augmentation_shifts_and_flips_and_nothing_else() -> None:
    import keras

    door = CATALOG.load("techniques", "augment").batch
    x = np.zeros((200, 9, 9, 1), np.float32)
    x[:, 4, 3] = 255
    seed = keras.random.SeedGenerator(1)
    moved = np.asarray(door(x, None, seed, shift=2, flip=True)[0])
    assert moved.shape == x.shape
    assert moved.sum(axis=(1, 2, 3)) == pytest.approx(255)
    places = {tuple(int(i) for i in np.argwhere(image)[0][:2]) for image in moved}
    assert places == {(row, column) for row in range(2, 7) for column in (*range(1, 6), *range(3, 8))}
    again = np.asarray(door(x, None, keras.random.SeedGenerator(1), shift=2, flip=True)[0])
    assert np.array_equal(moved, again), "equal seeds, equal batches"
    assert np.array_equal(np.asarray(door(x, None, seed, shift=0, flip=False)[0]), x)


SUITE = """
title: T
datasets: [digits]
architectures: ["custom_cnn(width=8, depth=2)"]
recipes:
  baseline: []
  augment: ["augment(shift=1, flip=False)", dropout]
  small: ["prune(sparsity=0.6)"]
  tiny: [quantize]
training: {epochs: 6, learning_rate: 0.005, batch_size: 32}
seeds: [0]
threads: 1
measure: {profile: smoke, runtimes: [litert], batch_sizes: [1]}
diagnostics: [calibration]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    (place / "suites").mkdir()
    (place / "suites" / "mine.yaml").write_text(SUITE)
    done = bench(place, "run", "mine", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    return place


def named(place: Path, **where: str) -> list[Record]:
    rows = store.read(place / "results")
    recipes = {cell.cell_id: cell.recipe for cell in rows.suites["mine"].cells}
    return [
        record
        for record in rows.records
        if where.get("recipe") in (None, recipes[record.cell_id]) and where.get("node") in (None, record.node)
    ]


def test_a_run_leaves_all_that_was_promised(trained: Path) -> None:
    (record,) = named(trained, recipe="baseline", node="train")
    names = {m.name for m in record.measurements}
    assert {"accuracy", "loss", "parameters", "size_bytes", "flops", "fit_s", "precision", "recall", "f1"} <= names
    accuracy = next(m for m in record.measurements if m.name == "accuracy")
    assert accuracy.value > 0.9
    assert accuracy.n == 359
    assert accuracy.low is not None
    assert accuracy.low < accuracy.value
    assert record.confusion is not None
    assert sum(map(sum, record.confusion)) == 359
    assert record.correct is not None
    assert np.unpackbits(np.frombuffer(record.correct, np.uint8), count=359).mean() == pytest.approx(accuracy.value)
    assert {(s.name, s.split) for s in record.series} == {
        (name, part) for name in ("accuracy", "loss") for part in ("train", "validation")
    }
    assert len(record.series[0].values) == 6
    (looked_at,) = named(trained, recipe="baseline", node="diagnose")
    assert looked_at.diagnostics["calibration"].series[0].axis == "confidence"
    assert record.provenance.threads == 1


def test_pruning_reaches_its_sparsity_and_packs_smaller(trained: Path) -> None:
    (before,) = named(trained, recipe="baseline", node="train")
    (after,) = named(trained, recipe="small", node="derive")
    assert after.value("sparsity") == pytest.approx(0.6, abs=0.02)
    assert after.value("compressed_bytes") < 0.8 * before.value("compressed_bytes")
    assert after.value("accuracy") > before.value("accuracy") - 0.1
    assert before.artifact is not None
    assert after.parents == (before.artifact.digest,)


def test_quantization_keeps_the_answers_in_fewer_bytes(trained: Path) -> None:
    (after,) = named(trained, recipe="tiny", node="derive")
    assert after.value("agreement") > 0.97
    assert after.artifact is not None
    assert after.artifact.format == "litert"
    (timed,) = named(trained, recipe="tiny", node="measure")
    (whole,) = [
        r for r in named(trained, recipe="baseline", node="measure") if r.measure and r.measure.runtime.name == "litert"
    ]
    assert timed.value("deployed_bytes") < 0.6 * whole.value("deployed_bytes"), "a tiny network is half graph"


def test_every_runtime_gives_the_same_answers(trained: Path) -> None:
    (record,) = named(trained, recipe="baseline", node="train")
    artifact = record.artifact
    assert artifact is not None
    home = Home(trained / ".bench")
    examples = workbench.prepare("digits", 0, 0.1).test.x[:50]
    facts = {name: CATALOG.card("runtimes", name).facts(Use(name)) for name in CATALOG.names("runtimes")}
    outputs = {
        name: workbench.deploy(name, artifact, home).outputs(examples, 20)
        for name, one in facts.items()
        # Those of another backend are compared where they are timed; tests/measure/test_runtimes.py.
        if "keras" in one.accepts and one.backend is None and (not one.install or versions(one.packages))
    }
    assert len(outputs) >= 6
    for found in outputs.values():
        assert found == pytest.approx(outputs["keras_predict"], abs=1e-3)


def test_weights_do_not_depend_on_the_company_they_are_made_in(trained: Path) -> None:
    """`--fresh`: two workers instead of one."""
    before = {record.cell_id: record.artifact for record in named(trained) if record.artifact}
    done = bench(trained, "run", "mine", "--fresh", "--workers", "2", "--only", "recipe in [augment, small]")
    assert done.returncode == 0, done.stdout + done.stderr
    after = {record.cell_id: record.artifact for record in named(trained) if record.artifact}
    assert len(named(trained)) > len(before)
    assert after == before


def test_a_clone_without_artifacts_has_nothing_to_do(trained: Path, tmp_path: Path) -> None:
    done = bench(trained, "run", "mine", BENCH_HOME=str(tmp_path / "empty"))
    assert "nothing to do" in done.stdout
    assert not (tmp_path / "empty").exists()


def test_the_training_path_runs_on_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.yaml").write_text(SUITE)
    done = bench(tmp_path, "run", "mine", "--only", "recipe in [augment, tiny]", KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = [record for record in store.read(tmp_path / "results").records if record.node == "train"]
    assert record.provenance.backend == "jax"
    assert record.provenance.jit_compile is True
    assert record.value("accuracy") > 0.8
    states = {record.status for record in store.read(tmp_path / "results").records}
    assert states == {"finished", "unsupported"}, "quantize needs TensorFlow, and says so"


def test_a_loss_that_is_not_finite_is_a_diverged_run(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.yaml").write_text(
        SUITE.replace("learning_rate: 0.005", "learning_rate: 1.0e+30, optimizer: sgd")
    )
    done = bench(tmp_path, "run", "mine", "--only", "recipe=baseline")
    assert done.returncode == 1, done.stdout
    record, *rest = store.read(tmp_path / "results").records
    assert [one.error.type for one in rest if one.error] == ["ParentFailed"] * len(rest)
    assert record.status == "diverged"
    assert record.error is not None
    assert "lower the learning rate" in record.error.message


TABLE = """
title: T
datasets:
  - "csv(path='mine.csv', target='target', task='regression')"
  - "csv(path='mine.csv', target='kind')"
architectures: ["mlp(width=8, depth=1)"]
recipes: {baseline: [], small: [dropout, "prune(sparsity=0.5, epochs=3)"]}
training: {epochs: 3, batch_size: 8}
seeds: [0]
threads: 1
measure: {profile: smoke, runtimes: [litert], batch_sizes: [1]}
"""


def test_a_table_with_gaps_and_categories_goes_the_whole_way(tmp_path: Path) -> None:
    rows = [f"{i % 7},{'' if i % 6 == 0 else i},{'red' if i % 2 else ''},{i * 3},k{i % 2}" for i in range(80)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,colour,target,kind", *rows]) + "\n")
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "mine.yaml").write_text(TABLE)
    done = bench(tmp_path, "run", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    found = store.read(tmp_path / "results").records
    states = {(record.cell.dataset.parameters["task"], record.node, record.status) for record in found}
    assert states == {
        ("regression", "train", "finished"),
        ("regression", "measure", "finished"),
        ("regression", "derive", "finished"),
        ("classification", "train", "finished"),
        ("classification", "measure", "finished"),
        ("classification", "derive", "finished"),
    }
    assert "nothing to do" in bench(tmp_path, "run", "mine").stdout
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,colour,target,kind", *rows[5:]]) + "\n")
    again = bench(tmp_path, "plan", "mine").stdout
    assert "changed since" in again
    assert "file:mine.csv" in again
