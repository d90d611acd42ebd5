"""The results site: records → pages, tables and charts → MkDocs.

    rows         a cell with its records joined over seeds; deployments joins its timings
    earlier      the cells that a suite no longer asks for
    model        a suite: its rows ranked, recipes compared, findings judged
    tables       what takes more than a lookup: confusion, classes, provenance, the leaderboard as CSV
    figures      which numbers go into each chart, and what it says in words
    charts       a chart as data; its CSV file
    pages        the pages of results, catalogue those of plugins: path, template, what it shows
    contents     a results folder → all pages
    rendering    page → HTML, by the Jinja templates beside this file; words writes the numbers
    drawing      chart → inline SVG, as plots draws it with matplotlib
    safe         names, texts and pictures of strangers, made safe to publish
    output       the folder that a site goes to, and how a new site takes an old one's place
    adapter      the only module that knows MkDocs

Importing this package imports none of them.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.catalog import Catalog
    from bench.site.adapter import SiteReport

__all__ = ["build", "serve"]


def build(results: Path, output: Path, catalog: "Catalog") -> "SiteReport":
    """Write the site of a results folder to `output`, in the place of an earlier one."""
    from bench.site import adapter

    return adapter.build(results, output, catalog)


def serve(results: Path, port: int, catalog: "Catalog") -> None:
    """Show the site on this machine, built again whenever a record or a page source changes."""
    from bench.site import adapter

    adapter.serve(results, port, catalog)
