"""The seeds that would decide what a check leaves open, run before anything is raised."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from bench import store
from bench.catalog import Catalog
from bench.check import Row
from bench.errors import SuiteError
from bench.planning import plan as planning
from bench.planning import suite as suites
from bench.run import run_suite, settings_of
from bench.tasks import home


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
    has_run = False
    for name, cells in wanted.items():
        try:
            suite = suites.read(suites.find(name), catalog)
        except SuiteError as error:
            print(f"bench: {error}; its rows stay undecided", file=sys.stderr)
            continue
        groups: defaultdict[tuple[int, int], list[str]] = defaultdict(list)
        for cell, more in cells.items():
            groups[used[cell] + 1, more].append(cell)
        for (first, more), names in groups.items():
            chosen = tuple(row for row in suite.cells if row.cell_id in names)
            if not chosen:
                print(f"bench: {name}: has no cell {names[0]} any more; its row stays undecided", file=sys.stderr)
                continue
            written = replace(suite.written, seeds=tuple(range(first, first + more)))
            narrow = replace(suite, cells=chosen, excluded=(), measures=(), diagnostics=(), written=written)
            made = planning.make(narrow, catalog, results, home().artifacts)
            settings = settings_of(suite, catalog, results=results, workers=None, timeout_s=None)
            run_suite(suite, made, catalog, settings)
            has_run = True
    return has_run
