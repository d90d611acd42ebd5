"""Fixtures that all tests share; tests cannot be slow or reach the network by accident."""

import gc
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.runner import machine_lock

ROOT = Path(__file__).parent.parent
SPREAD = {"test_architectures.py"}
"""Files whose tests go to any process: most of the time is theirs. All others stay whole, with what they share."""

if "PYTEST_XDIST_WORKER" in os.environ:
    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[threads] = "1"  # there is a process for each core already
    # Most of a test on JAX is XLA compiling for the CPU, half of that optimizing what then runs for a moment.
    # Benchmarks, which have one process, time what XLA makes of a network by itself.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", default="digits", help="suite whose networks bench_latency.py times")
    parser.addoption("--kills", type=int, default=4, help="how often test_kills.py kills a run")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Let `-m "not slow"` pass over files in which all is slow: most import TensorFlow, for ten seconds."""
    if config.getoption("markexpr") != "not slow" or collection_path.suffix != ".py":
        return None
    return True if "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, but for those of `SPREAD`, which are handed out one by one, last."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if Path(file).name in SPREAD else file

    return ByFile(config, log)


def pytest_collection() -> None:
    """Import without looking for garbage, which takes a quarter of the time that TensorFlow does."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Take what was imported out of the garbage collector's sight: Keras has it look at all for every network."""
    gc.collect()
    gc.freeze()
    gc.enable()


@dataclass
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


Bench = Callable[..., Done]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Bench:
    """The command, in this process."""

    def run(*words: str) -> Done:
        code = cli.main(words)
        return Done(code, *capsys.readouterr())

    return run


def command(*words: str, **modules: str) -> list[str]:
    """Return `bench` as a command line, with other modules in the places of worker and timer."""
    script = (
        "import sys; import bench.cli, bench.run; from msgspec.structs import replace; real = bench.run.settings_of;"
        f"bench.run.settings_of = lambda *a, **k: replace(real(*a, **k), **{modules!r});"
        "sys.exit(bench.cli.main(sys.argv[1:]))"
    )
    return [sys.executable, "-c", script, *words]


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let all processes of all tests share what JAX compiles: that is most of their time."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(place / "compiled"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")


@pytest.fixture(autouse=True)
def _closed_room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let anything that asks the network fail at once, and let tests run while a benchmark has the machine."""
    if request.path.parent.name == "benchmarks":
        return  # these use the machine as it is: its caches, its lock
    monkeypatch.setattr(machine_lock, "FOLDER", tmp_path / "locks")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with the shipped suites in it, as a person who starts has."""
    place = tmp_path / "place"
    place.mkdir()
    shutil.copytree(ROOT / "suites", place / "suites")
    monkeypatch.chdir(place)
    monkeypatch.delenv("BENCH_HOME", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    return place


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a check's baseline."""
    return tmp_path / "old"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """The folder of a check's new records."""
    return tmp_path / "new"
