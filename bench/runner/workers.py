"""Jobs in processes of their own, as the runner sees them: start, wait, what became of it."""

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.runner.forkserver import Answer, Ended, Ready, Start, Stop
from bench.runner.process import can_fork

PATIENCE_S = 2.0
"""How long a server may take to end its jobs and itself."""


class Died(Exception):
    """A job's process ended before it answered."""

    def __init__(self, exitcode: int) -> None:
        """Keep the exit code; below zero it is the number of a signal."""
        by = f" by {signal.Signals(-exitcode).name}" if -exitcode in set(signal.Signals) else ""
        super().__init__(f"the worker process was ended{by} with exit code {exitcode} before it answered")
        self.exitcode = exitcode


class Late(Exception):
    """A job took longer than it may."""


@dataclass(eq=False)
class Job:
    """A function in a process of its own."""

    number: int
    server: "_Server"
    deadline: float | None
    ended: Ended | None = None
    is_late: bool = False

    def result(self) -> Any:
        """Return what the function returned or raise what it raised, the traceback as a note; or raise Late or Died."""
        assert self.ended is not None, "the job has not ended"
        if self.is_late:
            raise Late
        if self.ended.answer is None:
            raise Died(self.ended.exitcode)
        answer: Answer = pickle.loads(self.ended.answer)  # noqa: S301 – our own process has written it
        if answer.error:
            answer.error.add_note(answer.traceback)
            raise answer.error
        return answer.value


@dataclass(frozen=True)
class Kind:
    """What processes have before a job starts: imported modules, under environment variables."""

    modules: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, *modules: str, variables: Mapping[str, str]) -> "Kind":
        """Return the kind that imports `modules`."""
        return cls(modules, tuple(sorted(variables.items())))


class Workers:
    """All processes of one run. A job of a kind is a fork of that kind's server.

    Where processes cannot be forked every job has a server to itself, and one more of its kind is
    importing meanwhile.
    """

    def __init__(self, log: Path, *, forks: bool | None = None) -> None:
        """Start nothing yet; `forks` is found out unless it is said."""
        self._log = log
        self._forks = can_fork() if forks is None else forks
        self._servers: dict[Kind, _Server] = {}
        self._numbers = itertools.count()
        self._running: dict[int, Job] = {}

    def warm_up(self, kind: Kind) -> None:
        """Let a server of a kind import, for jobs to come; one that has ended is replaced."""
        if kind not in self._servers or self._servers[kind].exitcode is not None:
            self._servers[kind] = _Server(kind, self._log, self._forks)

    def start(
        self, kind: Kind, function: str, *arguments: Any, timeout_s: float | None = None, alone: bool = False
    ) -> Job:
        """Execute `module:function` in a fresh process of a kind; nothing is prepared beside one that is `alone`."""
        self.warm_up(kind)
        server = self._servers[kind]
        if not self._forks:
            del self._servers[kind]
            if not alone:
                self.warm_up(kind)
        job = Job(next(self._numbers), server, None if timeout_s is None else time.monotonic() + timeout_s)
        self._running[job.number] = job
        server.send(Start(job.number, function, arguments))
        return job

    def wait(self, timeout_s: float) -> list[Job]:
        """Sleep until a job has ended, `timeout_s` at most; return those that have, the late ones stopped.

        Raise BenchError if a server cannot import what its kind asks for.
        """
        now = time.monotonic()
        for job in self._running.values():
            if job.deadline is not None and now > job.deadline and not job.is_late:
                job.is_late = True
                job.server.end(job.number)
            elif job.deadline is not None and not job.is_late:
                timeout_s = min(timeout_s, job.deadline - now)
        servers = {job.server.connection: job.server for job in self._running.values()}
        done: list[Job] = []
        for connection in wait(list(servers), timeout_s):
            server = servers[connection]  # type: ignore[index]
            for ended in server.receive():
                done.append(self._running.pop(ended.job))
                done[-1].ended = ended
            if server.exitcode is not None:
                done += self._abandon(server)
        return done

    def close(self) -> None:
        """End all processes at once."""
        for server in {job.server for job in self._running.values()} | set(self._servers.values()):
            server.stop()
        self._running.clear()
        self._servers.clear()

    def _abandon(self, server: "_Server") -> Iterator[Job]:
        """Yield the jobs of a server that is gone; a later job gets a new one."""
        if self._servers.get(server.kind) is server:
            del self._servers[server.kind]
        for number, job in list(self._running.items()):
            if job.server is server:
                job.ended = Ended(number, server.exitcode or 0, None)
                yield self._running.pop(number)


def once(kind: Kind, log: Path, function: str, *arguments: Any) -> Job:
    """Execute `module:function` in a process of its own; return the job that has ended."""
    with closing(Workers(log)) as workers:
        job = workers.start(kind, function, *arguments)
        while not job.ended:
            workers.wait(1.0)
    return job


class _Server:
    """The parent's end of a `bench.runner.forkserver`."""

    def __init__(self, kind: Kind, log: Path, forks: bool) -> None:
        self.kind = kind
        self.connection, theirs = Pipe()
        self.threads: int | None = None
        """Its threads once all is imported."""
        self._forks = forks
        self._log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        command = "import sys; from bench.runner.forkserver import main; main(*sys.argv[1:])"
        terminal = os.dup(2)
        words = (str(theirs.fileno()), str(terminal), "fork" if forks else "spawn", *kind.modules)
        path = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
        # A Ctrl-C before the server can ignore it would be the end of it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            with log.open("ab") as file:
                self._process = subprocess.Popen(
                    (sys.executable, "-P", "-c", command, *words),
                    env=os.environ | {"PYTHONPATH": path} | dict(kind.variables),
                    pass_fds=(theirs.fileno(), terminal),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            os.close(terminal)

    @property
    def exitcode(self) -> int | None:
        return self._process.poll()

    def send(self, word: Start | Stop) -> None:
        with suppress(OSError):  # where it is gone `receive` and `exitcode` will tell
            self.connection.send(word)

    def end(self, job: int) -> None:
        """Stop a job; one that runs in the server itself takes it along."""
        if self._forks:
            self.send(Stop(job))
        else:
            self._process.kill()

    def receive(self) -> Iterator[Ended]:
        """Yield what has come."""
        try:
            while self.connection.poll():
                word = self.connection.recv()
                if isinstance(word, Ended):
                    yield word
                else:
                    self._note(word)
        except (EOFError, OSError):
            self._process.wait()

    def _note(self, ready: Ready) -> None:
        self.threads = ready.threads
        if ready.fault:
            raise BenchError(f"workers cannot start: {ready.fault}; see {self._log}")

    def stop(self) -> None:
        self.connection.close()  # at which a server that is ready ends its jobs and itself
        if self.threads is None:
            self._process.kill()  # it has none yet
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
