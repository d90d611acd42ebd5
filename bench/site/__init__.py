"""The results site: records → pages, tables and charts → MkDocs.

model     records joined into rows, boards and effects; pure data
figures   which numbers go into each chart, and what it says in words
charts    a chart as data; its CSV file
drawing   a chart as inline SVG [heavy: matplotlib]
pages     the pages of suites and cells, catalogue those of plugins: path, template, context
rendering page → HTML, by the Jinja templates beside this file
adapter   the only module that knows MkDocs
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.catalog import Catalog
    from bench.site.adapter import SiteReport

__all__ = ["build", "serve"]


def build(results: Path, output: Path, catalog: "Catalog") -> "SiteReport":
    """Write the site of a results folder to `output`, which is emptied first."""
    from bench.site import adapter

    return adapter.build(results, output, catalog)


def serve(results: Path, port: int, catalog: "Catalog") -> None:
    """Show the site on this machine, built again whenever a record or a page source changes."""
    from bench.site import adapter

    adapter.serve(results, port, catalog)
