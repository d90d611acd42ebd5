"""What diagnostics found of a cell, as its page shows it: charts, pictures, tables, figures over seeds."""

from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec import Struct

from bench import stats
from bench.records import Measurement, Series, Table
from bench.site import safe, words
from bench.site.charts import Figure, Line, Lines
from bench.site.rows import Look, Row

MOST_NAMED = 3
"""Curves that a chart's text alternative names."""


class Shown(Struct, frozen=True):
    """A picture with what stands below it."""

    uri: str
    """Its data; empty for one that may not be published."""
    caption: str


class Exhibit(Struct, frozen=True):
    """A diagnosis, ready for the page."""

    name: str
    """Begins the names of its files; a `safe.slug`."""
    title: str
    note: str
    charts: tuple[Figure, ...]
    pictures: tuple[Shown, ...]
    columns: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: tuple[tuple[str, str], ...]
    """Name and value, a mean over seeds."""
    drawing: str
    """What the diagnostic drew itself, as SVG; empty without one."""
    data: str
    """All of it as JSON."""


def exhibits(row: Row, pictures: Mapping[str | bytes, str]) -> list[Exhibit]:
    """Return what diagnostics found of a cell.

    `pictures` holds what may be published of each drawing and raster, by what was recorded.
    """
    return [_exhibit(row, name, look, pictures) for name, look in row.looks.items()]


def _exhibit(row: Row, name: str, look: Look, pictures: Mapping[str | bytes, str]) -> Exhibit:
    found, stem = look.found, f"diagnostic-{safe.slug(name)}"
    charts: dict[str, list[Series]] = {}
    for one in found.series:
        if one.points:
            charts.setdefault(one.chart, []).append(one)
    data = msgspec.structs.replace(found, picture_svg=None)
    return Exhibit(
        name=stem,
        title=found.title,
        note=found.note,
        charts=tuple(_chart(stem, i, look, title, series) for i, (title, series) in enumerate(charts.items())),
        pictures=tuple(
            Shown(
                uri=f"data:image/png;base64,{pictures[one.png]}" if one.png in pictures else "",
                caption=_caption(row, look, one.caption, one.example),
            )
            for one in found.pictures
        ),
        columns=found.columns,
        tables=found.tables,
        figures=tuple(_figure(measurements) for measurements in look.measured.values()),
        drawing=pictures.get(found.picture_svg or "", ""),
        data=msgspec.json.encode(data).decode(),
    )


def _figure(measurements: tuple[tuple[Measurement, stats.Score], ...]) -> tuple[str, str]:
    """Return a figure's name, and its mean over seeds with the interval."""
    first = measurements[0][0]
    percent = first.unit == "1" and all(abs(m.value) <= 1 for m, _ in measurements)
    mean = stats.interval(stats.Runs([score for _, score in measurements]))
    unit = "" if percent or first.unit == "1" else first.unit
    value = f"{words.spread(mean, percent)} {unit}".strip()
    return words.named(first.name), f"{value}, n = {mean.n}" if mean.n > 1 else value


def _caption(row: Row, look: Look, caption: str, example: int | None) -> str:
    """Return a picture's caption, with how many seeds get the example wrong where several were trained."""
    if example is None:
        return caption
    answers = [m.correct for m in row.models if m.data and m.correct and m.data.test_fingerprint == look.test]
    known = [bits for bits in answers if example < 8 * len(bits)]
    if len(known) < 2:
        return caption
    wrong = sum(not np.unpackbits(np.frombuffer(bits, np.uint8), count=example + 1)[example] for bits in known)
    return f"{caption}; wrong with {wrong} of {words.plural(len(known), 'seed')}" if wrong else caption


def _chart(stem: str, index: int, look: Look, title: str, series: list[Series]) -> Figure:
    found = look.found
    names = list(dict.fromkeys(one.name for one in series))
    splits = {one.split for one in series}
    values = [value for one in series for value in one.values if value is not None]
    percent = all(one.unit == "1" for one in series) and all(0 <= value <= 1 for value in values)
    axis, unit = series[0].axis, series[0].unit
    lines = tuple(
        Line(
            label=f"{one.name}, {one.split}" if len(splits) > 1 else one.name,
            x=tuple(one.points),
            y=tuple(one.values),
        )
        for one in series
    )
    what = title or (names[0] if len(names) == 1 else "value")
    if found.marks == "points":
        what = "second direction"
    return Figure(
        name=f"{stem}-{index}" if index else stem,
        title=f"{found.title}: {title}" if title and title != found.title else found.title,
        finding=f"{_told(lines, axis, percent, points=found.marks == 'points')}.",
        caption=f"The network of seed {look.seed}." if look.seed is not None else "",
        chart=Lines(
            x_label=axis,
            y_label=f"{what} (%)" if percent else f"{what} ({unit})" if unit not in {"", "1"} else what,
            lines=lines,
            percent=percent,
            log_y=found.logarithmic,
            points=found.marks == "points",
        ),
    )


def _told(lines: tuple[Line, ...], axis: str, percent: bool, *, points: bool) -> str:
    """Return what a chart shows, in words."""
    if points:
        return f"{words.plural(sum(len(line.x) for line in lines), 'point')} of {len(lines)} kinds"
    named = [_ends(line, axis, percent) for line in lines[:MOST_NAMED]]
    others = f", and {words.plural(len(lines) - MOST_NAMED, 'other curve')}" if len(lines) > MOST_NAMED else ""
    return f"{'; '.join(named)}{others}"


def _ends(line: Line, axis: str, percent: bool) -> str:
    """Return where a curve begins and ends; of a histogram, where it is highest."""
    if axis == "value":
        height, place = max((y or 0.0, x) for x, y in zip(line.x, line.y, strict=True))
        return f"{line.label}: most, {words.number(height, percent)}, at {words.number(place)}"
    first, last = (words.number(line.x[end]) for end in (0, -1))
    return (
        f"{line.label}: {words.number(line.y[0], percent)} at {axis} {first}, "
        f"{words.number(line.y[-1], percent)} at {last}"
    )
