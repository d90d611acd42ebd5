"""A check's report, and how a person reads it."""

from collections.abc import Sequence

from msgspec import Struct

from bench import errors, wording
from bench.check.rows import Row

OUTCOMES = ("regressed", "acknowledged", "undecided", "improved", "unchanged")


class Report(Struct, frozen=True, kw_only=True):
    """What a check found, regressions first."""

    baseline: str
    rows: tuple[Row, ...]
    counts: dict[str, int]
    """Rows of each outcome, and under `new` the records that have no counterpart."""
    problems: tuple[str, ...]
    """One line for each file that was skipped."""
    faults: tuple[str, ...] = ()
    """One line for each acknowledgement that has run out or that no alert answers to."""
    strict: bool = False
    """What is undecided fails, too."""
    exit_code: int


def report(
    baseline: str, rows: Sequence[Row], new: int, problems: Sequence[str], faults: Sequence[str], *, strict: bool
) -> Report:
    """Return the report of comparisons; `new` counts the records without a counterpart."""
    outcomes = [row.outcome for row in rows]
    counts = {name: outcomes.count(name) for name in OUTCOMES}
    failed = counts["regressed"] or faults or (strict and counts["undecided"])
    return Report(
        baseline=baseline,
        rows=tuple(rows),
        counts=counts | {"new": new},
        problems=tuple(problems),
        faults=tuple(faults),
        strict=strict,
        exit_code=errors.FAILED if failed else errors.BROKEN_RECORDS if problems else errors.FINE,
    )


def render(report: Report) -> str:
    """Return the report as plain text: a line for each row, regressions first, and a summary."""
    lines = [f"{row.outcome:<12}  {row.suite}  {row.label}  {row.node}  {sentence(row)}" for row in report.rows]
    lines += [f"skipped       {problem}" for problem in report.problems]
    lines += [f"acknowledged  {fault}" for fault in report.faults]
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    return "\n".join([*lines, f"against {report.baseline}: {counts}; {len(report.problems)} broken records skipped"])


def sentence(row: Row) -> str:
    """Return what was compared, the difference with its interval, and how sure that is."""
    parts = [row.reason]
    if row.visible is not None and row.verdict != "undecided":
        parts.append(f"a loss of {wording.amount(row.visible, row.unit)} would have been seen")
    if row.acknowledged is not None:
        parts.append(f"acknowledged: {row.acknowledged}")
    told = "; ".join(part for part in parts if part)
    if row.difference is None:
        return f"{row.place}  {told}"
    return f"{row.place}  {wording.difference(row.difference, row.low, row.high, row.unit)}: {told}"
