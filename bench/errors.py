"""Errors that a person can mend, each with the exit code of the command that meets it.

    BenchError            2  base of all: one line that says where, what is wrong and what to do
    ├── SuiteError        2  a suite file, or an expression over its runs, that cannot be read
    ├── PluginError       2  an unknown plugin, or a call that does not fit its parameters
    ├── DataError         2  a dataset that is missing, damaged or unsafe to read
    ├── RecordError       4  a record that is broken or of a newer schema
    ├── Unsupported       –  this combination cannot work; becomes a record with that status
    │   └── NotInstalled  –  for want of a package here, which is never held against the cell
    ├── Diverged          –  the loss stopped being a finite number; becomes a record likewise
    └── NothingToCompare  3  a check without a single comparable pair

An OSError that names a path, or says that there is no room, is told in one line (`told`), too.
Anything else that reaches the top is a bug and shows its traceback.

Exit codes of every verb: 0 fine; 1 a regression or a failed run; 2 bad input; 3 nothing
comparable; 4 broken records were skipped; 130 interrupted.
"""

import difflib
import errno
import re
from collections.abc import Iterable

FINE = 0
FAILED = 1
BAD_INPUT = 2
NOTHING_COMPARABLE = 3
BROKEN_RECORDS = 4
INTERRUPTED = 130


class BenchError(Exception):
    """A fault that the reader can mend; its text is one line: where, what, cure."""

    exit_code = BAD_INPUT


class SuiteError(BenchError):
    """A suite file, or an expression over its runs, that cannot be read."""


class PluginError(BenchError):
    """An unknown plugin, or a call that does not fit its parameters."""


class DataError(BenchError):
    """A dataset that is missing, damaged or unsafe to read."""


class RecordError(BenchError):
    """A record that is broken or of a newer schema."""

    exit_code = BROKEN_RECORDS


class Unsupported(BenchError):
    """A combination that cannot work; the text is the reason."""


class NotInstalled(Unsupported):
    """A package is missing on this machine; tried again when it may be there."""


class Disagrees(BenchError):
    """A runtime computes something else than the network that it was given."""


class Diverged(BenchError):
    """The training loss stopped being a finite number."""


class NothingToCompare(BenchError):
    """A check found no pair of records to compare, which is never a pass."""

    exit_code = NOTHING_COMPARABLE


MOST_CHARACTERS = 300
"""Of a foreign message that a person reads; the rest stands in the traceback or the log."""
PLACE = re.compile(r"(Exception from|Check .* failed at) \S+:\d+:?")


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a framework found no memory, in TensorFlow's, PyTorch's or JAX's words."""
    names = {"ResourceExhaustedError", "OutOfMemoryError"}
    return type(error).__name__ in names or "RESOURCE_EXHAUSTED" in str(error)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, cut where it is long, or its type's name where it has none.

    What only names a place in the sources of a library, as OpenVINO's first lines do, says nothing, and a
    line that ends in a colon says it in the next.
    """
    lines = str(error).strip().splitlines()
    telling = [line for line in (" ".join(PLACE.sub("", line).split()) for line in lines) if line]
    reason = (telling or lines or [type(error).__name__])[0]
    if reason.endswith(":") and len(telling) > 1:
        reason = f"{reason} {telling[1]}"
    return shortened(reason)


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text that a terminal and a record can hold: cut, what cannot be printed or encoded spelled out."""
    cut = text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)
    return cut


def told(error: OSError) -> str:
    """Return what the system says of a path that a person named, in one line: place, fault, cure."""
    place = f"{error.filename}: " if error.filename else ""
    fault = error.strerror.lower() if error.strerror else str(error)
    cure = _CURES.get(error.errno or 0, "")
    return f"{place}{fault}{cure}"


def is_of_disk(error: OSError) -> bool:
    """Tell whether the system says by the number alone what a person can mend."""
    return error.errno in _CURES


_CURES = {
    errno.EACCES: "; choose a place that you may use, or change its permissions",
    errno.EPERM: "; choose a place that you may use, or change its permissions",
    errno.EROFS: "; choose a place that can be written to",
    errno.ENOSPC: "; make room there, or choose another place",
    errno.EDQUOT: "; make room there, or choose another place",
    errno.ENAMETOOLONG: "; choose a shorter name",
    errno.ENOTDIR: "; a part of this path is a file; choose another place",
    errno.EEXIST: "; a file is in the way; choose another place",
}


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return `; did you mean 'x'?` for the known word most like `word`, or an empty string if none is."""
    close = difflib.get_close_matches(word, list(known), n=3, cutoff=cutoff)
    close.sort(key=lambda name: not name.startswith(word))  # of equals, the one that was begun
    return f"; did you mean '{close[0]}'?" if close else ""
