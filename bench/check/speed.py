"""How fast networks answer against how fast they did, at equal hardware, packages and measurement.

The processes of a timing are its witnesses: calls of one share its memory layout and clock. Their
logarithms are compared, with a variance that all timings of a runtime and batch size tell each
other. What was measured in one sitting took turns; two sittings differ by more than their
processes do, and by how much no single one of them can know.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from msgspec.structs import replace

from bench import stats
from bench.check.rows import Row, Side, decide, grouped, row_of
from bench.records import Measurement, Record
from bench.stats import Group, Spread
from bench.stats.runs import FARTHEST

JUDGED = {"standard", "rigorous"}
"""Profiles whose processes are enough to be judged by."""
SITTINGS = 0.01
"""Deviation of a timing's logarithm from sitting to sitting on a machine with nothing else to do: two hours
apart, 54 LiteRT timings of this project differed by 1 % in the middle, sittings and processes together."""
LEAST = 0.001
"""Deviation of processes below which a few equal ones prove nothing."""
FEWEST_ROWS = 8
"""Rows from which on they say themselves how much sittings differ."""


class Place(NamedTuple):
    """What a figure of speed is of."""

    metric: str
    runtime: str | None
    batch_size: int | None


@dataclass(frozen=True)
class Timing:
    """One seed's figure of one place: by process, and the reason not to trust it, or an empty one."""

    value: float
    logs: tuple[float, ...]
    sitting: str
    doubt: str
    is_judged: bool
    """Its profile has processes enough."""


@dataclass(frozen=True)
class Pair:
    """A figure of one cell on both sides, all seeds."""

    row: Row
    new: tuple[Timing, ...]
    old: tuple[Timing, ...]

    @property
    def group(self) -> Group:
        """Return how far the processes of one timing lie apart."""
        every = [timing.logs for timing in (*self.new, *self.old)]
        squares = math.fsum((log - fmean(logs)) ** 2 for logs in every for log in logs)
        return Group(squares, sum(len(logs) - 1 for logs in every), None, 0.0, LEAST**2)

    @property
    def apart(self) -> float:
        """Return new minus old as logarithms."""
        new, old = (fmean([fmean(timing.logs) for timing in side]) for side in (self.new, self.old))
        return new - old

    @property
    def processes(self) -> float:
        """Return the share of the processes' variance that `apart` has."""
        return sum(math.fsum(1 / len(timing.logs) for timing in side) / len(side) ** 2 for side in (self.new, self.old))

    @property
    def sittings(self) -> float:
        """Return the share of the sittings' variance that `apart` has, none where both sides took turns."""
        new, old = ({timing.sitting for timing in side} for side in (self.new, self.old))
        return 0.0 if new == old else 1 / len(new) + 1 / len(old)


def speed(
    new: Side, old: Side, labels: dict[str, str], tolerance: float, *, any_versions: bool = False
) -> Iterator[Row]:
    """Yield a row for each runtime, batch size and figure that both sides have."""
    baseline = grouped((record for record in old if record.measure), any_versions=any_versions)
    machines = dict(baseline.keys())
    pairs: list[Pair] = []
    for key, group in grouped((record for record in new if record.measure), any_versions=any_versions).items():
        node, machine = key
        if key in baseline:
            after, before = _timings(group), _timings(baseline[key])
            for place in sorted(after.keys() & before.keys(), key=str):
                found = _pair(group, labels, place, after[place], before[place], machine)
                if isinstance(found, Row):
                    yield found
                else:
                    pairs.append(found)
        elif node in machines:
            reason = f"measured on other hardware or versions: {machine}; baseline {machines[node]}"
            runtime = group[0].measure.name if group[0].measure else None
            yield row_of(group, labels, metric="latency_ms", better="lower", runtime=runtime, reason=reason)
    yield from _judged(pairs, tolerance)


def _judged(pairs: list[Pair], tolerance: float) -> Iterator[Row]:
    """Yield rows with their verdicts; those of a runtime and figure say together how far timings lie apart."""
    kinds: defaultdict[tuple[str, str | None], list[Pair]] = defaultdict(list)
    for pair in pairs:
        kinds[pair.row.metric, pair.row.runtime].append(pair)
    rows = []
    for alike in kinds.values():
        prior = stats.prior_of(pair.group for pair in alike)
        assert prior is not None
        spreads = [Spread((found := prior.variance(pair.group)).variance * pair.processes, found.df) for pair in alike]
        sitting = _sitting_variance(alike, spreads)
        for pair, spread in zip(alike, spreads, strict=True):
            whole = stats.total(spread, Spread(sitting * pair.sittings, math.inf))
            about = stats.estimate(pair.apart, pair.row.n, whole)
            low, high = (math.expm1(min(end, FARTHEST)) for end in (about.low or 0.0, about.high or 0.0))
            rows.append(
                replace(pair.row, difference=math.expm1(min(pair.apart, FARTHEST)), low=low, high=high, p=about.p)
            )
    for row, q in zip(rows, stats.q_values([row.p or 0.0 for row in rows]), strict=True):
        decided = decide(replace(row, q=q), tolerance)
        if decided.verdict == "undecided":
            decided = replace(decided, reason=f"{decided.reason}; timed side by side it would show: --remeasure")
        yield decided


def _sitting_variance(pairs: list[Pair], spreads: list[Spread]) -> float:
    """Return the variance from sitting to sitting; where it is larger than on a quiet machine, most rows show it."""
    apart = [abs(pair.apart) for pair in pairs if pair.sittings]
    if len(apart) < FEWEST_ROWS:
        return SITTINGS**2
    # A normal's, and blind to a few that have moved. A shift that all have in common may be the machine's.
    seen = (1.4826 * median(apart)) ** 2
    own = median(spread.variance for spread in spreads)
    return max(SITTINGS**2, (seen - own) / median(pair.sittings for pair in pairs if pair.sittings))


def _pair(
    group: Side, labels: dict[str, str], place: Place, new: Sequence[Timing], old: Sequence[Timing], machine: str
) -> Pair | Row:
    """Return the trusted timings of both sides; a row with the reason where there are none."""
    row = row_of(
        group,
        labels,
        metric=place.metric,
        runtime=place.runtime,
        batch_size=place.batch_size,
        better="higher" if place.metric == "throughput" else "lower",
        unit="%",
        machine=machine,
        n_old=len(old),
        reason="",
    )
    if not all(timing.is_judged for timing in (*new, *old)):
        after, before = (_middle(side) for side in (new, old))
        reason = "the profile smoke is shown and not judged"
        change = after.value / before.value - 1 if before.value else None
        return replace(row, new=after, old=before, difference=change, verdict="shown", reason=reason)
    trusted = []
    for side, name in ((new, "new"), (old, "baseline")):
        if all(timing.doubt for timing in side):
            return replace(row, reason=f"{name} timing: {side[0].doubt}")
        trusted.append(tuple(timing for timing in side if not timing.doubt))
    return Pair(replace(row, new=_middle(trusted[0]), old=_middle(trusted[1])), *trusted)


def _middle(side: Sequence[Timing]) -> stats.Interval:
    return stats.Interval(value=median(timing.value for timing in side), low=None, high=None, n=len(side))


def _timings(group: Side) -> dict[Place, list[Timing]]:
    """Return p50 latency and throughput of all seeds."""
    found: defaultdict[Place, list[Timing]] = defaultdict(list)
    for record in group:
        for m in record.measurements:
            if (m.name == "latency_ms" and m.statistic == "p50") or m.name == "throughput":
                found[Place(m.name, m.runtime, m.batch_size)].append(_timing(record, m))
    return found


def _timing(record: Record, m: Measurement) -> Timing:
    assert record.measure is not None
    named = f"latency_{m.statistic}_ms" if m.name == "latency_ms" else m.name
    logs: tuple[float, ...] = ()
    for series in record.series:
        if (series.name, series.axis, series.batch_size) == (named, "process", m.batch_size):
            logs = tuple(math.log(value) for value in series.values if value and value > 0)
    trust = next((t for t in record.timings if (t.runtime, t.batch_size) == (m.runtime, m.batch_size)), None)
    doubt = ""
    if trust is None:
        doubt = "its validity is not recorded"
    elif trust.validity != "valid":
        doubt = f"{trust.validity}: {'; '.join(trust.reasons)}"
    elif len(logs) < 2:
        doubt = "its processes are not recorded one by one, as they are since schema 4; time it again"
    return Timing(m.value, logs, record.sitting or record.created, doubt, record.measure.profile in JUDGED)
