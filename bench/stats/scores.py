"""What one run reached on the test set."""

from collections.abc import Sequence
from statistics import fmean

from msgspec import Struct

from bench.records import Record


class Score(Struct, frozen=True, kw_only=True):
    """What one run reached; several runs that count as one are pooled into one score."""

    value: float
    unit: str = ""
    """`points` for a proportion, which stays 0 to 1 here."""
    n: int | None = None
    """Examples in the test set."""
    test: str = ""
    """The test set's fingerprint; empty for what depends on none, as parameters."""
    dataset: str = ""
    """What the test set belongs to, as a suite calls it; several test sets of one dataset are its folds."""
    counts: bool = False
    """The value is the share of the `n` examples that were right."""
    correct: tuple[bytes, ...] = ()
    """Packed outcomes of each run, as in `Record.correct`; empty where the metric is no accuracy."""


def score(record: Record, metric: str) -> Score | None:
    """Return a record's score on the test set over all classes, None if it has none.

    Where a metric has an average over classes alone, as F1, that is the macro average.
    """
    size = record.data.n_test if record.data else None
    for m in record.measurements:
        if m.name == metric and m.split in (None, "test") and m.class_name is None and m.statistic in (None, "macro"):
            is_count = metric == "accuracy"
            n = m.n or (size if is_count else None)
            return Score(
                value=m.value,
                unit="points" if m.unit == "1" and abs(m.value) <= 1 else m.unit,
                n=n,
                test=record.data.test_fingerprint if record.data and m.split else "",
                dataset=str(record.cell.dataset) if m.split else "",
                counts=is_count and bool(n),
                correct=(record.correct,) if is_count and record.correct and n == size else (),
            )
    return None


def pool(scores: Sequence[Score]) -> Score:
    """Return runs as one score: the mean value and, on one test set, the outcomes of all."""
    first, outcomes = scores[0], [score.correct for score in scores]
    tests = sorted({score.test for score in scores})
    return Score(
        value=fmean([score.value for score in scores]),
        unit=first.unit,
        n=first.n,
        test="+".join(tests),
        dataset=first.dataset,
        counts=first.counts,
        correct=tuple(bits for each in outcomes for bits in each) if all(outcomes) and len(tests) == 1 else (),
    )
