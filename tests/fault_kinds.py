"""Every way in which a plugin's process can come to an end, or be kept from one."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HEAL_S = 3
"""After which a full or read-only disk is mended again."""


def _memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**36, 2**36))
    b"0" * 2**40


def _full() -> None:
    place = Path(os.environ["SMALL_DISK"])
    later(f"rm -f {place}/filler-{os.getpid()}")
    with (place / f"filler-{os.getpid()}").open("wb") as file:
        try:
            while file.write(b"0" * 2**20):
                file.flush()
        except OSError:
            pass
    os.system("sync")


def _read_only() -> None:
    place = os.environ["SMALL_DISK"]
    later(f"mount -o remount,rw {place}")
    os.system(f"mount -o remount,ro {place} 2>/dev/null")  # refused while a file is open for writing


def later(command: str) -> None:
    subprocess.Popen(["sh", "-c", f"sleep {HEAL_S}; {command}"], start_new_session=True)


KINDS: dict[str, Callable[[], object]] = {
    "none": lambda: None,
    "exit": lambda: sys.exit(0),
    "exit_3": lambda: sys.exit(3),
    "at_once": lambda: os._exit(0),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "fault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "memory": _memory,
    "raise": lambda: 1 / 0,
    "hang": lambda: time.sleep(600),
    "full": _full,
    "read_only": _read_only,
}
ENDS = {
    "none": ("finished", ""),
    "exit": ("failed", "it called sys.exit(0)"),
    "exit_3": ("failed", "it called sys.exit(3)"),
    "at_once": ("failed", "ended with exit code 0 before it answered"),
    "term": ("finished", ""),
    "kill": ("out_of_memory", "signal 9"),
    "fault": ("failed", "exit code -11"),
    "stop": ("finished", ""),
    "memory": ("out_of_memory", ""),
    "raise": ("failed", "division by zero"),
    "full": ("finished", ""),
    "read_only": ("finished", ""),
}
"""Status and words of the record that each kind leaves."""
