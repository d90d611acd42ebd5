"""What networks reach against what they reached: accuracy or loss, other figures by name, classes, costs.

Each cell is one row: the mean over seeds on equal test sets, new against old. All cells of the
check, and those of the baseline that were not run again, say together how far seeds lie apart.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from msgspec.structs import replace

from bench import stats
from bench.check import classes
from bench.check.rows import POWER, STRICT, Group, Row, Side, Verdict, decide, group_of, grouped, row_of
from bench.errors import BenchError, nearest
from bench.records import Record
from bench.stats import Contrast, Prior, Runs, Scale, Score, Spread

EXACT = ("parameters", "flops", "size_bytes")
"""Figures without noise; they are told only where they changed by more than the tolerance."""
MOST_SEEDS = 50
"""More new seeds than these are never asked for."""


@dataclass(frozen=True)
class Pair:
    """A cell's runs of one metric on both sides."""

    row: Row
    new: Side
    old: Side
    contrast: Contrast
    are_equal: bool
    """Every new run scored as the one of its seed did: nothing has changed, whatever other seeds the baseline has."""


def failures(new: Side, old: Side, labels: dict[str, str]) -> Iterator[Row]:
    """Yield a row for each group with runs whose last attempt failed, though the baseline finished them."""

    def run(record: Record) -> tuple[Group, int | None, int]:
        return group_of(record, any_versions=True), record.seed, record.fold

    finished = {run(record) for record in old if record.status == "finished"}
    last = {run(record): record for record in new}
    failed: defaultdict[Group, list[Record]] = defaultdict(list)
    for key, record in last.items():
        if record.status not in {"finished", "unsupported"} and key in finished:
            failed[key[0]].append(record)
    for group in failed.values():
        first = group[0]
        cause = f"{first.error.type}: {first.error.message}" if first.error else "no error was recorded"
        others = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
        reason = f"{first.status}: seed {first.seed}{others}: {' '.join(cause.split())}"
        runtime = first.measure.name if first.measure else None
        yield row_of(group, labels, metric="status", runtime=runtime, verdict="regressed", reason=reason)


def quality(new: Side, old: Side, labels: dict[str, str], tolerance: float, gates: Sequence[str] = ()) -> Iterator[Row]:
    """Yield a row for each cell that both sides trained or derived, and for each class of one that has changed.

    `gates` are further metrics, by the names that records have for them.
    """
    _refuse_unknown(gates, new)
    made = {"train", "derive"}
    before = grouped(record for record in old if record.node in made)
    after = {
        key: group
        for key, found in grouped(record for record in new if record.node in made).items()
        if key in before and (group := _not_older(found, before[key]))
    }
    pairs = [(group, before[key]) for key, group in after.items()]
    others = [group for key, group in before.items() if key not in after]
    main = [(_main(group), group, earlier) for group, earlier in pairs]
    yield from _judged(main, [(_main(group), group) for group in others], labels, tolerance)
    for gate in gates:
        gated = [(gate, group, earlier) for name, group, earlier in main if name != gate]
        yield from _judged(gated, [(gate, group) for group in others], labels, tolerance)
    for group, earlier in pairs:
        yield from _costs(group, earlier, labels, tolerance)


def _not_older(group: Side, earlier: Side) -> list[Record]:
    """Leave out runs that the baseline has made anew since: where a new attempt failed, an old one proves nothing."""
    latest = {(record.seed, record.fold): record.created for record in earlier}
    return [record for record in group if record.created >= latest.get((record.seed, record.fold), "")]


def _refuse_unknown(gates: Sequence[str], found: Side) -> None:
    """Raise BenchError for a gate that no new record has a score for, or of which neither direction is a loss."""
    known = {m.name for record in found for m in record.measurements if m.better != "none"}
    known = {name for name in known - set(EXACT) if any(stats.score(record, name) for record in found)}
    for gate in gates if found else ():
        if gate not in known:
            named = nearest(gate, known) or f"; there are {', '.join(sorted(known)) or 'none'}"
            raise BenchError(f"--gate '{gate}': not a figure that can be judged of any new record{named}")


def _main(group: Side) -> str:
    return "accuracy" if stats.score(group[0], "accuracy") else "loss"


def _compared(new: Side, old: Side, labels: dict[str, str], metric: str, scale: Scale) -> Pair | Row | None:
    """Return what is to be judged of a cell; a row that says why if nothing can be, None without figures."""
    every = _scores(new, metric), _scores(old, metric)
    if not all(every):
        return None
    tests = {score.test for score in every[0].values()} & {score.test for score in every[1].values()}
    after, before = ({run: s for run, s in side.items() if s.test in tests or not tests} for side in every)
    runs, earlier = (Runs(list(side.values()), scale) for side in (after, before))
    better = next(m.better for record in new for m in record.measurements if m.name == metric)
    row = row_of(
        new,
        labels,
        metric=metric,
        reason="",
        better=better,
        unit=next(iter(after.values())).unit,
        n_old=len(before),
        old=stats.interval(earlier),
        new=stats.interval(runs),
    )
    row = replace(row, n=len(after))
    contrast = Contrast.of(runs, earlier)
    if contrast is None:
        return replace(row, reason="the test sets differ, by their fingerprints")
    return Pair(row, new, old, contrast, after.items() <= before.items())


def _scores(group: Side, metric: str) -> dict[tuple[int | None, int], Score]:
    found = {(record.seed, record.fold): stats.score(record, metric) for record in group}
    return {run: score for run, score in found.items() if score}


def _judged(
    cells: Sequence[tuple[str, Side, Side]],
    others: Sequence[tuple[str, Side]],
    labels: dict[str, str],
    tolerance: float,
) -> Iterator[Row]:
    """Yield the rows of cells, each with its metric, with their verdicts, all corrected together."""
    sides = [*others, *((metric, side) for metric, *both in cells for side in both)]
    figures: defaultdict[str, list[Score]] = defaultdict(list)
    for metric, side in sides:
        figures[metric] += _scores(side, metric).values()
    scales = {metric: stats.scale_of(scores) for metric, scores in figures.items()}
    found = [_compared(new, old, labels, metric, scales[metric]) for metric, new, old in cells]
    yield from (one for one in found if isinstance(one, Row))
    pairs = [one for one in found if isinstance(one, Pair)]
    witnesses: defaultdict[str, list[stats.Group]] = defaultdict(list)
    for pair in pairs:
        witnesses[pair.row.metric].append(pair.contrast.group)
    for metric, group in others:
        if scores := _scores(group, metric):
            witnesses[metric].append(Runs(list(scores.values()), scales[metric]).group)
    priors = {metric: stats.prior_of(groups) for metric, groups in witnesses.items()}
    rows = [_with_difference(pair, priors[pair.row.metric]) for pair in pairs]
    single = classes.rows([pair for pair in pairs if pair.row.metric == "accuracy"], priors.get("accuracy"))
    main, single = _corrected(rows, single)
    sure = sum(row.q is not None and row.q < stats.ALPHA for row in main)
    decided = []
    for pair, row in zip(pairs, main, strict=True):
        level = STRICT if min(row.n, row.n_old) == 1 else stats.ALPHA
        alone = level * (sure + 1) / max(len(main), 1)  # what one more discovery has to reach
        judged = decide(row, tolerance, level)
        if pair.are_equal:
            judged = replace(judged, reason="every run scored as it did")
        decided.append(_with_power(judged, pair, priors[row.metric], tolerance, alone))
    yield from decided
    yield from _told(single, decided, tolerance)


def _told(single: list[Row], decided: list[Row], tolerance: float) -> Iterator[Row]:
    """Yield the rows of classes that have surely changed, where their cell's own row does not say so already."""
    said = {(row.cell_id, row.node, row.verdict) for row in decided}
    for row in single:
        level = STRICT if min(row.n, row.n_old) == 1 else stats.ALPHA
        found = decide(row, tolerance, level)
        if found.verdict in {"regressed", "improved"} and (row.cell_id, row.node, found.verdict) not in said:
            yield found


def _with_difference(pair: Pair, prior: Prior | None) -> Row:
    row, (after, before) = pair.row, pair.contrast.means
    if pair.are_equal:
        return replace(row, difference=0.0, low=0.0, high=0.0, p=1.0)
    if prior is None and pair.contrast.group.df:  # no run differs from another of its side, here or elsewhere
        apart = after - before
        return replace(row, difference=apart, low=apart, high=apart, p=0.0 if apart else 1.0)
    if prior is None:
        reason = "one seed, and no cell of the baseline tells their spread"
        return replace(row, difference=after - before, reason=reason)
    found = pair.contrast.difference(prior)
    return replace(row, difference=found.value, low=found.low, high=found.high, p=found.p)


def _corrected(main: list[Row], single: list[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows with their q, where single classes may spend a small share of the error (Genovese 2006)."""
    share = classes.SHARE if single else 0.0
    known = [row.p for row in main if row.p is not None]
    every = len(known) + len(single)
    heavy, light = (1 - share) * every / max(len(known), 1), share * every / max(len(single), 1)
    weighed = [min(p / heavy, 1.0) for p in known] + [min((row.p or 0.0) / light, 1.0) for row in single]
    q = iter(stats.q_values(weighed))
    return (
        [row if row.p is None else replace(row, q=next(q)) for row in main],
        [replace(row, q=next(q)) for row in single],
    )


def _with_power(row: Row, pair: Pair, prior: Prior | None, tolerance: float, level: float) -> Row:
    """Return the row with the loss that it would have seen, and if undecided with the seeds that would decide it."""
    contrast = pair.contrast
    if prior is None or row.difference is None or pair.are_equal:
        return row
    slope = abs(contrast.pairs[0][0].slope)
    row = replace(row, visible=_needed(contrast.spread(prior), level, POWER) / slope)
    if row.verdict != "undecided":
        return row
    allowed = tolerance if row.unit == "points" or row.old is None else tolerance * abs(row.old.value)
    loss = -contrast.apart if row.better == "higher" else contrast.apart
    for more in range(1, MOST_SEEDS + 1):
        spread = contrast.spread(prior, more)
        if abs(loss) > _needed(spread, level) or loss + _needed(spread, stats.ALPHA) < allowed * slope:
            seeds = f"{more} more seed{'' if more == 1 else 's'} would probably tell"
            return replace(row, more_seeds=more, reason=f"{row.reason}; {seeds}")
    return replace(row, reason=f"{row.reason}; no number of new seeds would tell, the baseline has too few")


def _needed(spread: Spread, level: float, power: float = 0.5) -> float:
    """Return how large a difference must be, on the even scale, to be found at a level that often."""
    return (stats.quantile(spread.df, 1 - level) + stats.quantile(math.inf, 2 * power - 1)) * math.sqrt(spread.variance)


def _costs(new: Side, old: Side, labels: dict[str, str], tolerance: float) -> Iterator[Row]:
    """Yield a row for each exact figure that has changed."""
    for metric in EXACT:
        after, before = ([record.value(metric) for record in side] for side in (new, old))
        values = [[value for value in side if value is not None] for side in (after, before)]
        if all(values) and fmean(values[0]) != fmean(values[1]):
            now, then = fmean(values[0]), fmean(values[1])
            change = (now - then) / abs(then) if then else 1.0
            fields: dict[str, Any] = {"metric": metric, "better": "lower", "unit": "%", "difference": change}
            if abs(change) <= tolerance:
                continue
            verdict: Verdict = "regressed" if change > 0 else "improved"
            yield row_of(new, labels, **fields, verdict=verdict, reason=f"{then:,.9g} → {now:,.9g}", n_old=len(old))
