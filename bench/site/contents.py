"""A results folder → all that a site consists of; still without MkDocs."""

from pathlib import Path
from typing import Any

from msgspec import Struct

from bench import dataset_record, store
from bench.cards import KINDS
from bench.catalog import Catalog
from bench.dataset_record import DatasetRecord
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
    looked_at, broken = dataset_record.read(results)
    unfit = {id(record): reason for record in looked_at if (reason := _unfit(record))}
    explored = [record for record in looked_at if id(record) not in unfit]
    broken += [
        f"{results / dataset_record.FOLDER}: record of {str(record.dataset)[:60]!r}: {unfit[id(record)]}; left out"
        for record in looked_at
        if id(record) in unfit
    ]
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


def _unfit(record: DatasetRecord) -> str:
    """Return why a dataset's record cannot be shown, empty where it can: its lists must fit each other."""
    images, parts, square = record.images, record.parts[:2], record.correlations
    columns = (*record.columns, *([record.target] if record.target else []))
    if len(parts) < 2 or any(part.n < 1 for part in parts):
        return "not both a training and a test part with examples"
    if any(len(part.class_counts) != len(record.classes) for part in parts):
        return "not one count for each class"
    if images and (len(images.shape) != 3 or not 1 <= len(images.channel_means) == len(images.channel_deviations) <= 4):
        return "images that are not of height, width and up to four channels"
    for column in columns:
        bins, numeric = len(column.counts), column.mean is not None
        if bins != (len(column.edges) - 1 if numeric else len(column.categories)):
            return "not one count for each bin or category"
        if numeric and (len(column.quartiles) != 5 or max(column.counts, default=0) < 1):
            return "a column of numbers without its quartiles or its histogram"
    if len(record.correlated) < len(square) or any(len(row) < place for place, row in enumerate(square)):
        return "not one correlation for each pair of columns"
    if any(value is not None and abs(value) > 1.01 for row in square for value in row):
        return "correlations beyond 1"
    return ""


def _pictures(reading: store.Reading) -> tuple[dict[str, str], list[str]]:
    """Return what may be published of each diagnostic's picture, by the picture, and a line for each that may not."""
    clean: dict[str, str] = {}
    problems = []
    for record in reading.records:
        for name, diagnosis in record.diagnostics.items():
            if diagnosis.picture_svg:
                try:
                    clean[diagnosis.picture_svg] = safe.picture(diagnosis.picture_svg)
                except RecordError as error:
                    place = reading.paths.get(id(record), record.cell_id)
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
