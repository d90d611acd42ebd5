"""New records against a baseline: regressed, improved, unchanged or undecided.

`sides.py` tells new from old; `quality.py`, `classes.py` and `speed.py` compare; `rows.py` has the
rule by which a row is decided; `report.py` writes it all down.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from bench import store
from bench.check import acknowledged
from bench.check.quality import failures, quality
from bench.check.report import Report, empty, render, report
from bench.check.rows import Row, Side, Verdict, node_of
from bench.check.sides import Sides, sides
from bench.check.slides import slides
from bench.check.speed import speed
from bench.errors import BenchError, NothingToCompare

__all__ = ["Report", "Row", "check", "empty", "judge", "render"]


def check(
    results: Path,
    baseline: str | Path = "HEAD",
    *,
    tolerance: float = 0.01,
    latency_tolerance: float = 0.1,
    gates: Sequence[str] = (),
    accepted: Path | None = None,
    strict: bool = False,
    remeasure: Callable[[Side, Side], tuple[Side, Side]] | None = None,
    any_versions: bool = False,
) -> Report:
    """Compare new records with a baseline, a folder of results or else a git revision.

    `tolerance` is the loss of accuracy (0 to 1) that does not matter, and of a metric that is no
    proportion the share of its old value; `latency_tolerance` is a share as well. New are the
    files that the revision has not, or all files if the baseline is a folder. `gates` are further
    metrics to judge, `accepted` is a file of acknowledged alerts; `strict` fails what is undecided.
    `remeasure` takes the timings of both sides again; with `any_versions` those of other package
    versions are compared, too. Raises NothingToCompare without a single pair, BenchError for a
    baseline that cannot be read.
    """
    if not results.is_dir():
        raise BenchError(f"{results}: no such folder; name the one that `bench run` wrote with --results")
    if not str(baseline).strip():
        raise BenchError("--baseline: name a git revision or a folder of records")
    for share in (tolerance, latency_tolerance):
        if not 0 <= share <= 1:
            raise BenchError(f"a tolerance of {share}: it is a share from 0 to 1")
    reading = store.read(results)
    found = sides(results, reading, baseline)
    if not found.new:
        raise NothingToCompare(_nothing(baseline, found, ()))
    labels = {cell.cell_id: cell.label for suite in reading.suites.values() for cell in suite.cells}
    rows = judge(
        found.new,
        found.old,
        labels,
        tolerance=tolerance,
        latency_tolerance=latency_tolerance,
        gates=gates,
        timings=remeasure(found.new, found.old) if remeasure else None,
        any_versions=any_versions,
    )
    if all((row.difference is None or row.verdict == "shown") and row.metric != "status" for row in rows):
        raise NothingToCompare(_nothing(baseline, found, rows))
    cells = {record.cell_id for side in (found.new, found.old) for record in side}
    rows, faults = acknowledged.apply(rows, accepted, cells) if accepted else (rows, [])
    known = {node_of(record) for record in found.old}
    lonely = sum(node_of(record) not in known for record in found.new)
    return report(str(baseline), rows, (lonely, found.gone), found.problems, faults, strict=strict)


def judge(
    new: Side,
    old: Side,
    labels: dict[str, str] | None = None,
    *,
    tolerance: float = 0.01,
    latency_tolerance: float = 0.1,
    gates: Sequence[str] = (),
    timings: tuple[Side, Side] | None = None,
    any_versions: bool = False,
) -> list[Row]:
    """Return every comparison of two sets of records, each oldest first; regressions come first.

    `timings`, new and old, are judged in the place of those that the records hold of these cells.
    """
    labels = labels or {}
    rows = [
        *failures(new, old, labels),
        *quality(new, old, labels, tolerance, gates),
        *slides(new, old, labels, tolerance),
    ]
    taken: Side = ()
    if timings is not None:
        taken, before = timings
        rows += speed(taken, before, labels, latency_tolerance, any_versions=any_versions)
    again = {(record.cell_id, record.measure.name) for record in taken if record.measure}
    rest = [one for one in new if not (one.measure and (one.cell_id, one.measure.name) in again)]
    rows += speed(rest, old, labels, latency_tolerance, any_versions=any_versions)
    order: tuple[Verdict, ...] = get_args(Verdict)
    return sorted(
        rows,
        key=lambda row: (order.index(row.verdict), row.node == "measure", row.suite, row.label, row.node, row.place),
    )


def _nothing(baseline: str | Path, found: Sides, rows: Sequence[Row]) -> str:
    """Return why nothing was compared, in one line."""
    new, problems = found.new, found.problems
    if rows:
        first = min(rows, key=lambda row: row.node == "measure")
        why = f"{len(rows)} pairs, none comparable, the first because {first.reason}"
    else:
        why = f"{len(new)} new records, none with a counterpart" if new else "no new records"
    gone = f"; {found.gone} of its records are gone" if found.gone else ""
    broken = f"; {len(problems)} broken records were skipped, the first: {problems[0]}" if problems else ""
    return f"{baseline}: {why}{gone}{broken}; run the baseline's suite again and check its records"
