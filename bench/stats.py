"""Intervals, paired tests and ranks: what the numbers of a few runs allow one to say.

Two things make an accuracy vary: the seed, and which examples happen to be in the test set.
`paired_scores` and `unpaired_scores` add both variances (the noise of single answers enters both,
so an interval errs on the wide side) and use Student's t with Satterthwaite's degrees of freedom.
Runs on several test sets of one dataset are averaged test set by test set: seeds are no further
test sets, and what is tested in one fold is trained on in another, for which Nadeau and Bengio's
correction widens the interval. Fingerprints tell test sets apart, not the folds' numbers: where
the publisher made a test part, runs of all folds share it and are runs like others.
Levels are 95 % unless said otherwise. SciPy is imported by the functions that need it.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from msgspec import Struct

from bench.records import Record

ALPHA = 0.05
"""The chance of an error that verdicts and ranks accept."""
FEWEST_SEEDS = 3
"""A row with fewer seeds gets no published rank, and a finding with fewer pairs no verdict."""

OVERLAP = 1 / 4
"""Test examples for each training example, where the test part is one of five folds."""

if TYPE_CHECKING:
    import numpy as np

K = TypeVar("K", bound=Hashable)


class Interval(Struct, frozen=True, kw_only=True):
    """A value with its interval, both ends null where too little is known."""

    value: float
    low: float | None
    high: float | None
    n: int


class Difference(Interval, frozen=True, kw_only=True):
    """A mean difference, new minus old."""

    standard_error: float | None
    df: float | None
    """Degrees of freedom; null for a normal distribution."""
    p: float | None
    """Of no difference, two-sided; null where too little is known."""


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
    correct: tuple[bytes, ...] = ()
    """Packed outcomes of each run, as in `Record.correct`; empty where the metric is no accuracy."""


class Spread(Struct, frozen=True, kw_only=True):
    """Variance between seeds, and the degrees of freedom behind it."""

    variance: float
    df: int


def mean_interval(values: Sequence[float], level: float = 1 - ALPHA) -> Interval:
    """Return the mean over seeds with Student's t-interval; one value alone has none."""
    n = len(values)
    mean = fmean(values)
    spread = pooled_spread([values])
    if spread is None:
        return Interval(value=mean, low=None, high=None, n=n)
    half = _quantile(spread.df, level) * math.sqrt(spread.variance / n)
    return Interval(value=mean, low=mean - half, high=mean + half, n=n)


def geometric_interval(values: Sequence[float], level: float = 1 - ALPHA) -> Interval:
    """Return the geometric mean of positive values with Student's t-interval of their logarithms.

    For what varies by shares of itself, as times do; both ends are positive, however few the values.
    """
    found = mean_interval([math.log(value) for value in values], level)
    return Interval(
        value=math.exp(found.value),
        low=None if found.low is None else math.exp(found.low),
        high=None if found.high is None else math.exp(found.high),
        n=found.n,
    )


def scores_interval(scores: Sequence[Score], level: float = 1 - ALPHA) -> Interval:
    """Return the mean over the runs of a cell; of several test sets, each counts once, with its runs' mean.

    The t-interval of one test set is over its runs. That of several is over them and corrected
    (C. Nadeau and Y. Bengio, Inference for the Generalization Error, Machine Learning 52, 2003):
    the variance between k folds is divided not by k but multiplied by 1/k + OVERLAP.
    """
    tests: defaultdict[str, list[float]] = defaultdict(list)
    for score in scores:
        tests[score.test].append(score.value)
    means = [fmean(values) for values in tests.values()]
    if len(means) == 1:
        return mean_interval([score.value for score in scores], level)
    mean, half = fmean(means), _quantile(len(means) - 1, level) * math.sqrt(_between(means))
    return Interval(value=mean, low=mean - half, high=mean + half, n=len(scores))


def _between(means: Sequence[float]) -> float:
    """Return the variance of the mean of several folds, corrected."""
    spread = pooled_spread([means])
    assert spread is not None
    return spread.variance * (1 / len(means) + OVERLAP)


def wilson(successes: float, n: int, level: float = 1 - ALPHA) -> Interval:
    """Return a proportion with Wilson's interval; `n` is at least 1."""
    share, z = successes / n, _quantile(None, level)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(value=share, low=max(middle - half, 0.0), high=min(middle + half, 1.0), n=n)


def smallest_count(percent: float) -> int:
    """Return the fewest samples at which a percentile (0–100) may be reported.

    MLPerf's early stopping with one sample tolerated above the percentile, at 99 % confidence:
    p50 11, p90 64, p95 130, p99 662.
    """
    p, n = percent / 100, 2
    while p**n + n * (1 - p) * p ** (n - 1) > 0.01:
        n += 1
    return n


def paired_scores(new: Mapping[K, Score], old: Mapping[K, Score]) -> Difference | None:
    """Return the mean of new minus old over common keys with equal test sets, None without any.

    The interval covers the spread of the pairs, and the choice of test examples where every
    pair has outcomes. Where a dataset has several test sets, the spread between test sets says
    both. One pair alone has no interval.
    """
    pairs = [(score, old[key]) for key, score in new.items() if key in old and score.test == old[key].test]
    if not pairs:
        return None
    differences = [a.value - b.value for a, b in pairs]
    mean, n = fmean(differences), len(pairs)
    spread = pooled_spread([differences])
    if spread is None:
        return Difference(value=mean, low=None, high=None, n=n, standard_error=None, df=None, p=None)
    # A difference of two rounded values has twice a rounding's variance.
    variance = max(spread.variance, 2 * _rounding([a for a, _ in pairs]))
    by_test: defaultdict[tuple[str, str], list[tuple[Score, Score]]] = defaultdict(list)
    for a, b in pairs:
        by_test[a.dataset, a.test].append((a, b))
    if len({dataset for dataset, _ in by_test}) < len(by_test):
        means = [fmean([a.value - b.value for a, b in group]) for group in by_test.values()]
        return _estimate(mean, n, (max(_between(means), variance / n), len(means) - 1))
    groups = [([a for a, _ in group], [b for _, b in group]) for group in by_test.values()]
    weights = [len(a) / n for a, _ in groups]
    return _estimate(mean, n, (variance / n, spread.df), *_sampling(groups, weights))


def unpaired_scores(new: Sequence[Score], old: Sequence[Score], spread: Spread | None = None) -> Difference | None:
    """Return the mean of new minus old over their common test sets, the seeds taken as independent.

    `spread` is the variance between seeds to use where either side has one seed on each test
    set. None without a common test set or without any known spread.
    """
    tests = sorted({score.test for score in new} & {score.test for score in old})
    groups = [tuple([s for s in side if s.test == test] for side in (new, old)) for test in tests]
    sides = [[[score.value for score in group[side]] for group in groups] for side in (0, 1)]
    if all(pooled_spread(side) for side in sides):
        spread = pooled_spread(sides[0] + sides[1])
    if not groups or spread is None:
        return None
    share = 1 / len(groups)
    mean = share * math.fsum(fmean(a) - fmean(b) for a, b in zip(*sides, strict=True))
    n = min(sum(map(len, side)) for side in sides)
    runs = share**2 * sum(1 / len(a) + 1 / len(b) for a, b in zip(*sides, strict=True))
    variance = max(spread.variance, _rounding(new)) * runs
    sampled = _sampling([(a, b) for a, b in groups], [share] * len(groups))
    return _estimate(mean, n, (variance, spread.df), *sampled)


def pooled_spread(groups: Iterable[Sequence[float]]) -> Spread | None:
    """Return the variance within groups, None if every group has a single value."""
    squares, df = 0.0, 0
    for values in groups:
        mean = fmean(values)
        squares += math.fsum((value - mean) ** 2 for value in values)
        df += len(values) - 1
    return Spread(variance=squares / df, df=df) if df else None


def tied_ranks(rows: Sequence[Mapping[K, Score]], better: Literal["higher", "lower"] = "higher") -> list[int | None]:
    """Return each row's rank, in the order given; rows are the scores of a network by seed and fold.

    Best mean first, each row is compared with the leader of the group above it: within noise it
    shares the leader's rank, else it leads the next group and its rank is its place. Ranks
    therefore never fall along the board, whichever pairs are tied. Rows of fewer than
    FEWEST_SEEDS keys get none and count for no place. Each comparison has its own 5 % chance of
    parting equals: corrected for a board of twenty rows, three seeds could part nothing at all.
    """
    sign = 1 if better == "higher" else -1
    means = [sign * fmean([score.value for score in row.values()]) if row else 0.0 for row in rows]
    ranked = [index for index, row in enumerate(rows) if len(row) >= FEWEST_SEEDS]
    ranks: list[int | None] = [None] * len(rows)
    leader, rank = None, 1
    for place, index in enumerate(sorted(ranked, key=lambda index: -means[index]), start=1):
        if leader is None or _apart(rows[leader], rows[index]):
            leader, rank = index, place
        ranks[index] = rank
    return ranks


def q_values(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted to control the false-discovery rate (Benjamini and Hochberg)."""
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(p_values)] if p_values else []


def p_value(distance: float, difference: Difference) -> float | None:
    """Return the two-sided p of an estimate that lies `distance` from what is tested.

    A difference without error is exact: its p is 0, or 1 at no distance.
    """
    return _two_sided(distance, difference.standard_error, difference.df)


def score(record: Record, metric: str) -> Score | None:
    """Return a record's score on the test set over all classes, None if it has none.

    Where a metric has an average over classes alone, as F1, that is the macro average.
    """
    for m in record.measurements:
        if m.name == metric and m.split in (None, "test") and m.class_name is None and m.statistic in (None, "macro"):
            return Score(
                value=m.value,
                unit="points" if m.unit == "1" and abs(m.value) <= 1 else m.unit,
                n=m.n,
                test=record.data.test_fingerprint if record.data and m.split else "",
                dataset=str(record.cell.dataset) if m.split else "",
                correct=(record.correct,) if metric == "accuracy" and record.correct and m.n else (),
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
        correct=tuple(bits for each in outcomes for bits in each) if all(outcomes) and len(tests) == 1 else (),
    )


def _apart(a: Mapping[K, Score], b: Mapping[K, Score]) -> bool:
    difference = paired_scores(a, b)
    return difference is not None and difference.p is not None and difference.p < ALPHA


def _estimate(value: float, n: int, *parts: tuple[float, int | None]) -> Difference:
    """Return the difference whose variance is the sum of the parts', each with its degrees of freedom."""
    variance = math.fsum(part for part, _ in parts)
    # Satterthwaite's approximation; a part without degrees of freedom is known, as a normal's is.
    doubt = math.fsum(part**2 / df for part, df in parts if df)
    df = variance**2 / doubt if doubt else None
    error = math.sqrt(variance)
    half = _quantile(df, 1 - ALPHA) * error
    p = _two_sided(value, error, df)
    return Difference(value=value, low=value - half, high=value + half, n=n, standard_error=error, df=df, p=p)


def _sampling(
    groups: Sequence[tuple[Sequence[Score], Sequence[Score]]], weights: Sequence[float]
) -> list[tuple[float, int | None]]:
    """Return the variance that the choice of test examples adds, one group a test set, or nothing if unknown."""
    variance = 0.0
    for (new, old), weight in zip(groups, weights, strict=True):
        scores = (*new, *old)
        n = scores[0].n
        if n is None or n < 2 or any(not score.correct or score.n != n for score in scores):
            return []
        gains = _outcomes(pool(new).correct, n) - _outcomes(pool(old).correct, n)
        variance += weight**2 * float(gains.var(ddof=1)) / n
    return [(variance, None)]


def _outcomes(runs: Sequence[bytes], n: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return the share of runs that got each of the `n` test examples right."""
    import numpy as np

    packed = np.frombuffer(b"".join(runs), np.uint8).reshape(len(runs), -1)
    return np.asarray(np.unpackbits(packed, axis=1, count=n).mean(axis=0))


def _rounding(scores: Iterable[Score]) -> float:
    """Return the variance of proportions' rounding to 1/n: equal values of a few runs are no proof of none."""
    return max((1 / (12 * score.n**2) for score in scores if score.unit == "points" and score.n), default=0.0)


def _quantile(df: float | None, level: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri((1 + level) / 2) if df is None else stdtrit(df, (1 + level) / 2))


def _two_sided(distance: float, error: float | None, df: float | None) -> float | None:
    from scipy.special import ndtr, stdtr

    if error is None:
        return None
    if error == 0:
        return 0.0 if distance else 1.0
    t = -abs(distance) / error
    return float(2 * (ndtr(t) if df is None else stdtr(df, t)))
