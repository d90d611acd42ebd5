"""Pages → HTML, by the Jinja templates beside this file.

Everything is escaped unless it was made here, and what cannot be seen is made visible: titles,
labels and messages come from suite files and records of strangers. A link to a page that does
not exist raises, so a site cannot have one.
"""

import os
import posixpath
import re
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from html import escape, unescape
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import nh3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown import Markdown
from markupsafe import Markup
from msgspec import Struct

from bench import stats
from bench.catalog import described
from bench.site import catalogue, charts, pages, safe, words
from bench.site.charts import Figure
from bench.site.pages import Page

if TYPE_CHECKING:
    from bench.site.drawing import Drawing

FEW = 100
"""So many charts are drawn sooner than further processes have started."""


TAGS = {
    *("p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
"""What a description may be made of; `h1` is the page's own."""


class Rendered(Struct, frozen=True):
    """A finished page: the inner HTML, and text files to publish beside it."""

    title: str
    html: str
    headings: tuple[tuple[str, str], ...]
    """Id and text of each section's heading; unlike `html` not escaped, as `title`."""
    hide: tuple[str, ...]
    searchable: bool
    files: dict[str, str]
    """By path from the site's root."""


def render(site: list[Page], extra: tuple[str, ...] = ()) -> dict[str, Rendered]:
    """Render pages that may link to each other and to the paths in `extra`; the result is by path."""
    known = {page.path for page in site} | set(extra)
    drawn = iter(_draw([figure for page in site for figure in page.figures]))
    environment = _environment()
    return {page.path: _render(environment, page, known, {f.name: next(drawn) for f in page.figures}) for page in site}


def destination(path: str) -> str:
    """Return the folder at which a page is published: `a/b.md` at `a/b`, `a/index.md` at `a`."""
    return posixpath.dirname(path) if posixpath.basename(path) == "index.md" else path.removesuffix(".md")


def markdown(text: str) -> Markup:
    """Return the HTML of a plugin's or suite's description; raw HTML, pictures and scripts stay text."""
    text = re.sub(r"(?<![<(\[`])https?://[^\s<>()]+[^\s<>().,;]", r"<\g<0>>", text)  # Bare addresses become links.
    reader = Markdown(extensions=["tables", "sane_lists", "fenced_code"])
    reader.preprocessors.deregister("html_block")
    for pattern in ("html", "image_link", "image_reference", "short_image_ref"):
        reader.inlinePatterns.deregister(pattern)
    clean = nh3.clean(
        reader.convert(text), tags=TAGS, attributes={"a": {"href"}}, attribute_filter=_absolute, link_rel=None
    )
    return Markup(clean)  # noqa: S704 - nothing but these tags is left


def _absolute(tag: str, attribute: str, value: str) -> str | None:
    """Drop links that lead elsewhere than to the web; a page's own are written by templates."""
    return value if value.startswith(("https://", "http://")) else None


def inline(text: str) -> Markup:
    """Return a one-line message as HTML, words between backticks as code."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _render(environment: Environment, page: Page, known: set[str], drawn: dict[str, "Drawing"]) -> Rendered:
    folder = destination(page.path)

    def link(path: str) -> str:
        if path not in known:
            raise KeyError(f"{page.path} links to {path}, which is no page")
        return posixpath.relpath(destination(path) or ".", folder or ".") + "/"

    html = environment.get_template(page.template).render(
        page=page,
        link=link,
        exists=lambda path: path in known,
        drawn=lambda figure: drawn[figure.name],
        **page.context,
    )
    tables = {f"{figure.name}.csv": charts.table(figure.chart) for figure in page.figures}
    return Rendered(
        title=page.title,
        html=html,
        hide=page.hide,
        searchable=page.searchable,
        headings=tuple((anchor, unescape(text)) for anchor, text in re.findall(r'(?s)<h2 id="([^"]+)">(.*?)<a', html)),
        files={posixpath.join(folder, name): text for name, text in {**tables, **page.files}.items()},
    )


def _draw(figures: list[Figure]) -> list["Drawing"]:
    """Draw all charts, by several processes where there are many."""
    from bench.site.drawing import draw

    workers = min(os.cpu_count() or 1, 8)
    if len(figures) <= FEW or workers == 1:
        return [draw(figure) for figure in figures]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(draw, figures, chunksize=25))


@cache
def _environment() -> Environment:
    """Return what compiles templates, each once a process and again when its file changes."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=lambda value: safe.visible(value) if isinstance(value, str) else value,
    )
    environment.globals |= {"words": words, "fewest_seeds": stats.FEWEST_SEEDS}
    environment.globals["paths"] = {
        "suites": pages.SUITES,
        "suite": pages.suite_path,
        "cell": pages.cell_path,
        "plugin": pages.plugin_path,
        "kind": catalogue.index_path,
    }
    environment.filters |= {
        "markdown": markdown,
        "inline": inline,
        "literal": repr,
        "number": words.number,
        "described": described,
    }
    environment.filters["base64"] = lambda data: b64encode(data).decode()
    return environment


def plain(title: str) -> str:
    """Return a title that is safe where Material writes it without escaping: in <title>, header and navigation.

    Entities alone would not do, since Material's templates undo them in attributes.
    """
    return escape(safe.visible(title).translate(str.maketrans("<>\"'", "‹›”’")))
