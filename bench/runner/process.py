"""The worker processes' side of the pool: environment first, heavy imports after."""

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_terminal: int | None = None
"""The file descriptor of the parent's stderr, in a worker."""


def environment(backend: str, threads: int) -> dict[str, str]:
    """Return the environment variables that fix a worker's backend and its number of CPU threads."""
    own = os.environ.get("XLA_FLAGS", "")
    return {
        "KERAS_BACKEND": backend,
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        # One's own flags stand last, where they win.
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'} {own}".strip(),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


def start(variables: dict[str, str], log: Path) -> None:
    """Prepare a fresh worker: leave Ctrl-C to the parent, send all output to the log."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(variables)
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    global _terminal
    _terminal = os.dup(2)
    for stream in (1, 2):
        os.dup2(file, stream)


@contextmanager
def visible() -> Iterator[None]:
    """Let a worker's errors reach the person's terminal again: the progress of a download."""
    if _terminal is None:
        yield
        return
    log = os.dup(2)
    os.dup2(_terminal, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(log, 2)
        os.close(log)


def call(function: str, *arguments: Any) -> Any:
    """Import `module:function` here, in the worker, and call it."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)
