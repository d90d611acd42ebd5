"""A check's report, and how a person reads it."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from bench import errors, wording
from bench.check.rows import Row
from bench.errors import NothingToCompare, shortened

MOST_CHARACTERS = 400
"""Of what is said of a row; a failed run's message may be of any length."""

OUTCOMES = ("regressed", "acknowledged", "undecided", "improved", "unchanged", "shown")
MOST_PROBLEMS = 10
"""Skipped files that are named one by one."""


class Report(Struct, frozen=True, kw_only=True):
    """What a check found, regressions first."""

    baseline: str
    rows: tuple[Row, ...]
    counts: dict[str, int]
    """Rows of each outcome; under `new` the records that have no counterpart, under `gone` those of the baseline
    that the new side lacks."""
    problems: tuple[str, ...]
    """One line for each file that was skipped."""
    faults: tuple[str, ...] = ()
    """One line for each acknowledgement that has run out or that no alert answers to."""
    strict: bool = False
    """What is undecided fails, too."""
    nothing: str | None = None
    """Why nothing was compared, which is no pass."""
    exit_code: int

    @property
    def headline(self) -> str:
        """Return what was found in one line."""
        if self.nothing is not None:
            return f"against {self.nothing}"
        found = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        broken = f"; {len(self.problems)} broken records skipped" if self.problems else ""
        faults = f"; {len(self.faults)} acknowledgements must go" if self.faults else ""
        return f"against {self.baseline}: {found}{broken}{faults}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what else there is to say: acknowledgements that must go, and the first of the skipped files."""
        named = self.problems[:MOST_PROBLEMS]
        more = len(self.problems) - len(named)
        return (*self.faults, *(f"skipped {one}" for one in named), *([f"and {more} more skipped"] if more else []))


def report(
    baseline: str,
    rows: Sequence[Row],
    lonely: tuple[int, int],
    problems: Sequence[str],
    faults: Sequence[str],
    *,
    strict: bool,
) -> Report:
    """Return the report of comparisons; `lonely` counts the records without a counterpart, new and old."""
    outcomes = [row.outcome for row in rows]
    counts = {name: outcomes.count(name) for name in OUTCOMES}
    failed = counts["regressed"] or faults or (strict and counts["undecided"])
    return Report(
        baseline=baseline,
        rows=tuple(rows),
        counts=counts | {"new": lonely[0], "gone": lonely[1]},
        problems=tuple(one.encode(errors="backslashreplace").decode() for one in problems),
        faults=tuple(faults),
        strict=strict,
        exit_code=errors.FAILED if failed else errors.BROKEN_RECORDS if problems else errors.FINE,
    )


def empty(baseline: str, error: NothingToCompare) -> Report:
    """Return the report of a check that had nothing to compare."""
    made = report(baseline, (), (0, 0), (), (), strict=False)
    return replace(made, nothing=str(error), exit_code=error.exit_code)


def render(report: Report) -> str:
    """Return the report as plain text: a line for each row that is judged, regressions first, and a summary."""
    lines = []
    for row in report.rows:
        if row.verdict != "shown":
            cell = f" ({row.cell_id})" if row.verdict == "regressed" and row.label != row.cell_id else ""
            lines.append(f"{row.outcome:<12}  {row.suite}  {row.label}{cell}  {row.node}  {sentence(row)}")
    shown = Counter(row.suite for row in report.rows if row.verdict == "shown")
    lines += [
        f"shown         {suite}  {count} timings of the profile smoke, which is not judged; --json has them"
        for suite, count in shown.items()
    ]
    return "\n".join([*lines, *(f"{'note':<12}  {note}" for note in report.notes), report.headline])


def sentence(row: Row) -> str:
    """Return what was compared, the difference with its interval, and how sure that is."""
    parts = [row.reason]
    if row.visible is not None and row.verdict == "unchanged":
        loss = wording.amount(row.visible, row.unit)
        parts.append(f"a loss of {loss} would have been noticed 4 times in 5")
    if row.acknowledged is not None:
        parts.append(f"acknowledged: {row.acknowledged}")
    told = shortened("; ".join(part for part in parts if part), MOST_CHARACTERS)
    if row.difference is None:
        return f"{row.place}  {told}"
    return f"{row.place}  {wording.difference(row.difference, row.low, row.high, row.unit)}: {told}"
