"""What a worker process is given."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

terminal: int | None = None
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
        # Without it PyTorch wakes the device when Keras is imported, and no fork of that process could use it.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


def can_fork() -> bool:
    """Tell whether a process that has imported a framework may be forked: macOS's own libraries forbid it."""
    return sys.platform == "linux"


def wake(pid: int) -> None:
    """Let a process go on that a signal has stopped, and that nobody would wait for in vain."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_STOPPED:
            process.resume()


@contextmanager
def visible() -> Iterator[None]:
    """Let a worker's errors reach the person's terminal again: the progress of a download."""
    if terminal is None:
        yield
        return
    log = os.dup(2)
    os.dup2(terminal, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(log, 2)
        os.close(log)


def identity(pid: int) -> str | None:
    """Return what tells a process from all that had its number before; None if it has ended."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.parent.parent.joinpath("self").exists():  # macOS
        try:
            return str(psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None
    try:
        state, *fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(") ")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in {"Z", "X"} else fields[18]  # when it started, in ticks since the machine did
