"""What a worker process is given, and what becomes of what it meets."""

from pathlib import Path

import factory
import msgspec
import pytest
import workbench

from bench import run, tasks
from bench.errors import NotInstalled, Unsupported
from bench.measure.hardware import hardware
from bench.runner import outcomes
from bench.runner.process import environment
from bench.tasks import Home, Node, Task


def task(kind: str = "measure") -> Task:
    of = factory.cell()
    node = Node(id="n", kind=kind, cell_id="c", cell=of, seed=0, fold=0, code={})  # type: ignore[arg-type]
    return Task(
        node=node,
        suite="demo",
        home=Home(Path()),
        plugins=(),
        commit=None,
        dirty=None,
        threads=1,
        backend="tensorflow",
    )


class Raised:
    """An ended job whose worker raised."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def result(self) -> None:
        raise self._error


@pytest.mark.parametrize("error", [Unsupported("takes 1 example a call, not 64"), NotInstalled("x is not installed")])
def test_a_runtime_that_cannot_is_unsupported_and_not_failed(error: Unsupported) -> None:
    error.add_note("Traceback")
    found = outcomes.outcome(Raised(error), task())  # type: ignore[arg-type]
    assert found.status == "unsupported"
    assert (found.error.type, found.error.message) == (type(error).__name__, str(error))
    assert found.status not in run.FAILURES


def test_ones_own_flags_stand_behind_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_mine=true")
    assert environment("jax", 1)["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false --xla_mine=true"
    monkeypatch.delenv("XLA_FLAGS")
    assert environment("jax", 2)["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=true"


def test_an_accelerator_has_one_worker_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    here = msgspec.structs.replace(hardware(), cores=16)
    monkeypatch.setattr(run, "hardware", lambda: here)
    assert run._workers(1) == 16
    assert run._workers(4) == 4
    monkeypatch.setattr(run, "hardware", lambda: msgspec.structs.replace(here, accelerators=("H200", "H200")))
    assert run._workers(1) == 2


def test_two_processes_of_one_number_do_not_share_their_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    first = tasks.home().scratch
    tasks._session.cache_clear()
    second = tasks.home().scratch
    assert first != second
    assert tasks.home().scratch == second


@pytest.mark.slow
def test_runtimes_that_never_use_the_accelerator_say_so(tmp_path: Path) -> None:
    from bench.work import network

    learn = workbench.prepare("digits").learn
    home = Home(tmp_path)
    artifact = network.save(workbench.build("mlp(width=4, depth=1)", learn), home.artifacts)
    assert workbench.deploy("litert", artifact, home).device == "cpu"
    assert workbench.deploy("keras_predict", artifact, home).device is None


def test_what_was_not_installed_is_tried_again(tmp_path: Path) -> None:
    from bench import store
    from bench.planning import plan, suite

    (tmp_path / "mine.yaml").write_text("title: T\ndatasets: [digits]\narchitectures: [mlp]\nseeds: [0]\n")
    read = suite.read(tmp_path / "mine.yaml", workbench.CATALOG)

    def made() -> plan.Plan:
        return plan.make(read, workbench.CATALOG, tmp_path / "results", tmp_path / "artifacts")

    (step, *_) = made().steps.values()
    for kind, status in (("NotInstalled", "new"), ("Unsupported", "unsupported")):
        failed = tasks.failure(
            msgspec.structs.replace(task(), node=step.node), "unsupported", kind, "onnxruntime is not installed"
        )
        store.write(tmp_path / "results", failed)
        assert made().runs[0].status == status, kind
