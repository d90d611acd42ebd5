"""Estimates with their uncertainty: Student's t, Wilson, Satterthwaite, Benjamini and Hochberg.

Levels are 95 % unless said otherwise. SciPy is imported by the functions that need it.
"""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from msgspec import Struct

ALPHA = 0.05
"""The chance of an error that verdicts, ranks and intervals accept."""


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


class Spread(Struct, frozen=True):
    """A variance, and the degrees of freedom behind it; infinite for one that is known."""

    variance: float
    df: float


def mean_interval(values: Sequence[float], level: float = 1 - ALPHA) -> Interval:
    """Return the mean over seeds with Student's t-interval; one value alone has none."""
    n = len(values)
    mean = fmean(values)
    spread = pooled_spread([values])
    if spread is None:
        return Interval(value=mean, low=None, high=None, n=n)
    half = quantile(spread.df, level) * math.sqrt(spread.variance / n)
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


def wilson(successes: float, n: int, level: float = 1 - ALPHA) -> Interval:
    """Return a proportion with Wilson's interval; `n` is at least 1."""
    share, z = successes / n, quantile(math.inf, level)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(value=share, low=max(middle - half, 0.0), high=min(middle + half, 1.0), n=n)


def paired_interval(better: int, worse: int, n: int, level: float = 1 - ALPHA) -> Interval:
    """Return the difference of two shares of the same n examples: (better − worse) / n.

    `better` examples are in the first share alone, `worse` in the second alone. By Bonett and Price
    (2012, https://doi.org/10.3102/1076998611411920), one is added to each, so that the interval holds
    its level also where the two hardly differ.
    """
    one, other = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    half = quantile(math.inf, level) * math.sqrt((one + other - (one - other) ** 2) / (n + 2))
    middle, value = one - other, (better - worse) / n
    return Interval(value=value, low=max(middle - half, -1.0), high=min(middle + half, 1.0), n=n)


def smallest_count(percent: float) -> int:
    """Return the fewest samples at which a percentile (0–100) may be reported.

    MLPerf's early stopping with one sample tolerated above the percentile, at 99 % confidence:
    p50 11, p90 64, p95 130, p99 662.
    """
    p, n = percent / 100, 2
    while p**n + n * (1 - p) * p ** (n - 1) > 0.01:
        n += 1
    return n


def pooled_spread(groups: Iterable[Sequence[float]]) -> Spread | None:
    """Return the variance within groups, None if every group has a single value."""
    squares, df = 0.0, 0
    for values in groups:
        mean = fmean(values)
        squares += math.fsum((value - mean) ** 2 for value in values)
        df += len(values) - 1
    return Spread(squares / df, df) if df else None


def total(*parts: Spread) -> Spread:
    """Return the sum of independent variances, with Satterthwaite's degrees of freedom."""
    variance = math.fsum(part.variance for part in parts)
    if not variance:
        return Spread(0.0, math.inf)
    doubt = math.fsum((part.variance / variance) ** 2 / part.df for part in parts)
    return Spread(variance, 1 / doubt if doubt else math.inf)


def q_values(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted to control the false-discovery rate (Benjamini and Hochberg)."""
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(p_values)] if p_values else []


def estimate(value: float, n: int, spread: Spread) -> Difference:
    """Return a difference whose error has this variance."""
    error = math.sqrt(spread.variance)
    half = quantile(spread.df, 1 - ALPHA) * error
    df = None if math.isinf(spread.df) else spread.df
    p = two_sided(value, error, df)
    return Difference(value=value, low=value - half, high=value + half, n=n, standard_error=error, df=df, p=p)


def p_value(distance: float, difference: Difference) -> float | None:
    """Return the two-sided p of an estimate that lies `distance` from what is tested.

    A difference without error is exact: its p is 0, or 1 at no distance.
    """
    return two_sided(distance, difference.standard_error, difference.df)


def quantile(df: float, level: float) -> float:
    """Return how many standard errors an interval reaches to either side."""
    from scipy.special import ndtri, stdtrit

    return float(ndtri((1 + level) / 2) if math.isinf(df) else stdtrit(df, (1 + level) / 2))


def two_sided(distance: float, error: float | None, df: float | None) -> float | None:
    """Return the p of a distance in Student's distribution, or the normal one where `df` is None."""
    from scipy.special import ndtr, stdtr

    if error is None:
        return None
    if error == 0:
        return 0.0 if distance else 1.0
    t = -abs(distance) / error
    return float(2 * (ndtr(t) if df is None else stdtr(df, t)))
