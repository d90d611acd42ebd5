"""The figures of the pages: which numbers go into each chart, and what the chart says in words."""

from collections.abc import Iterable

from bench import stats
from bench.records import Record, Series
from bench.site import words
from bench.site.charts import Effect, Effects, Figure, Line, Lines, Point, Scatter
from bench.site.deployments import machine, place
from bench.site.model import Board
from bench.site.rows import Metric, Row
from bench.site.safe import slug
from bench.stats import Interval
from bench.suite_record import SuiteRecord

MOST_EFFECTS = 40
"""A chart of more rows is not read."""

PROGRESS = ("epoch", "step", "stage", "trial")
"""Axes along which a training goes on."""


def trade_off(board: Board, index: int) -> Figure | None:
    """Return score against latency, or None with fewer than two rows to compare."""
    timed = [(row, row.fastest, row.score) for row in board.scored if row.fastest and row.score]
    if len(timed) < 2:
        return None
    metric = board.metric
    points = tuple(
        Point(
            label=row.cell.label,
            x=fastest.p50_ms.value,
            y=score.value,
            low=score.low,
            high=score.high,
            best=row.cell.cell_id in board.frontier,
            tip=f"{row.cell.label}: {words.milliseconds(fastest.p50_ms.value)}, {words.spread(score, metric.percent)}",
        )
        for row, fastest, score in timed
    )
    front = sorted((point for point in points if point.best), key=lambda point: point.x)
    ends = " to ".join(
        f"{point.label} ({words.milliseconds(point.x)}, {words.number(point.y, metric.percent)})"
        for point in dict.fromkeys((front[0], front[-1]))
    )
    return Figure(
        name=f"trade-off-{index}",
        title=f"{metric.title} against latency",
        finding=f"{words.plural(len(front), 'row')} of {len(points)} on the frontier: {ends}.",
        caption=(
            f"{metric.title}: mean over seeds, n = {_counts(score for _, _, score in timed)}, with 95 % intervals. "
            "Latency: p50 of one example (batch 1) on each row's fastest runtime, mean over seeds. "
            "Round blue points joined by the line: no other row is both faster and better."
        ),
        chart=Scatter(
            x_label="latency p50, batch 1 (ms, logarithmic)",
            y_label=_with_unit(metric),
            points=points,
            percent=metric.percent,
        ),
    )


def recipe_effects(suite: SuiteRecord, board: Board, index: int) -> Figure | None:
    """Return what each recipe changes against the baseline, or None where nothing can be paired."""
    if not board.effects:
        return None
    metric = board.metric
    rows = tuple(
        Effect(group=effect.row.cell.recipe, label=_without_recipe(effect.row), difference=effect.difference)
        for effect in board.effects
    )
    by_size = sorted(rows, key=lambda row: -abs(row.difference.value))
    strongest, more = by_size[0], by_size[MOST_EFFECTS:]
    only = f"The {MOST_EFFECTS} largest of {len(rows):,}; all are in the data. " if more else ""
    sure = sum(1 for row in rows if _excludes_zero(row.difference))
    unit = "percentage points" if metric.percent else metric.name
    return Figure(
        name=f"effects-{index}",
        title=f"Effect of each recipe on {metric.title.lower()}",
        finding=(
            f"Of {words.plural(len(rows), 'difference')} from {suite.baseline}, {sure} lie beyond noise. "
            f"The largest is {strongest.group} on {strongest.label}: "
            f"{words.difference(strongest.difference, metric.percent)} {unit}."
        ),
        caption=(
            f"{only}Difference from the recipe “{suite.baseline}” in {unit}, runs paired by seed and fold, "
            f"n = {_counts(row.difference for row in rows)} pairs, with 95 % interval over seeds and test examples. "
            "Blue: better. Orange: worse. Neither: the interval includes zero."
        ),
        chart=Effects(
            x_label=f"{metric.title.lower()} − {suite.baseline} ({unit})",
            rows=tuple(row for row in rows if row not in more),
            more=tuple(more),
            percent=metric.percent,
            better=metric.better,
        ),
    )


def learning_curves(row: Row) -> list[Figure]:
    """Return one figure for each quantity that a training tells of itself."""
    curves = [
        (record, series)
        for record in row.models
        for series in record.series
        if series.axis in PROGRESS and series.watcher is None
    ]
    kinds = dict.fromkeys((series.name, series.axis) for _, series in curves)
    return [
        _curves(name, axis, [(record, one) for record, one in curves if (one.name, one.axis) == (name, axis)])
        for name, axis in kinds
    ]


def _curves(name: str, axis: str, curves: list[tuple[Record, Series]]) -> Figure:
    percent = name in words.SHARES
    runs = tuple(
        Line(label=series.split or name, x=tuple(series.points), y=tuple(series.values), seed=record.seed)
        for record, series in curves
    )
    lines = _means(runs, percent) or runs
    last: dict[str, list[float]] = {}
    for line in lines:
        last.setdefault(line.label, []).extend([value for value in line.y if value is not None][-1:])
    ends = ", ".join(f"{words.number(sum(v) / len(v), percent)} ({label})" for label, v in last.items() if v)
    unit = curves[0][1].unit
    n = len({(record.seed, record.fold) for record, _ in curves})
    of = "seeds" if len({record.fold for record, _ in curves}) == 1 else "seeds and folds"
    band = f"Mean of {words.plural(n, 'run')} with the 95 % band of the mean over {of} (Student’s t); no smoothing."
    return Figure(
        name=f"{axis}-{slug(name)}",
        title=f"{name.capitalize()} by {axis}",
        finding=f"Mean {name} at the last {axis}: {ends}.",
        caption=band if lines is not runs else f"One line for each of {words.plural(n, 'run')}; no smoothing.",
        chart=Lines(
            x_label=axis,
            y_label=f"{name} (%)" if percent else f"{name} ({unit})" if unit not in {"", "1"} else name,
            lines=lines,
            runs=runs if lines is not runs else (),
            percent=percent,
        ),
    )


def _means(runs: tuple[Line, ...], percent: bool) -> tuple[Line, ...]:
    """Return the mean of each label's runs with its 95 % band; nothing where there are too few, or they differ."""
    found = []
    for label in dict.fromkeys(run.label for run in runs):
        own = [run for run in runs if run.label == label]
        whole = all(run.x == own[0].x and None not in run.y for run in own)
        if len(own) < stats.FEWEST_SEEDS or not whole:
            return ()
        points = [
            stats.mean_interval([value or 0.0 for value in values])
            for values in zip(*(run.y for run in own), strict=True)
        ]
        lows, highs = [point.low or 0.0 for point in points], [point.high or 0.0 for point in points]
        found.append(
            Line(
                label=label,
                x=own[0].x,
                y=tuple(point.value for point in points),
                low=tuple(max(low, 0.0) if percent else low for low in lows),
                high=tuple(min(high, 1.0) if percent else high for high in highs),
            )
        )
    return tuple(found)


def latencies(row: Row) -> Figure | None:
    """Return the distribution of latency on each runtime, batch 1, where it can be relied on."""
    series = [
        (record, series)
        for record in row.measures
        if place(record) == row.place
        and all(timing.validity == "valid" for timing in record.timings if timing.batch_size == 1)
        for series in record.series
        if series.axis == "quantile" and series.name == "latency_ms" and series.batch_size in (None, 1)
    ]
    if not series:
        return None
    lines = tuple(
        Line(
            label=record.measure.name if record.measure else "",
            x=tuple(100 * point for point in one.points),
            y=tuple(one.values),
            seed=record.seed,
        )
        for record, one in series
    )
    fastest = row.fastest
    return Figure(
        name="latency",
        title="Latency by percentile",
        finding=(
            f"Fastest: {fastest.runtime}, half of all calls within {words.milliseconds(fastest.p50_ms.value)}."
            if fastest
            else "No runtime has a valid timing."
        ),
        caption=(
            "Calls of one example (batch 1) after warm-up; one line for each seed’s network, "
            f"the mean of the processes in which it was timed. {machine(series[0][0])}."
        ),
        chart=Lines(x_label="percentile of calls", y_label="latency (ms, logarithmic)", lines=lines, log_y=True),
    )


def _counts(intervals: Iterable[Interval]) -> str:
    """Return `3`, or `2 to 3` where rows differ."""
    counts = sorted({interval.n for interval in intervals})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _excludes_zero(interval: Interval) -> bool:
    return interval.low is not None and interval.high is not None and (interval.low > 0 or interval.high < 0)


def _without_recipe(row: Row) -> str:
    """Return a row's label without the recipe, which heads the group."""
    parts = [part for part in row.cell.label.split(" · ") if part != row.cell.recipe]
    return " · ".join(parts) or row.cell.architecture


def _with_unit(metric: Metric) -> str:
    return f"{metric.title.lower()} (%)" if metric.percent else metric.title.lower()
