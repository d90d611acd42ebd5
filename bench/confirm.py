"""The seeds that would decide what a check leaves open, run before anything is raised."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from bench import store
from bench.catalog import Catalog
from bench.check import Row
from bench.errors import SuiteError
from bench.planning import plan as planning
from bench.planning import suite as suites
from bench.planning.plan import Plan
from bench.planning.suite import Suite
from bench.run import run_suite, settings_of
from bench.runner.watch import duration
from bench.suite_record import SuiteCell
from bench.tasks import home

MOST_SEED = 2**32 - 1


def confirm(rows: Iterable[Row], results: Path, catalog: Catalog) -> bool:
    """Train the new seeds that undecided rows ask for, and nothing else; tell whether there was any to train.

    A row whose suite is not at hand, or no longer has its cell, stays as it is, with a word.
    """
    wanted: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        if row.verdict == "undecided" and row.more_seeds:
            wanted[row.suite][row.cell_id] = max(row.more_seeds, wanted[row.suite].get(row.cell_id, 0))
    used: defaultdict[str, int] = defaultdict(lambda: -1)
    for record in store.headers(results)[0]:
        used[record.cell_id] = max(used[record.cell_id], -1 if record.seed is None else record.seed)
    plans = [made for name, cells in wanted.items() for made in _plans(name, cells, used, results, catalog)]
    runs = sum(run.status == "new" for _, made in plans for run in made.runs)
    cost = duration(sum(made.cost_s for _, made in plans))
    _say(
        f"{runs} more runs would tell, about {cost} one after the other"
        if runs
        else "no seeds to train would tell more"
    )
    for suite, made in plans:
        run_suite(suite, made, catalog, settings_of(suite, catalog, results=results, workers=None, timeout_s=None))
    return bool(runs)


def _plans(
    name: str, cells: dict[str, int], used: dict[str, int], results: Path, catalog: Catalog
) -> Iterator[tuple[Suite, Plan]]:
    """Yield a suite with the plan of so many seeds beyond those that its cells have, those of equal seeds together."""
    try:
        suite = suites.read(suites.find(name), catalog)
    except SuiteError as error:
        _say(f"{error}; its rows stay undecided")
        return
    known = {row.cell_id: row for row in suite.cells}
    groups: defaultdict[tuple[int, int], list[SuiteCell]] = defaultdict(list)
    for cell, more in cells.items():
        if cell in known and used[cell] + more <= MOST_SEED:
            groups[used[cell] + 1, more].append(known[cell])
        else:
            _say(f"{name}: has no cell {cell} any more; its row stays undecided")
    for (first, more), chosen in groups.items():
        written = replace(suite.written, seeds=tuple(range(first, first + more)))
        narrow = replace(suite, cells=tuple(chosen), excluded=(), measures=(), diagnostics=(), written=written)
        yield suite, planning.make(narrow, catalog, results, home().artifacts)


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)
