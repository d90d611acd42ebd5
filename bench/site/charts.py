"""What a chart shows, as plain data: the picture, its words and its CSV file all come from here.

Nothing here draws; `bench.site.drawing` does, and is imported only while a site is built.
"""

import csv
import io
from typing import Any

from msgspec import Struct

from bench import wording
from bench.stats import Interval


class Line(Struct, frozen=True):
    """A curve; curves of one label share a colour and are labelled once."""

    label: str
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    seed: int | None = None
    """Of the run that it is of; none of a mean, or where only one run is shown."""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    """Ends of the band around it, as many as there are points, or none."""


class Lines(Struct, frozen=True, tag=True):
    """Curves over one axis."""

    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    runs: tuple[Line, ...] = ()
    """Those that the curves are means of; they stand in the CSV file alone."""
    points: bool = False
    """Draw points that no line joins."""
    percent: bool = False
    """Write the y axis in percent; the values stay proportions."""
    log_y: bool = False


class Point(Struct, frozen=True):
    """A labelled point with the 95 % interval of its height."""

    label: str
    x: float
    y: float
    low: float | None
    high: float | None
    best: bool
    """No other point is both faster and better: the point lies on the frontier."""
    tip: str
    """What a pointer over the point shows."""


class Scatter(Struct, frozen=True, tag=True):
    """Points over a logarithmic x axis, those of the frontier joined by a line."""

    x_label: str
    y_label: str
    points: tuple[Point, ...]
    percent: bool = False


class Effect(Struct, frozen=True):
    """A difference with its 95 % interval, and the number of pairs behind it."""

    group: str
    label: str
    difference: Interval


class Effects(Struct, frozen=True, tag=True):
    """Differences on one axis around zero, row by row, under the headings of their groups."""

    x_label: str
    rows: tuple[Effect, ...]
    more: tuple[Effect, ...] = ()
    """Smaller ones, which stand in the CSV file alone."""
    percent: bool = False
    better: str = "higher"


Chart = Lines | Scatter | Effects


class Figure(Struct, frozen=True):
    """A chart with everything that a page says of it."""

    name: str
    """Unique on its page and a `safe.slug`; also the stem of the CSV file, and what its ids begin with."""
    title: str
    finding: str
    """What the chart shows, in words: its text alternative."""
    caption: str
    """Units, numbers of observations and what the intervals are."""
    chart: Chart


def table(chart: Chart) -> str:
    """Return a chart's data as CSV, values as they are in the records."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows(map(wording.inert, row) for row in _rows(chart))
    return out.getvalue()


def _rows(chart: Chart) -> list[list[Any]]:
    match chart:
        case Lines():
            banded = any(line.low for line in chart.lines)
            head = [["curve", "seed", chart.x_label, chart.y_label, *(["low", "high"] if banded else [])]]
            return head + [
                [line.label, line.seed, x, y, *band]
                for line in (*chart.lines, *chart.runs)
                for x, y, band in zip(line.x, line.y, _bands(line, banded), strict=True)
            ]
        case Scatter():
            head = [["label", chart.x_label, chart.y_label, "low", "high", "on_frontier"]]
            return head + [[p.label, p.x, p.y, p.low, p.high, p.best] for p in chart.points]
        case Effects():
            head = [["group", "label", chart.x_label, "low", "high", "n"]]
            return head + [
                [e.group, e.label, d.value, d.low, d.high, d.n]
                for e in (*chart.rows, *chart.more)
                for d in [e.difference]
            ]


def _bands(line: Line, banded: bool) -> list[list[float | None]]:
    """Return the ends of the band at each point, empty cells where there is none."""
    if not banded:
        return [[] for _ in line.x]
    return [[*ends] for ends in zip(line.low, line.high, strict=True)] if line.low else [[None, None] for _ in line.x]
