"""Processes: a fresh one for every job, and what becomes of those that end in another way than by an answer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bench.errors import BenchError
from bench.runner.process import environment, identity
from bench.runner.workers import Died, Job, Kind, Late, Workers

PLAIN = Kind.of("math", variables={"BENCH_TEST": "here"})


@pytest.fixture(params=[True, False], ids=["forked", "spawned"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path / "log", forks=request.param)
    yield made
    made.close()


def ended(workers: Workers, *jobs: Job, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while not all(job.ended for job in jobs) and time.monotonic() < until:
        workers.wait(0.2)
    assert all(job.ended for job in jobs)


def test_every_end_of_a_process_is_told(workers: Workers) -> None:
    answers = workers.start(PLAIN, "math:sqrt", 9)
    raises = workers.start(PLAIN, "math:sqrt", -1)
    exits = [workers.start(PLAIN, *how) for how in (("os:_exit", 0), ("os:_exit", 7))]
    quits = workers.start(PLAIN, "sys:exit", 0)
    aborts = workers.start(PLAIN, "os:abort")
    hangs = workers.start(PLAIN, "time:sleep", 60, timeout_s=1.5)
    ended(workers, answers, raises, quits, *exits, aborts, hangs)
    assert answers.result() == 3
    with pytest.raises(ValueError, match="math domain error") as raised:
        raises.result()
    assert "in execute" in "".join(raised.value.__notes__), "the traceback comes along"
    with pytest.raises(RuntimeError, match=r"called sys\.exit\(0\)"):
        quits.result()
    for job, code in zip([*exits, aborts], [0, 7, -signal.SIGABRT], strict=True):
        with pytest.raises(Died) as died:
            job.result()
        assert died.value.exitcode == code
    with pytest.raises(Late):
        hangs.result()


def test_processes_are_fresh_and_have_their_variables(workers: Workers) -> None:
    jobs = [workers.start(PLAIN, "os:getpid") for _ in range(3)]
    variable = workers.start(PLAIN, "os:getenv", "BENCH_TEST")
    ended(workers, *jobs, variable)
    assert len({job.result() for job in jobs} | {os.getpid()}) == 4
    assert variable.result() == "here"


def test_a_server_that_dies_takes_its_jobs_and_the_next_job_has_another(workers: Workers) -> None:
    ready = workers.start(PLAIN, "os:getppid")
    ended(workers, ready)
    hangs = workers.start(PLAIN, "time:sleep", 60)
    workers.wait(0.2)
    below = psutil.Process().children(recursive=True)
    for process in psutil.Process().children():
        process.kill()
    time.sleep(0.5)
    assert not [one for one in below if identity(one.pid) is not None], "jobs go with it"
    ended(workers, hangs)
    with pytest.raises(Died, match="-9"):
        hangs.result()
    again = workers.start(PLAIN, "math:sqrt", 4)
    ended(workers, again)
    assert again.result() == 2


def test_what_cannot_be_imported_is_one_line(workers: Workers) -> None:
    workers.start(Kind.of("no_such_module", variables={}), "math:sqrt", 4)
    with pytest.raises(BenchError, match="No module named 'no_such_module'"):
        workers.wait(30)


def test_stopping_leaves_no_process(workers: Workers) -> None:
    workers.start(PLAIN, "time:sleep", 60)
    workers.wait(1.0)
    workers.close()
    assert not [one for one in psutil.Process().children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("forks", [True, False])
def test_processes_end_when_the_parent_is_killed(tmp_path: Path, forks: bool) -> None:
    script = (
        "import sys, time; from pathlib import Path; from bench.runner.workers import Kind, Workers\n"
        "workers = Workers(Path(sys.argv[1]), forks=sys.argv[2] == 'True')\n"
        "workers.start(Kind.of(variables={}), 'time:sleep', 60)\n"
        "while True: workers.wait(0.1); print('waiting', flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log"), str(forks)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    below: list[psutil.Process] = []
    until = time.monotonic() + 20
    while len(below) < 2 and time.monotonic() < until:
        parent.stdout.readline()
        below = psutil.Process(parent.pid).children(recursive=True)
    assert len(below) == 2, "a server and a job, or a server that is one and the next"
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not alive


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_server_with_a_framework_has_one_thread(tmp_path: Path, backend: str) -> None:
    """Forking a process of several threads may leave a lock taken for ever."""
    workers = Workers(tmp_path / "log", forks=True)
    kind = Kind.of("bench.work.worker", variables=environment(backend, 1))
    try:
        ended(workers, workers.start(kind, "os:getpid"), within_s=90)
        assert workers._servers[kind].threads == 1
    finally:
        workers.close()


@pytest.mark.parametrize("workers", [True], indirect=True)
def test_what_a_forked_job_has_started_ends_with_it(workers: Workers) -> None:
    started = workers.start(PLAIN, "subprocess:check_output", ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"])
    ended(workers, started)
    time.sleep(0.3)
    assert identity(int(started.result())) is None
