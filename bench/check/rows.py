"""One comparison, what is said of it, and the rule by which it is said."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from bench import records, stats, store, wording
from bench.records import Record

Verdict = Literal["regressed", "undecided", "improved", "unchanged", "shown"]
"""`shown` is what is never judged: timings of the profile `smoke`."""
Side = Sequence[Record]
STRICT = 0.01
"""The level where a side has a single seed, of which nobody knows whether it is a usual one."""
POWER = 0.8
"""How often a loss that a row says it would have seen is seen."""


class Row(Struct, frozen=True, kw_only=True):
    """One comparison of new records with their baseline."""

    suite: str
    cell_id: str
    label: str
    node: records.NodeKind
    better: records.Better = "higher"
    metric: str
    """`accuracy`, `loss`, `latency_ms`, `throughput`, …, or `status` for runs that did not finish."""
    class_name: str | None = None
    """Of a metric of one class."""
    runtime: str | None = None
    batch_size: int | None = None
    machine: str | None = None
    """Of a timing: the hardware's fingerprint, the backend, and the versions that it depends on."""
    verdict: Verdict = "undecided"
    old: stats.Interval | None = None
    new: stats.Interval | None = None
    unit: str = ""
    """Of the difference: `points` for proportions and `%` for speed, both 0 to 1 here nonetheless."""
    difference: float | None = None
    """New minus old; for speed new / old - 1."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    """p adjusted for all rows of its kind in the check."""
    visible: float | None = None
    """The loss that this comparison sees four times in five, in the difference's unit."""
    n: int
    """Seeds and folds on the new side."""
    n_old: int = 0
    more_seeds: int | None = None
    """New seeds that would probably decide an undecided row."""
    made: str
    """When the newest record of the new side was made."""
    acknowledged: str | None = None
    """Why somebody lets this alert stand."""
    reason: str

    @property
    def fails(self) -> bool:
        """Tell whether the row is an alert that nobody has acknowledged."""
        return self.verdict == "regressed" and self.acknowledged is None

    @property
    def outcome(self) -> str:
        """Return the verdict, `acknowledged` for an alert that may stand."""
        return "acknowledged" if self.acknowledged is not None else self.verdict

    @property
    def place(self) -> str:
        """What was compared, in a few words: `latency_ms litert batch 1`."""
        batch = None if self.batch_size is None else f"batch {self.batch_size}"
        parts = (self.metric, self.class_name, self.runtime, batch)
        return " ".join(part for part in parts if part is not None)


Group = tuple[bytes, str]
"""A node of all seeds and folds, and the machine's fingerprint if it is timed."""


def node_of(record: Record) -> bytes:
    """Return what the seeds and folds of one node share."""
    return records.canonical((record.cell_id, record.node, record.measure))


def group_of(record: Record, *, any_versions: bool = False) -> Group:
    """Return what one row gathers: a node, and if it is timed, hardware and versions that timings depend on."""
    if record.measure is None:
        return node_of(record), ""
    made = record.provenance
    names = () if any_versions else record.runtime_packages
    packages = (f"{name} {made.packages.get(name, 'absent')}" for name in names)
    return node_of(record), ", ".join((made.hardware.fingerprint, made.backend, *packages))


def grouped(found: Iterable[Record], *, any_versions: bool = False) -> dict[Group, list[Record]]:
    """Return the newest finished record of each seed and fold, by group."""
    groups: defaultdict[Group, list[Record]] = defaultdict(list)
    for record in found:
        groups[group_of(record, any_versions=any_versions)].append(record)
    return {key: latest for key, group in groups.items() if (latest := store.newest(group))}


def row_of(group: Side, labels: dict[str, str], **fields: Any) -> Row:
    """Return the row of a group of new records, not decided yet."""
    first = group[0]
    label = labels.get(first.cell_id, first.cell_id)
    made = max(record.created for record in group)
    return Row(
        suite=first.suite, cell_id=first.cell_id, label=label, node=first.node, n=len(group), made=made, **fields
    )


def decide(row: Row, tolerance: float, level: float = stats.ALPHA) -> Row:
    """Return the row with its verdict and reason.

    1. The whole interval lies within ±tolerance: unchanged, however certain the difference is.
    2. q is below the level: regressed or improved.
    3. The interval excludes a loss beyond the tolerance: unchanged.
    4. Otherwise undecided, which neither raises an alarm nor clears one.
    """
    if row.low is None or row.high is None or row.difference is None or row.q is None:
        return row
    allowed = tolerance if row.unit in {"points", "%"} or row.old is None else tolerance * abs(row.old.value)
    shown = wording.amount(allowed, row.unit)
    sign = 1 if row.better == "higher" else -1
    worst, best = sorted((sign * row.low, sign * row.high))
    verdict: Verdict
    if -allowed <= worst and best <= allowed:
        verdict, reason = "unchanged", f"surely within ±{shown}"
    elif row.q < level:
        verdict, reason = "improved" if sign * row.difference > 0 else "regressed", f"q = {row.q:.2g}"
    elif -allowed <= worst:
        verdict, reason = "unchanged", f"surely no loss beyond {shown}"
    else:
        verdict, reason = "undecided", f"noise may hide a loss beyond {shown}"
    return replace(row, verdict=verdict, reason=reason)
