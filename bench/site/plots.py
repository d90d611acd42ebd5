"""Charts drawn with matplotlib [heavy]; `bench.site.drawing` makes them part of a page."""

from collections.abc import Callable, Iterable
from itertools import groupby, pairwise
from math import isfinite, nan

import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator

from bench.site import safe, words
from bench.site.charts import Chart, Effect, Effects, Lines, Point, Scatter

INK, GRID = "#010203", "#010204"
PALETTE = tuple(seaborn.color_palette("colorblind", 6).as_hex())
"""Told apart with every common kind of colour blindness; the page's style sheet tunes them for light and dark."""
STYLES = ("-", "--", ":", "-.")
"""A seventh curve has the first colour and the second style."""
MARKERS, SYMBOLS = ("o", "^", "s"), ("●", "▲", "■")
"""The same of points, and as they are written."""
TIP = "tip"
"""Begins the id of each point that can have a tooltip; its place in the chart follows."""
WIDTH_IN = 5.0
FONT_PT = 9.0
BOTTOM_IN = 0.45
LABELS_IN = 2.2
"""Room for labels beside a chart, at most."""
LARGEST = 1e100
"""Beyond, an axis with margins has no ends that a float holds."""
MOST_INTERVALS = 40
"""With more points, those off the frontier are small and show no intervals."""
POINTS = "offset points"
LETTER_IN = 0.53 * FONT_PT / 72
"""Mean width of a letter; the page's font is not known here."""
BOLD = 1.15
"""How much wider bold letters are."""


Box = tuple[float, float, float, float]
CORNERS = ((6, 7, "left", 0.0), (-6, 7, "right", 1.0), (6, -7, "left", 0.0), (-6, -7, "right", 1.0))
"""Where a label may stand, off the lines through its point: offset in points, alignment, share of it left of there."""


def plot(chart: Chart) -> Canvas:
    """Return a canvas with the chart; the caller has set matplotlib's parameters."""
    match chart:
        case Lines():
            return _lines(chart)
        case Scatter():
            return _scatter(chart)
        case Effects():
            return _effects(chart)


def _axes(height_in: float, *, left_in: float = 0.55, right_in: float = 0.1, top_in: float = 0.3) -> Axes:
    """Return the only axes of a new canvas, margins fixed so that places in pixels are known before drawing."""
    canvas = Canvas(figsize=(WIDTH_IN, height_in))
    width, height = WIDTH_IN - left_in - right_in, height_in - BOTTOM_IN - top_in
    axes = canvas.add_axes((left_in / WIDTH_IN, BOTTOM_IN / height_in, width / WIDTH_IN, height / height_in))
    # Matplotlib's own ticks take two thirds of the time of a chart; `_x_axis` and `_y_axis` draw plainer ones.
    axes.set_axis_off()
    return axes


def _x_axis(axes: Axes, name: str, ticks: Iterable[float], text: Callable[[float], str]) -> None:
    low, high = axes.get_xlim()
    places = [tick for tick in ticks if low <= tick <= high]
    widest_in = LETTER_IN * (2 + max((len(text(place)) for place in places), default=0))
    room = max(int(axes.bbox.width / _canvas(axes).dpi / widest_in), 1)
    places = places[:: -(-len(places) // room) or 1]  # as many as can be read
    at = axes.get_xaxis_transform()
    axes.vlines(places, 0, 1, transform=at, colors=GRID, linewidth=0.6, zorder=0)
    axes.plot([0, 1], [0, 0], transform=axes.transAxes, color=INK, linewidth=0.6, clip_on=False)
    for place in places:
        axes.annotate(text(place), (place, 0), (0, -11), xycoords=at, textcoords=POINTS, ha="center")
    axes.annotate(_short(name, WIDTH_IN), (0.5, 0), (0, -25), xycoords="axes fraction", textcoords=POINTS, ha="center")


def _y_axis(axes: Axes, name: str, ticks: Iterable[float], text: Callable[[float], str]) -> None:
    """Draw the axis with its name on top, where it is read without turning the head."""
    low, high = axes.get_ylim()
    places = [tick for tick in ticks if low <= tick <= high]
    at = axes.get_yaxis_transform()
    axes.hlines(places, 0, 1, transform=at, colors=GRID, linewidth=0.6, zorder=0)
    for place in places:
        axes.annotate(text(place), (0, place), (-5, 0), xycoords=at, textcoords=POINTS, ha="right", va="center")
    axes.annotate(_short(name, WIDTH_IN), (0, 1), (-25, 8), xycoords="axes fraction", textcoords=POINTS)


def _limits(axes: Axes, margin_x: float, margin_y: float) -> None:
    """Fix the limits around the data; labels are placed within them."""
    axes.margins(margin_x, margin_y)
    axes.autoscale_view()
    axes.autoscale(enable=False)


def _linear(limits: tuple[float, float], *, whole: bool = False) -> Iterable[float]:
    return MaxNLocator(6, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)


def _logarithmic(limits: tuple[float, float]) -> Iterable[float]:
    """Return ticks at 1, 2 and 5, or even ones where these would be too few."""
    low, high = limits
    ticks = [tick for tick in LogLocator(10, subs=(1.0, 2.0, 5.0)).tick_values(low, high) if low <= tick <= high]
    return ticks if len(ticks) > 2 else _linear(limits)


def _plain(value: float) -> str:
    return f"{value:g}"


def _lines(chart: Lines) -> Canvas:
    labels = list(dict.fromkeys(line.label for line in chart.lines))
    widest_in = min(BOLD * LETTER_IN * (max(map(len, labels), default=0) + 2 * chart.points), LABELS_IN)
    axes = _axes(max(2.9, 0.8 + 0.16 * len(labels)), right_in=0.2 + widest_in)
    log_y = chart.log_y and any(y and y > 0 for line in chart.lines for y in line.y)
    if log_y:
        axes.set_yscale("log")
    faint = len(chart.lines) > len(labels)
    ends: dict[str, list[float]] = {}
    for line in chart.lines:
        index = labels.index(line.label)
        colour, turn = PALETTE[index % len(PALETTE)], index // len(PALETTE)
        axes.plot(
            [_drawable(x) for x in line.x],
            [_drawable(y) for y in line.y],
            color=colour,
            linestyle="none" if chart.points else STYLES[turn % len(STYLES)],
            linewidth=1.0 if faint else 1.6,
            marker=MARKERS[turn % len(MARKERS)] if chart.points or len(line.x) == 1 else None,
            markersize=3 if chart.points else None,
        )
        if line.low:
            low, high = ([_drawable(end) for end in ends] for ends in (line.low, line.high))
            axes.fill_between([_drawable(x) for x in line.x], low, high, color=colour, alpha=0.18, linewidth=0)
        ends.setdefault(line.label, []).extend([y for y in map(_drawable, line.y) if isfinite(y)][-1:])
    _limits(axes, 0.02, 0.06)
    whole = all(float(x).is_integer() for line in chart.lines for x in line.x)
    _x_axis(axes, chart.x_label, _linear(axes.get_xlim(), whole=whole), _plain)
    y_ticks = _logarithmic(axes.get_ylim()) if log_y else _linear(axes.get_ylim())
    _y_axis(axes, chart.y_label, y_ticks, words.percent if chart.percent else _plain)
    if chart.points:  # which end nowhere: their labels are a legend, from the top
        places = {label: 1.0 - 1e-9 * index for index, label in enumerate(labels)}
        texts = [f"{SYMBOLS[index // len(PALETTE) % len(SYMBOLS)]} {label}" for index, label in enumerate(labels)]
    else:
        x_end, to_share = axes.get_xlim()[1], axes.transData + axes.transAxes.inverted()
        means = {label: sum(values) / len(values) for label, values in ends.items() if values}
        places = {label: float(to_share.transform((x_end, end))[1]) for label, end in means.items()}
        texts = labels
    colours = {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(labels)}
    _label(axes, places, dict(zip(labels, texts, strict=True)), colours)
    return _canvas(axes)


def _label(axes: Axes, places: dict[str, float], texts: dict[str, str], colours: dict[str, str]) -> None:
    """Write each label at its height, 0–1, right of the axes, or beside that where two would touch."""
    gap = 1.25 * FONT_PT * _pixels(axes) / axes.bbox.height
    ordered = sorted(places, key=lambda label: places[label])
    for below, label in pairwise(ordered):
        places[label] = max(places[label], places[below] + gap)
    limit = 1.0
    for label in reversed(ordered):
        places[label] = min(places[label], limit)
        limit = places[label] - gap
        text = axes.text(
            1.015,
            places[label],
            _short(texts[label], LABELS_IN / BOLD),
            transform=axes.transAxes,
            va="center",
            weight="bold",
        )
        text.set_color(colours[label])


def _scatter(chart: Scatter) -> Canvas:
    axes = _axes(3.4)
    axes.set_xscale("log")
    shown = [(index, p) for index, p in enumerate(chart.points) if p.x > 0 and isfinite(_drawable(p.x + abs(p.y)))]
    front = sorted((point for _, point in shown if point.best), key=lambda point: point.x)
    axes.plot([p.x for p in front], [p.y for p in front], color=PALETTE[0], linewidth=1, drawstyle="steps-post")
    crowded = len(chart.points) > MOST_INTERVALS
    for index, point in shown:
        colour, marker, above = (PALETTE[0], "o", 3) if point.best else (PALETTE[1], "D", 2)
        if point.low is not None and point.high is not None and (point.best or not crowded):
            axes.plot(
                [point.x, point.x],
                [_drawable(point.low), _drawable(point.high)],
                color=colour,
                linewidth=1,
                zorder=above,
            )
        wide = 5 if point.best or not crowded else 2.5
        axes.plot([point.x], [point.y], marker, color=colour, markersize=wide, zorder=above, gid=f"{TIP}{index}")
    _limits(axes, 0.15, 0.08)
    _x_axis(axes, chart.x_label, _logarithmic(axes.get_xlim()), _plain)
    _y_axis(axes, chart.y_label, _linear(axes.get_ylim()), words.percent if chart.percent else _plain)
    _label_points(axes, [point for _, point in shown])
    return _canvas(axes)


def _label_points(axes: Axes, points: list[Point]) -> None:
    """Label points where the text touches nothing, the frontier's first; the others keep their tooltip alone."""
    pixels = _pixels(axes)
    places = [(*axes.transData.transform((point.x, point.y)), point) for point in points]
    taken: list[Box] = [(x - 4 * pixels, y - 4 * pixels, x + 4 * pixels, y + 4 * pixels) for x, y, _ in places]
    frame = axes.bbox
    for x, y, point in sorted(places, key=lambda place: not place[2].best):
        label = _short(point.label, WIDTH_IN)
        width, height = LETTER_IN * 72 * pixels * len(label), 1.1 * FONT_PT * pixels
        for dx, dy, side, share in CORNERS:
            left, bottom = x + dx * pixels - share * width, y + dy * pixels - height / 2
            box = (left, bottom, left + width, bottom + height)
            if frame.x0 <= left and box[2] <= frame.x1 and not any(_touch(box, other) for other in taken):
                taken.append(box)
                axes.annotate(label, (point.x, point.y), (dx, dy), textcoords=POINTS, ha=side, va="center")
                break


def _drawable(value: float | None) -> float:
    """Return a value that matplotlib can place, NaN for others, which leave a gap."""
    return nan if value is None or abs(value) > LARGEST else value


def _touch(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _effects(chart: Effects) -> Canvas:
    groups = [(name, list(rows)) for name, rows in groupby(chart.rows, key=lambda row: row.group)]
    lines = len(chart.rows) + len(groups)
    left_in, right_in = min(0.3 + LETTER_IN * max(len(row.label) for row in chart.rows), LABELS_IN), 1.1
    axes = _axes(0.65 + 0.22 * lines, left_in=left_in, right_in=right_in, top_in=0.1)
    at = axes.get_yaxis_transform()
    edge = 0.05 - left_in / (WIDTH_IN - left_in - right_in)
    axes.axvline(0, color=INK, linewidth=0.8)
    y = 0
    for name, rows in groups:
        axes.text(edge, y, _short(name, WIDTH_IN), transform=at, va="center", weight="bold")
        for row in rows:
            y += 1
            difference, colour = row.difference, _colour(row, chart.better)
            if difference.low is not None and difference.high is not None:
                axes.plot([_drawable(difference.low), _drawable(difference.high)], [y, y], color=colour, linewidth=1.4)
            axes.plot([_drawable(difference.value)], [y], "o", color=colour, markersize=4.5)
            axes.text(-0.02, y, _short(row.label, left_in), transform=at, ha="right", va="center")
            amount = _short(words.difference(difference, chart.percent), right_in)
            axes.text(1.02, y, amount, transform=at, va="center")
        y += 1
    _limits(axes, 0.05, 0)
    axes.set_ylim(lines - 0.5, -0.5)
    scale = 100 if chart.percent else 1
    _x_axis(axes, chart.x_label, _linear(axes.get_xlim()), lambda value: words.signed(scale * value))
    return _canvas(axes)


def _short(label: str, width_in: float) -> str:
    """Return a label that fits a width on one line, its end left out where it must be."""
    most = int((width_in - 0.15) / LETTER_IN)
    label = safe.visible(" ".join(label[: 10 * most].split()))
    return label if len(label) <= most else f"{label[: most - 1]}…"


def _colour(row: Effect, better: str) -> str:
    """Return the colour of a better, a worse and an uncertain effect."""
    low, high = row.difference.low, row.difference.high
    if low is None or high is None or low <= 0 <= high:
        return INK
    return str(PALETTE[0] if (low > 0) == (better == "higher") else PALETTE[1])


def _canvas(axes: Axes) -> Canvas:
    canvas = axes.get_figure(root=True)
    assert canvas is not None
    return canvas


def _pixels(axes: Axes) -> float:
    """Return how many of matplotlib's pixels a point is."""
    return _canvas(axes).dpi / 72
