"""The pages of a site, each as a path, a template and what the template shows; no HTML here."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from bench import stats
from bench.records import Record, Use
from bench.site import figures
from bench.site.charts import Figure
from bench.site.deployments import Deployment, machine
from bench.site.diagnoses import exhibits
from bench.site.model import Board, SuiteView
from bench.site.rows import Row
from bench.site.safe import slug
from bench.site.tables import confusions, faults, leaderboard, meters, per_class, provenance, scores
from bench.stats import Difference, Interval
from bench.store import Reading
from bench.suite_record import SuiteCell, SuiteRecord


class Page(Struct, frozen=True):
    """A page before it is rendered."""

    path: str
    """Of the Markdown file that MkDocs would have read, e.g. `suites/digits/index.md`."""
    title: str
    template: str
    context: dict[str, Any]
    figures: tuple[Figure, ...] = ()
    """Every figure that the context holds."""
    files: dict[str, str] = {}
    """Text files to publish beside the page, by name."""
    hide: tuple[str, ...] = ()
    """Parts of the frame that this page goes without: `navigation`, `toc`."""
    searchable: bool = True


class Parent(Struct, frozen=True):
    """What a cell's network was derived from."""

    label: str
    path: str | None
    """Of its page, where this suite has one."""
    earlier: bool
    """That page shows another network, which was made since."""
    difference: Difference | None
    """In the row's metric, derived minus parent, paired by seed and fold."""
    agreement: float | None
    """Share of test examples on which both give the same answer."""
    drop: Interval | None
    """Of a single pair: the accuracy gained, with the interval that its paired test examples give."""


SUITES = "suites/index.md"
"""Path of the page that lists all suites."""
FEWEST_RUNTIMES = 3
"""From which a suite's page compares them; fewer stand well in its leaderboard."""


def suite_path(name: str) -> str:
    """Return the path of a suite's page."""
    return f"suites/{slug(name)}/index.md"


def cell_path(suite: str, cell_id: str) -> str:
    """Return the path of a cell's page."""
    return f"suites/{slug(suite)}/{slug(cell_id)}.md"


def plugin_path(kind: str, name: str) -> str:
    """Return the path of a plugin's page in the catalogue."""
    return f"catalogue/{kind}/{name}.md"


def home(views: list[SuiteView], problems: tuple[str, ...]) -> Page:
    """Return the page that says what was found, or how to begin where nothing was."""
    found = [(view, finding) for view in views for finding in view.findings]
    found.sort(key=lambda pair: pair[1].verdict == "undecided")  # what is known comes first
    records = [record for view in views for record in view.records]
    return Page(
        path="index.md",
        title="Results",
        template="home.html.jinja",
        hide=("navigation",),
        context={
            "views": views,
            "findings": found,
            "tally": Counter(finding.verdict for _, finding in found),
            "problems": problems,
            "runs": sum(view.runs for view in views),
            "updated": max((record.created for record in records), default=""),
            "machines": sorted({machine(record) for record in records}),
        },
    )


def suites(views: list[SuiteView]) -> Page:
    """Return the page that lists all suites."""
    return Page(path=SUITES, title="All suites", template="suites.html.jinja", context={"views": views}, hide=("toc",))


def suite(view: SuiteView, problems: tuple[str, ...]) -> Page:
    """Return a suite's page: findings, leaderboards, charts and what did not work."""
    boards = []
    for index, board in enumerate(view.boards, start=1):
        charts = (figures.trade_off(board, index), figures.recipe_effects(view.suite, board, index))
        boards.append((board, [chart for chart in charts if chart]))
    compared, runtimes = _runtimes(view)
    return Page(
        path=suite_path(view.suite.name),
        title=view.suite.title,
        template="suite.html.jinja",
        hide=("navigation",),
        context={
            "view": view,
            "suite": view.suite,
            "boards": boards,
            "facts": _facts(view),
            "compared": compared,
            "runtimes": runtimes,
            "machine": next((row.fastest.machine for row in view.rows if row.fastest), None),
            "timed": bool(view.suite.runtimes),
            "faults": faults(view),
            "again": again(view.suite),
            "problems": problems,
        },
        figures=tuple(chart for _, charts in boards for chart in charts),
        files={"leaderboard.csv": leaderboard(view)},
    )


def cell(
    view: SuiteView,
    board: Board,
    row: Row,
    reading: Reading,
    makers: dict[str, Record],
    pictures: dict[str | bytes, str],
) -> Page:
    """Return a cell's page.

    `makers` is the record that made each artifact, by digest; `pictures` is what may be published
    of each diagnostic's pictures, by the picture as recorded.
    """
    shown = row.models[0] if row.models else None
    commit = shown.provenance.commit if shown else None
    latency = figures.latencies(row)
    diagnoses = exhibits(row, pictures)
    charts = figures.learning_curves(row)
    return Page(
        path=cell_path(view.suite.name, row.cell.cell_id),
        title=row.cell.label,
        template="cell.html.jinja",
        hide=("navigation",),
        searchable=False,  # The leaderboard, which links here, is found; a thousand more hits would bury it.
        context={
            "view": view,
            "suite": view.suite,
            "row": row,
            "rank": board.ranks.get(row.cell.cell_id),
            "rivals": len(board.ranks),
            "parent": _parent(view, row, makers),
            "settings": list(msgspec.structs.asdict(row.cell.cell.training).items()),
            "again": again(view.suite, row.cell),
            "commit": shlex.quote(commit) if shown and not shown.provenance.dirty and commit else None,
            "charts": charts,
            "latency": latency,
            "diagnoses": diagnoses,
            "scores": scores(row),
            "classes": per_class(row),
            "confusions": confusions(row),
            "layers": shown.layers if shown else (),
            "tables": list(shown.tables.values()) if shown else [],
            "provenance": provenance(shown) if shown else [],
            "records": [(record, path) for record in row.records if (path := reading.paths.get(id(record)))],
            "machines": list(dict.fromkeys(timing.machine for timing in row.deployments)),
            "meters": meters(row),
        },
        figures=(*charts, *([latency] if latency else []), *(chart for one in diagnoses for chart in one.charts)),
        files={f"{one.name}.json": one.data for one in diagnoses}
        | {f"{one.name}.svg": one.drawing for one in diagnoses if one.drawing},
    )


def only(suite: SuiteRecord, row: SuiteCell) -> str:
    """Return the expression that picks one cell of its suite, empty where the suite has no other."""
    singular = {"datasets": "dataset", "architectures": "architecture", "recipes": "recipe"}
    training = row.cell.training
    parts = []
    for axis, values in suite.axes.items():
        name = singular.get(axis, axis)
        value = getattr(row if axis in singular else training, name, None)
        if len(values) > 1 and value is not None:
            written = str(value)
            literal = _literal(written if isinstance(value, Use) else value)
            parts.append(f"{name}={written if written.isidentifier() else literal}")
    return " and ".join(parts)


def again(suite: SuiteRecord, row: SuiteCell | None = None) -> str:
    """Return the command that runs a suite or one of its cells anew, as a shell takes it."""
    expression = only(suite, row) if row else ""
    command = f"bench run {shlex.quote(suite.name)} --fresh"
    if not expression:
        return command
    escaped = re.sub(r'(["$`\\\\])', r"\\\1", expression)
    return f'{command} --only "{escaped}"'


def made_by(records: Iterable[Record]) -> dict[str, Record]:
    """Return the record that made each artifact, by digest."""
    return {record.artifact.digest: record for record in records if record.artifact}


def _literal(value: Any) -> str:
    # Single quotes, since the shell's are double.
    return "'" + value.replace("'", '"') + "'" if isinstance(value, str) else repr(value)


def _runtimes(view: SuiteView) -> tuple[list[Row], list[tuple[str, list[Deployment | None]]]]:
    """Return the rows that several runtimes timed, and these timings of one example, by runtime.

    The fastest runtime comes first, what is unstable last. None of fewer than three runtimes.
    """
    timed = [(row, found) for row in view.rows if len(found := {one.runtime: one for one in row.single}) > 1]
    quickest: dict[str, tuple[bool, float]] = {}
    for name, one in (pair for _, found in timed for pair in found.items()):
        place = (not one.is_valid, one.p50_ms.value)
        quickest[name] = min(place, quickest.get(name, place))
    if len(quickest) < FEWEST_RUNTIMES:
        return [], []
    names = sorted(quickest, key=quickest.__getitem__)
    return [row for row, _ in timed], [(name, [found.get(name) for _, found in timed]) for name in names]


def _facts(view: SuiteView) -> list[tuple[str, str]]:
    suite, rows = view.suite, view.rows
    planned = sum((1 if row.seedless else len(suite.seeds)) * len(suite.folds) for row in rows)
    dates = sorted(record.created[:10] for record in view.records)
    commits = view.facts(lambda record: record.provenance.commit)
    earlier = f" and {len(commits) - 1} before" if len(commits) > 1 else ""
    seeds, folds = len(suite.seeds), len(suite.folds)
    machines = dict.fromkeys(machine(record) for row in rows for record in (*row.models, *row.measures))
    facts = [
        ("Cells", f"{len(rows):,}"),
        ("Runs finished", f"{view.runs:,} of {planned:,}"),
        ("Seeds", f"{seeds}" if folds == 1 else f"{seeds} on each of {folds} folds"),
        ("Latency profile", suite.profile if suite.runtimes else ""),
        ("Hardware", "; ".join(machines)),
        ("Measured", " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""),
        ("Commit", f"{commits[-1][:10]}{earlier}" if commits else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _parent(view: SuiteView, row: Row, makers: dict[str, Record]) -> Parent | None:
    found = {}
    for record in row.models:
        origins = [makers[digest] for digest in record.parents if digest in makers]
        if origins and record.node == "derive":
            found[record.seed, record.fold] = origins
    if not found:
        return None
    scores = {
        run: stats.pool(known)
        for run, origins in found.items()
        if (known := [score for origin in origins if (score := stats.score(origin, row.metric.name))])
    }
    pairs = stats.Pairs.of(row.scores, scores)
    everyone = [origin for origins in found.values() for origin in origins]
    origin = everyone[0]
    page = next((other for other in view.rows if other.cell.cell_id == origin.cell_id), None)
    techniques = " + ".join(use.name for use in origin.cell.techniques)
    return Parent(
        label=page.cell.label if page else f"{origin.cell.architecture} {techniques}".strip(),
        path=cell_path(view.suite.name, origin.cell_id) if page and page is not row else None,
        earlier=page is not None and any(one.artifact and one.artifact.digest not in page.digests for one in everyone),
        difference=pairs.difference() if pairs else None,
        agreement=row.mean("agreement"),
        drop=_of_one_pair(row) if pairs and len(pairs.pairs) == 1 else None,
    )


def _of_one_pair(row: Row) -> Interval | None:
    found = [m for record in row.models for m in record.measurements if m.name == "accuracy_drop"]
    if row.metric.name != "accuracy" or len(found) != 1 or found[0].low is None or found[0].high is None:
        return None
    return Interval(value=-found[0].value, low=-found[0].high, high=-found[0].low, n=1)
