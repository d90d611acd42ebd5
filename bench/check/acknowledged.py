"""Alerts that somebody has looked at and accepts for a while: `acknowledged.yaml`.

    acknowledged:
      - cell: digits-mlp-41d5997b
        what: accuracy
        reason: half the training time is worth a point
        until: 2027-01-31

`what` is the metric with class, runtime and batch size as the report writes it. An entry that has
run out, or that no alert answers to any more, fails the check: it would hide the next one.
"""

from collections.abc import Container, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bench.check.rows import Row
from bench.errors import BenchError
from bench.planning.located_yaml import Located

SPEED = ("latency_ms", "throughput")


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One alert that may stand."""

    cell: str
    what: str
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    until: date


def read(path: Path) -> list[tuple[Entry, str]]:
    """Return the entries of a file, each with its place."""
    starts = "must be a mapping that starts with 'acknowledged:', a list of entries below it"
    located = Located(path, starts)
    entries = located.value.get("acknowledged")
    if list(located.value) != ["acknowledged"] or not isinstance(entries, list):
        raise BenchError(f"{path}:1: {starts}")
    found = []
    for i, fields in enumerate(entries):
        where = f"{path}:{located.line('acknowledged', i)}"
        try:
            found.append((msgspec.convert(fields, Entry), where))
        except msgspec.ValidationError as error:
            cure = "an entry has cell, what, reason, and until as YYYY-MM-DD"
            raise BenchError(f"{where}: {error}; {cure}") from error
    return found


def apply(rows: Sequence[Row], path: Path, cells: Container[str]) -> tuple[list[Row], list[str]]:
    """Return the rows, alerts that are acknowledged marked so, and a line for each entry that must go.

    `cells` are the ids of all cells that have records; one that this check does not compare stays.
    """
    today = datetime.now(UTC).date()
    marked, faults = list(rows), []
    for entry, where in read(path):
        timings = entry.what.split()[:1] in ([name] for name in SPEED)
        of_kind = [i for i, row in enumerate(rows) if row.cell_id == entry.cell and (row.metric in SPEED) == timings]
        alerts = [i for i in of_kind if (rows[i].place, rows[i].verdict) == (entry.what, "regressed")]
        if entry.until < today:
            faults.append(f"{where}: '{entry.cell} {entry.what}' ran out on {entry.until}; renew it or delete it")
        elif alerts:
            for i in alerts:
                marked[i] = replace(rows[i], acknowledged=entry.reason)
        elif of_kind or entry.cell not in cells:
            faults.append(f"{where}: '{entry.cell} {entry.what}' answers to no alert; delete it")
    return marked, faults
