"""Charts as the inside of an inline SVG [heavy: matplotlib]; the template `macros` writes the element.

The page's own colours and fonts apply, so one picture serves the light and the dark scheme:
matplotlib draws with the colours below, which are then replaced by CSS variables.
"""

import io
import re
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from msgspec import Struct

from bench.site.charts import Figure, Scatter
from bench.site.plots import FONT_PT, GRID, INK, PALETTE, TIP, plot

VARIABLES = {INK: "currentColor", GRID: "var(--bench-grid)"} | {
    colour: f"var(--bench-{index}, {colour})" for index, colour in enumerate(PALETTE)
}
CLEANING = (
    (r"(?s)<!--.*?-->", ""),
    (r' font-family: [^;"]*;?', ""),  # The page's font applies.
    (r'<g id="[^"]*">', "<g>"),  # Every chart has a figure_1; ids must be unique on the page.
    (r' transform="rotate\(-0 [^"]*"', ""),
    ("xlink:href", "href"),
    (r"\s+", " "),
    ("> <", "><"),
)
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # A label may contain a $.
    "font.size": FONT_PT,
    "text.color": INK,
}


class Drawing(Struct, frozen=True):
    """A drawn chart."""

    view_box: str
    """As in the attribute `viewBox`: left, top, width, height."""
    body: Markup
    """SVG without ids."""


def draw(figure: Figure) -> Drawing:
    """Return the chart as SVG; equal figures give equal text, byte for byte."""
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": figure.name}):
        canvas = plot(figure.chart)
        out = io.StringIO()
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), figure)


def _inline(text: str, figure: Figure) -> Drawing:
    """Make a file of matplotlib's part of a page: its colours, its fonts, its reading order."""
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view is not None
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    if isinstance(figure.chart, Scatter):
        for index, point in enumerate(figure.chart.points):
            tip = Markup("<g><title>{}</title>").format(point.tip)
            body = body.replace(f'<g id="{TIP}{index}">', tip)
    for pattern, replacement in CLEANING:
        body = re.sub(pattern, replacement, body)
    body = re.sub("|".join(VARIABLES), lambda colour: VARIABLES[colour[0]], body)
    return Drawing(view_box=view[1], body=Markup(body.strip()))  # noqa: S704 - matplotlib escapes texts
