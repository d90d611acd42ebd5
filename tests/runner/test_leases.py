"""Several runs on one results folder: every node once, whoever dies."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import factory
import msgspec
import psutil
import pytest
from conftest import ROOT, command
from fake_worker import RAISES

from bench import store
from bench.runner import leases, process
from bench.runner.leases import Holder, Leases
from bench.tasks import Node

SUITE = """
title: Mine
datasets: [tiny]
architectures: [mlp]
recipes: {baseline: [], quantized: [quantize]}
training: {epochs: 1}
seeds: [0, 1, 2, 3, 4, 5, 6, 7]
threads: 1
measure: {profile: smoke, runtimes: [litert], batch_sizes: [1]}
"""
NODES = 8 * 2 + 2


def node(seed: int = 0) -> Node:
    of = factory.cell()
    return Node(id=f"n-s{seed}", kind="train", cell_id="n", cell=of, seed=seed, fold=0, code={})


def shared(place: Path, session: str = "mine") -> Leases:
    return Leases(place, session)


def of_nodes_alone(place: Path) -> list[Path]:
    return [path for path in (place / leases.FOLDER).glob("*.json") if not path.name.startswith("run-")]


def held_by(place: Path, holder: Holder) -> Path:
    """Leave the lease of another process."""
    with shared(place, "other") as other:
        assert other.take(node())
        (path,) = of_nodes_alone(place)
        text = msgspec.json.encode(holder)
    path.write_bytes(text)
    return path


def test_one_of_two_has_a_node_until_it_lets_go(tmp_path: Path) -> None:
    with shared(tmp_path) as mine, shared(tmp_path, "other") as other:
        assert mine.take(node())
        assert mine.take(node()), "again"
        assert not other.take(node())
        assert other.take(node(1))
        mine.release(node().id)
        assert other.take(node())
    assert not list((tmp_path / leases.FOLDER).glob("*.json"))


def test_the_lease_of_a_dead_process_is_free_at_once(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    held_by(tmp_path, Holder(leases.host(), dead.pid, "0", "dead"))
    with shared(tmp_path) as mine:
        assert mine.take(node())


def test_a_process_number_that_came_again_is_another_process(tmp_path: Path) -> None:
    held_by(tmp_path, Holder(leases.host(), os.getppid(), "1", "before"))
    with shared(tmp_path) as mine:
        assert mine.take(node())


def test_another_machine_is_gone_when_it_is_silent(tmp_path: Path) -> None:
    path = held_by(tmp_path, Holder("elsewhere", 1, "0", "far"))
    with shared(tmp_path) as mine:
        assert not mine.take(node())
        os.utime(path, (time.time() - 2 * leases.SILENCE_S,) * 2)
        assert mine.take(node())


def test_a_holder_says_that_it_is_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.05)
    with shared(tmp_path) as mine:
        assert mine.take(node())
        (path,) = of_nodes_alone(tmp_path)
        os.utime(path, (1, 1))
        time.sleep(0.5)
        assert path.stat().st_mtime > 1


@pytest.mark.parametrize("text", [b"", b"{", b'{"host": 5}'])
def test_a_damaged_lease_is_free_after_a_while(tmp_path: Path, text: bytes) -> None:
    path = held_by(tmp_path, Holder("", 0, "", ""))
    path.write_bytes(text)
    with shared(tmp_path) as mine:
        assert not mine.take(node()), "it may be half written"
        os.utime(path, (time.time() - 2 * leases.SILENCE_S,) * 2)
        assert mine.take(node())


def test_a_process_that_was_killed_and_not_yet_waited_for_is_gone(tmp_path: Path) -> None:
    zombie = subprocess.Popen(["sleep", "60"])
    held_by(tmp_path, Holder(leases.host(), zombie.pid, process.identity(zombie.pid) or "", "killed"))
    with shared(tmp_path) as mine:
        assert not mine.take(node())
        zombie.kill()
        time.sleep(0.2)
        assert mine.take(node())
    zombie.wait()


def test_a_run_that_was_silent_lets_its_successor_be(tmp_path: Path) -> None:
    with shared(tmp_path) as mine, shared(tmp_path, "other") as other:
        assert mine.take(node())
        (path,) = of_nodes_alone(tmp_path)
        text = msgspec.structs.replace(msgspec.json.decode(path.read_bytes(), type=Holder), host="far")
        path.write_bytes(msgspec.json.encode(text))
        os.utime(path, (1, 1))
        assert other.take(node())
        mine.release(node().id)
        assert not mine.take(node()), "the other one's lease is still there"


def test_who_waits_is_no_reason_to_wait_for(tmp_path: Path) -> None:
    with shared(tmp_path) as mine, shared(tmp_path, "other") as other:
        assert not mine.is_last()
        with other.waiting():
            assert mine.is_last()
        assert not mine.is_last()


def started(place: Path, home: str = "home", text: str = SUITE, name: str = "mine") -> subprocess.Popen[str]:
    (place / "suites").mkdir(exist_ok=True)
    (place / "suites" / f"{name}.yaml").write_text(text)
    words = ("run", name, "--workers", "1", "--plugins", f"{ROOT}/tests/plugins")
    return subprocess.Popen(
        command(*words, worker="slow_worker", timer="slow_worker"),
        cwd=place,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}", "BENCH_HOME": str(place / home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def of_nodes(place: Path) -> Counter[store.NodeKey]:
    reading = store.read(place / "results")
    assert not reading.problems
    assert all(record.status == "finished" for record in reading.records)
    return Counter(store.key(record) for record in reading.records)


@pytest.mark.slow
def test_runs_started_at_once_share_the_nodes(tmp_path: Path) -> None:
    took = {}
    for runs in (1, 2, 4):
        place = tmp_path / str(runs)
        place.mkdir()
        before = time.monotonic()
        processes = [started(place) for _ in range(runs)]
        told = [process.communicate(timeout=120)[0] for process in processes]
        took[runs] = time.monotonic() - before
        assert [process.returncode for process in processes] == [0] * runs, told
        nodes = of_nodes(place)
        assert len(nodes) == NODES
        assert set(nodes.values()) == {1}
        assert not list((place / "results" / leases.FOLDER).glob("*.json"))
    assert took[2] < 0.7 * took[1], took
    assert took[4] < 0.7 * took[1], took


@pytest.mark.slow
def test_what_a_killed_run_had_taken_is_taken_over(tmp_path: Path) -> None:
    one, other = started(tmp_path), started(tmp_path)
    until = time.monotonic() + 60
    while len(list((tmp_path / "results").glob("mine/*/*.json"))) < 6 and time.monotonic() < until:
        time.sleep(0.05)
    below = psutil.Process(one.pid).children(recursive=True)
    os.killpg(one.pid, signal.SIGKILL)
    told, _ = other.communicate(timeout=120)
    assert other.returncode == 0, told
    nodes = of_nodes(tmp_path)
    assert len(nodes) == NODES
    assert set(nodes.values()) == {1}
    assert not [process for process in below if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_machines_that_share_the_results_alone_finish_what_they_began(tmp_path: Path) -> None:
    processes = [started(tmp_path, f"home{i}") for i in range(2)]
    told = [process.communicate(timeout=120)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes), told
    nodes = of_nodes(tmp_path)
    assert len(nodes) == NODES
    assert set(nodes.values()) == {1}


@pytest.mark.slow
def test_what_needs_networks_of_several_machines_is_done_all_the_same(tmp_path: Path) -> None:
    text = SUITE.replace("quantized: [quantize]", "several: [ensemble]").replace("[1]}", "[1], seeds: all}")
    processes = [started(tmp_path, f"home{i}", text) for i in range(2)]
    told = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert not any("not executed" in one for one in told), told
    kinds = Counter(key[1] for key in of_nodes(tmp_path))
    assert kinds == {"train": 8, "derive": 1, "measure": 9}


@pytest.mark.slow
def test_two_suites_with_common_cells_share_them(tmp_path: Path) -> None:
    processes = [started(tmp_path, name=name) for name in ("one", "other")]
    told = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    nodes = of_nodes(tmp_path)
    assert len(nodes) == NODES
    assert set(nodes.values()) == {1}


@pytest.mark.slow
def test_a_home_may_be_claimed_by_several_at_once(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from bench.tasks import Home; Home(Path(sys.argv[1])).claim()"
    for i in range(20):
        words = [sys.executable, "-c", script, str(tmp_path / str(i))]
        pair = [subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(ROOT)}) for _ in range(2)]
        assert [process.wait() for process in pair] == [0, 0]


@pytest.mark.slow
def test_what_failed_in_one_run_has_failed_for_the_other(tmp_path: Path) -> None:
    text = SUITE.replace("epochs: 1", f"epochs: 1, learning_rate: {RAISES}")
    processes = [started(tmp_path, text=text) for _ in range(2)]
    told = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], told
    counts = Counter(store.key(record) for record in store.read(tmp_path / "results").records)
    assert len(counts) == 8 * 2
    assert set(counts.values()) == {1}
