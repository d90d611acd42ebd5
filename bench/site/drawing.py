"""Charts as inline SVG [heavy: matplotlib].

The page's own colours and fonts apply, so one picture serves the light and the dark scheme:
matplotlib draws with the colours below, which are then replaced by CSS variables.
"""

import io
import re
from html import escape
from typing import Any

import matplotlib as mpl

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


def draw(figure: Figure) -> str:
    """Return the chart as an SVG element; its ids begin with the figure's name.

    Equal figures give equal text, byte for byte.
    """
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": figure.name}):
        canvas = plot(figure.chart)
        out = io.StringIO()
        canvas.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), figure)


def _inline(text: str, figure: Figure) -> str:
    """Make a file of matplotlib's part of a page: its colours, its fonts, its reading order."""
    view = re.search(r'viewBox="[^"]*"', text)
    assert view is not None
    body = text[text.index("</defs>") + len("</defs>") : text.rindex("</svg>")]
    if isinstance(figure.chart, Scatter):
        for index, point in enumerate(figure.chart.points):
            body = body.replace(f'<g id="{TIP}{index}">', f"<g><title>{escape(point.tip)}</title>")
    for pattern, replacement in CLEANING:
        body = re.sub(pattern, replacement, body)
    body = re.sub("|".join(VARIABLES), lambda colour: VARIABLES[colour[0]], body)
    title, finding = f"{figure.name}-title", f"{figure.name}-finding"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {view[0]} role="img" aria-labelledby="{title} {finding}">'
        f'<title id="{title}">{escape(figure.title)}</title><desc id="{finding}">{escape(figure.finding)}</desc>'
        f"{body.strip()}</svg>"
    )
