"""Timings from end to end: on real runtimes, on one that computes something else, beside a busy neighbour."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, command

from bench import store
from bench.measure.hardware import hardware
from bench.records import Record

pytestmark = pytest.mark.slow

SUITE = """
title: Mine
datasets: [digits]
architectures: ["mlp(width=16, depth=2)"]
recipes: {baseline: [], int8: [quantize]}
training: {epochs: 2}
seeds: [0]
threads: 1
measure: {profile: smoke, batch_sizes: [1, 8], runtimes: [RUNTIMES]}
"""
CROOKED = '''"""Crooked: answers a little otherwise at one batch size"""

from bench.runtimes import litert
from bench.work.deployment import Deployable, Deployed
from dataclasses import replace

ACCEPTS = ("keras", "litert")
CONVERTS = {"keras": ".tflite"}
PACKAGES = ("ai-edge-litert",)


def convert(network, converted):
    litert.convert(network, converted)


def deploy(network: Deployable, *, size: int = 1) -> Deployed:
    """Run it as LiteRT does, and add to the first answer at one batch size."""
    made = litert.deploy(network)

    def predict(x):
        answers = made.predict(x).copy()
        answers[:, 0] += float(len(answers) == size)
        return answers

    return replace(made, predict=predict)
'''
SLUGGISH = '''"""Sluggish: takes half a second to import"""

import time

from bench.runtimes.litert import deploy as litert
from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("litert",)
LIGHT = True
PACKAGES = ("ai-edge-litert",)
time.sleep(0.5)


def deploy(network: Deployable) -> Deployed:
    """Run it as LiteRT does."""
    return litert(network)
'''
ABSENT = '''"""Absent: a runtime that is not installed"""

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
INSTALL = "pip install no-such-runtime"
PACKAGES = ("no-such-runtime",)


def deploy(network: Deployable) -> Deployed:
    """Import what is not there."""
    import no_such_runtime
'''


def bench(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    return subprocess.run(
        command(*words, timer="hasty_timer"),
        cwd=place,
        env=os.environ | {"PYTHONPATH": paths, "BENCH_HOME": str(place / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def timed(place: Path) -> dict[tuple[str, str], Record]:
    """Return the newest record of each timing, by recipe and runtime."""
    reading = store.read(place / "results")
    recipes = {cell.cell_id: cell.recipe for cell in reading.suites["mine"].cells}
    return {(recipes[one.cell_id], one.measure.name): one for one in reading.records if one.measure}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runtimes")
    (folder / "suites").mkdir()
    (folder / "plugins" / "runtimes").mkdir(parents=True)
    for name, text in (("crooked", CROOKED), ("sluggish", SLUGGISH), ("absent", ABSENT)):
        (folder / "plugins" / "runtimes" / f"{name}.py").write_text(text)
    runtimes = "tf_function, litert, \"litert(delegate='none')\", litert(amx=False), onnxruntime, openvino, jax"
    ours = "crooked(size=1), crooked(size=8), sluggish, absent"
    (folder / "suites" / "mine.yaml").write_text(SUITE.replace("RUNTIMES", f"{runtimes}, {ours}"))
    done = bench(folder, "run", "mine", "--plugins", "plugins")
    assert "Traceback" not in done.stderr, done.stderr
    return folder


def test_litert_does_without_tiles_where_there_are_any(place: Path) -> None:
    found = timed(place)
    for recipe in ("baseline", "int8"):
        record = found[recipe, "litert(amx=False)"]
        if "amx_int8" in hardware().instruction_sets:
            assert record.status == "finished", record.error
        else:
            assert record.status == "unsupported"
            assert record.error is not None
            assert record.error.message.startswith("amx=False")


def test_every_runtime_that_is_here_times_the_same_network(place: Path) -> None:
    found = timed(place)
    for runtime in ("tf_function", "litert", "litert(delegate='none')", "onnxruntime", "openvino", "jax"):
        record = found["baseline", runtime]
        if record.error and record.error.type == "NotInstalled":
            continue
        assert record.status == "finished", record.error
        assert {timing.batch_size for timing in record.timings} == {1, 8}
        load, cold = record.value("load_ms") or 0, record.value("cold_start_ms") or 0
        assert 0 < load < cold
        assert (record.value("latency_ms", statistic="p50", batch_size=1) or 0) < cold
        assert (record.value("memory_bytes") or 0) > 20e6
        assert record.value("machine_work_ms", batch_size=8)
    assert ("int8", "jax") not in found, "which runs no LiteRT files"
    assert found["int8", "litert"].status == found["int8", "openvino"].status == "finished"


def test_what_a_runtime_imports_is_no_part_of_its_cold_start(place: Path) -> None:
    assert (timed(place)["int8", "sluggish"].value("cold_start_ms") or 0) < 500


def test_a_network_is_converted_once_for_all_that_take_the_same_file(place: Path) -> None:
    network = (timed(place)["baseline", "litert"].parents or [""])[0]
    made = [path.stem.split("-")[1] for path in (place / "home" / "conversions").glob(f"{network[:32]}-*")]
    assert sorted(made) == ["crooked", "litert", "to_onnx"], "whatever the settings, and for OpenVINO, too"


@pytest.mark.parametrize("recipe", ["baseline", "int8"])
@pytest.mark.parametrize("size", [1, 8])
def test_what_computes_something_else_at_any_batch_size_is_never_timed(place: Path, recipe: str, size: int) -> None:
    record = timed(place)[recipe, f"crooked(size={size})" if size > 1 else "crooked"]
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.type == "Disagrees"
    assert "its outputs are not the network's own: they differ by up to 1" in record.error.message
    assert f"at a batch size of {size}, and rounding explains 0.0" in record.error.message
    assert not record.measurements


def test_what_is_not_installed_is_named_with_its_cure_and_due_once_it_is(place: Path) -> None:
    record = timed(place)["baseline", "absent"]
    assert (record.status, record.error and record.error.type) == ("unsupported", "NotInstalled")
    assert record.error is not None
    assert record.error.message == "no-such-runtime is not installed (pip install no-such-runtime)"
    plan = json.loads(bench(place, "plan", "mine", "--plugins", "plugins", "--json").stdout)
    assert plan["cost_s"] > 0, "it is the only node that is due"


def test_timings_are_taken_again_and_nothing_else(place: Path) -> None:
    before = {one.created for one in store.read(place / "results").records}
    done = bench(place, "measure", "mine", "--only", "recipe=int8", "--plugins", "plugins")
    assert done.returncode in {0, 1}, done.stderr
    new = [one for one in store.read(place / "results").records if one.created not in before]
    assert {one.node for one in new} == {"measure"}
    assert {one.measure.name for one in new if one.measure} >= {"litert", "openvino", "crooked"}
    (place / "home").rename(place / "elsewhere")
    done = bench(place, "measure", "mine", "--plugins", "plugins")
    (place / "elsewhere").rename(place / "home")
    assert done.returncode == 2
    assert "no network that is to be timed is on this machine; bench run mine --artifacts" in done.stderr
    (place / "suites" / "untimed.yaml").write_text(SUITE.replace("RUNTIMES", ""))
    done = bench(place, "measure", "untimed")
    assert done.returncode == 2
    assert "untimed: asks for no timings; name runtimes under measure:" in done.stderr


def test_a_busy_neighbour_makes_a_timing_unstable_and_not_slow(place: Path) -> None:
    neighbours = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        bench(place, "measure", "mine", "--only", "recipe=int8", "--plugins", "plugins")
    finally:
        for one in neighbours:
            one.kill()
            one.wait()
    record = timed(place)["int8", "litert"]
    assert {timing.validity for timing in record.timings} <= {"unstable", "invalid"}
    assert "other processes kept" in " ".join(reason for timing in record.timings for reason in timing.reasons)


def test_what_cannot_be_handed_over_leaves_no_folder(place: Path, tmp_path: Path) -> None:
    run = next(one.cell_id for one in store.read(place / "results").records if one.cell.techniques)
    done = bench(place, "model", run, "--to", "onnx", str(tmp_path / "mine"))
    assert done.returncode == 2
    assert "its format is litert, which nothing converts to onnx; --to litert hands it over" in done.stderr
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("to", ["keras", "litert", "onnx", "openvino", "saved_model"])
def test_a_network_is_handed_over_with_a_program_that_runs_it(place: Path, to: str, tmp_path: Path) -> None:
    from PIL import Image
    from sklearn.datasets import load_digits

    run = next(one.cell_id for one in store.read(place / "results").records if not one.cell.techniques)
    done = bench(place, "model", run, "--to", to, str(tmp_path / "mine"))
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "| Accuracy | 0." in card
    assert "Licence of the data | CC BY 4.0" in card
    digits = load_digits()
    Image.fromarray((digits.images[3] / 16 * 255).round().astype("uint8")).save(tmp_path / "digit.png")
    told = subprocess.run(
        [sys.executable, "run.py", str(tmp_path / "digit.png")],
        cwd=tmp_path / "mine", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == _answer_of(place, digits.images[3])
    alone = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path / "mine", capture_output=True, text=True, check=False
    )
    assert alone.stderr.startswith("Print the network's answer to a picture: python run.py FILE (pip install ")
    again = bench(place, "model", run, "--to", to, str(tmp_path / "mine"))
    assert again.returncode == 2
    assert "is there already and not empty" in again.stderr


def _answer_of(place: Path, image: np.ndarray) -> str:
    import keras

    record = next(one for one in store.read(place / "results").records if one.node == "train")
    assert record.artifact is not None
    network = keras.models.load_model(place / "home" / "artifacts" / record.artifact.file, compile=False)
    return str(np.asarray(network((image / 16 * 255).round()[None, ..., None])).argmax())
