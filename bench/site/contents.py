"""A results folder → all that a site consists of; still without MkDocs."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import dataset_record, store
from bench.cards import KINDS
from bench.catalog import Catalog
from bench.errors import RecordError
from bench.site import catalogue, model, pages, safe
from bench.site.rendering import Rendered, plain, render

MEASURING, ARCHITECTURE = "measuring.md", "architecture.md"
"""The pages written by hand, in `site/pages/`."""


class Site(Struct, frozen=True):
    """All generated pages, and how to find the first ones."""

    pages: dict[str, Rendered]
    navigation: list[Any]
    """As `nav` in mkdocs.yml."""
    problems: tuple[str, ...]
    """One line for each record that was skipped."""


def gather(results: Path, catalog: Catalog) -> Site:
    """Read the results and render every page; an absent or empty folder is a site that says how to begin."""
    reading = store.read(results)
    views = [model.view(suite, reading.records) for suite in reading.suites.values()]
    explored, broken = dataset_record.read(results)
    pictures, unsafe = _pictures(reading)
    found = (
        *reading.problems,
        *broken,
        *_orphans(reading),
        *unsafe,
        *(problem for view in views for problem in view.problems),
    )
    problems = tuple(safe.line(problem) for problem in found)
    makers = pages.made_by(reading.records)
    site = [pages.home(views, problems), pages.suites(views), *catalogue.pages(catalog, views, explored)]
    for view in views:
        site.append(pages.suite(view, tuple(p for p in problems if p.startswith(f"{results / view.suite.name}/"))))
        site += [pages.cell(view, board, row, reading, makers, pictures) for board in view.boards for row in board.rows]
    rendered = render(site, extra=(MEASURING, ARCHITECTURE))
    return Site(pages=rendered, navigation=_navigation(views), problems=problems)


def _orphans(reading: store.Reading) -> list[str]:
    """Name the suites whose records no page can show, since the resolved suite beside them is gone."""
    homeless = {record.suite for record in reading.records} - reading.suites.keys()
    return [
        f"{name}: records without a suite-*.json beside them; `bench run {name}` writes it" for name in sorted(homeless)
    ]


def _pictures(reading: store.Reading) -> tuple[dict[str | bytes, str], list[str]]:
    """Return what may be published of each diagnostic's pictures, by the picture, and a line for each that may not.

    Drawings are SVG; of rasters the PNG file is given in base 64.
    """
    clean: dict[str | bytes, str] = {}
    problems = []
    for record in reading.records:
        for name, diagnosis in record.diagnostics.items():
            place = reading.paths.get(id(record), record.cell_id)
            pictures: list[str | bytes] = [diagnosis.picture_svg] if diagnosis.picture_svg else []
            for picture in pictures + [one.png for one in diagnosis.pictures]:
                try:
                    clean[picture] = safe.picture(picture) if isinstance(picture, str) else safe.raster(picture)
                except RecordError as error:
                    problems.append(f"{place}: picture of the diagnostic {name[:60]!r}: {error}; left out")
    return clean, problems


def _navigation(views: list[model.SuiteView]) -> list[Any]:
    suites = [{plain(view.suite.title): pages.suite_path(view.suite.name)} for view in views]
    kinds = [{kind.capitalize(): catalogue.index_path(kind)} for kind in KINDS]
    return [
        {"Results": "index.md"},
        {"Suites": [{"All suites": pages.SUITES}, *suites]},
        {"Catalogue": kinds},
        {"How we measure": MEASURING},
        {"Architecture": ARCHITECTURE},
    ]
