"""Fixtures that all tests share; tests cannot be slow or reach the network by accident."""

import shutil
from pathlib import Path

import pytest

from bench.runner import machine_lock

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--suite", default="digits", help="suite whose networks bench_latency.py times")


@pytest.fixture(autouse=True)
def _closed_room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let anything that asks the network fail at once, and let tests run while a benchmark has the machine."""
    if request.path.parent.name == "benchmarks":
        return  # these use the machine as it is: its caches, its lock
    monkeypatch.setattr(machine_lock, "LOCK", tmp_path / "machine.lock")
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
