"""A process that has imported what workers need, and hands out fresh ones.

It imports and does nothing else: no operation, no device. A job then gets a fork of it, within a
tenth of a second, that is as fresh as a new interpreter. Where forking is unsafe the server
executes one job itself and ends.

It says `Ready`, reads `Start`s and `Stop`s from its parent and answers with an `Ended` a job; when
the parent is gone, so are the server and its jobs.
"""

import ctypes
import gc
import importlib
import os
import pickle
import signal
import threading
import traceback
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import first_line
from bench.runner import process

PATIENCE_S = 1.0
"""How long a process that has answered may take to end; less than the parent's patience with this one."""
LOOK_S = 5.0
"""How often jobs that say nothing are looked at."""
PR_SET_PDEATHSIG = 1
"""Of Linux's prctl."""


class Ready(NamedTuple):
    """The server's first word: all is imported, or the reason why it cannot be."""

    threads: int
    fault: str | None


class Start(NamedTuple):
    """Execute `module:function` in a process of its own."""

    job: int
    function: str
    arguments: tuple[Any, ...]


class Stop(NamedTuple):
    """End a job at once."""

    job: int


class Ended(NamedTuple):
    """A job's process is gone; `answer` is None if it never answered."""

    job: int
    exitcode: int
    answer: bytes | None


class Answer(NamedTuple):
    """What a function returned or raised."""

    value: Any
    error: Exception | None
    traceback: str


def execute(function: str, arguments: tuple[Any, ...]) -> bytes:
    """Import `module:function` here, call it, and return its Answer in a form that surely can be read."""
    try:
        module, _, name = function.partition(":")
        answer = Answer(getattr(importlib.import_module(module), name)(*arguments), None, "")
        return pickle.dumps(answer)
    except BaseException as failed:  # sys.exit and its like would end the process in silence
        told = traceback.format_exc()
        error = failed if isinstance(failed, Exception) else RuntimeError(_said(failed))
        try:
            packed = pickle.dumps(Answer(None, error, told))
            pickle.loads(packed)  # noqa: S301 – our own
            return packed
        except Exception:  # some errors cannot be pickled, others cannot be unpickled
            return pickle.dumps(Answer(None, RuntimeError(f"{type(error).__name__}: {error}"), told))


def _said(end: BaseException) -> str:
    return f"it called sys.exit({end})" if isinstance(end, SystemExit) else f"it raised {type(end).__name__}: {end}"


def main(connection: str, terminal: str, forks: str, *modules: str) -> None:
    """Be a server: import the modules, then execute jobs until the parent has gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # both reach the whole group, and are for the parent to obey
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    process.terminal = int(terminal)
    parent, fault = Connection(int(connection)), None
    gc.disable()  # it would look at all that is there again and again, for a quarter of the time
    try:
        for name in modules:
            importlib.import_module(name)
    except Exception as error:
        traceback.print_exc()
        fault = first_line(error)
    gc.collect()
    gc.freeze()  # or each fork's garbage collector would touch, and so copy, all that was imported
    gc.enable()
    parent.send(Ready(_threads(), fault))
    if forks == "fork":
        _Forks(parent).serve()
    else:
        start = parent.recv()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        parent.send(Ended(start.job, 0, execute(start.function, start.arguments)))
    os._exit(0)  # there is nothing to finish, and a framework takes its time over it


def _end_with(parent: Connection) -> None:
    """Wait for the parent's last word, which is that it is gone."""
    parent.poll(None)
    os._exit(1)


def _threads() -> int:
    """Return how many threads this process has; forking one of several is a risk."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 0


class _Forks:
    """The jobs that run, each in a fork of this process."""

    def __init__(self, parent: Connection) -> None:
        self._parent = parent
        self._jobs: dict[int, tuple[BaseProcess, Connection]] = {}

    def serve(self) -> None:
        """Start and end processes as the parent says; end them all when it has gone."""
        try:
            while True:
                pipes = [pipe for _, pipe in self._jobs.values()]
                sentinels = [one.sentinel for one, _ in self._jobs.values()]
                ready = set(wait([self._parent, *pipes, *sentinels], LOOK_S if self._jobs else None))
                if not ready:
                    for one, _ in self._jobs.values():
                        process.wake(one.pid or 0)
                for job, (one, pipe) in list(self._jobs.items()):
                    if pipe in ready or one.sentinel in ready:
                        self._end(job)
                if self._parent in ready:
                    self._obey(self._parent.recv())
        except (EOFError, OSError):
            pass
        finally:
            for one, _ in self._jobs.values():
                one.kill()

    def _obey(self, word: Start | Stop) -> None:
        if isinstance(word, Stop):
            if word.job in self._jobs:
                self._jobs[word.job][0].kill()
            return
        context = get_context("fork")
        reader, writer = context.Pipe(duplex=False)
        others = [self._parent, reader, *(pipe for _, pipe in self._jobs.values())]
        one = context.Process(target=_run, args=(word, writer, others, os.getpid()))
        one.start()
        writer.close()
        self._jobs[word.job] = (one, reader)

    def _end(self, job: int) -> None:
        one, pipe = self._jobs.pop(job)
        try:
            answer = pipe.recv_bytes() if pipe.poll() else None
        except (EOFError, OSError):
            answer = None
        one.join(PATIENCE_S)
        if one.exitcode is None:
            one.kill()
            one.join()
        with suppress(ProcessLookupError):
            os.killpg(one.pid or 0, signal.SIGKILL)  # what it has started and left behind
        self._parent.send(Ended(job, one.exitcode or 0, answer))
        pipe.close()
        one.close()


def _run(start: Start, pipe: Connection, others: list[Connection], server: int) -> None:
    """Be a job's process, which ends with the server, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    os.setpgid(0, 0)
    for other in others:
        other.close()
    pipe.send_bytes(execute(start.function, start.arguments))
