"""The runs of a cell, on a scale on which their spread is even, and what they say of it.

Near the ceiling points are skewed: between 99.5 and 100 % there is less room than between 90 and
90.5. So accuracies are compared as logits, losses as logarithms; intervals are mapped back.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.stats.scores import Score

Shares = NDArray[np.float64]


class Scale(NamedTuple):
    """How a metric is stretched so that equal steps weigh the same everywhere; `n` is the size of the test set."""

    to: Callable[[float, int], float]
    back: Callable[[float], float]
    slope: Callable[[float, int], float]
    """Of `to`."""


LEAST_LOSS = 1e-30
"""Smaller ones are nothing, and have no logarithm to compare."""
MOST_EXAMPLES = 10**9
"""A test set of more is as good as endless."""
FARTHEST = 230.0
"""The logarithm of what no figure of a record is beyond."""


def _inside(share: float, n: int) -> float:
    """Return a share away from 0 and 1, as if half an example more were right and half a one wrong."""
    n = min(n, MOST_EXAMPLES)
    return (share * n + 0.5) / (n + 1)


def _logit(share: float, n: int) -> float:
    inside = _inside(share, n)
    return math.log(inside / (1 - inside))


LOGIT = Scale(
    _logit,
    lambda y: 1 / (1 + math.exp(-min(max(y, -FARTHEST), FARTHEST))),
    lambda share, n: 1 / (_inside(share, n) * (1 - _inside(share, n))),
)
LOG = Scale(lambda value, _: math.log(value), lambda y: math.exp(min(y, FARTHEST)), lambda value, _: 1 / value)
PLAIN = Scale(lambda value, _: value, lambda y: y, lambda *_: 1.0)


def scale_of(scores: Iterable[Score]) -> Scale:
    """Return the scale of accuracies, of positive figures with a unit such as losses, or of anything else.

    What is compared, and what tells each other its spread, must share one.
    """
    scores = list(scores)
    if all(score.counts and score.n for score in scores):
        return LOGIT
    return LOG if all(score.unit != "points" and score.value > LEAST_LOSS for score in scores) else PLAIN


@dataclass(frozen=True, eq=False)
class Group:
    """How far runs of one cell and test set lie apart: one witness of the seeds' variance."""

    squares: float
    df: int
    """Runs beyond the first of each set."""
    answers: float | None
    """The variance that independent answers alone would give; None where outcomes are not known."""
    ceiling: float
    """The same if nothing but chance decided each answer; 0 of figures that count no answers."""
    rounding: float
    """The variance of rounding to whole examples, below which a spread of few runs says nothing."""

    @property
    def variance(self) -> float:
        """Return the observed variance, of which rounding hides the least part."""
        return max(self.squares / self.df, self.rounding)


def pooled(groups: Sequence[Group]) -> Group:
    """Return several groups as one witness."""
    df = sum(group.df for group in groups)
    known = [group for group in groups if group.answers is not None]
    weights = [max(group.df, 1e-9) for group in known]
    return Group(
        squares=math.fsum(group.squares for group in groups),
        df=df,
        answers=float(np.average([group.answers or 0.0 for group in known], weights=weights)) if known else None,
        ceiling=fmean([group.ceiling for group in groups]),
        rounding=fmean([group.rounding for group in groups]),
    )


def outcomes(runs: Sequence[bytes], n: int) -> Shares:
    """Return the share of runs that got each of the `n` test examples right, from their packed outcomes."""
    counts = np.zeros(n, np.int32)
    for bits in runs:
        counts += np.unpackbits(np.frombuffer(bits, np.uint8), count=n)
    return counts / len(runs)


@dataclass(frozen=True, eq=False)
class Sample:
    """The runs of one cell on one test set."""

    scores: tuple[Score, ...]
    scale: Scale

    @property
    def k(self) -> int:
        """Return the number of runs."""
        return len(self.scores)

    @property
    def n(self) -> int:
        """Return the examples in the test set, 1 where that is not known."""
        return self.scores[0].n or 1

    @cached_property
    def value(self) -> float:
        """Return the mean over the runs."""
        return fmean([score.value for score in self.scores])

    @cached_property
    def y(self) -> float:
        """Return the mean on the even scale."""
        return self.scale.to(self.value, self.n)

    @property
    def slope(self) -> float:
        """Return how much the even scale stretches a small difference here."""
        return self.scale.slope(self.value, self.n)

    @cached_property
    def shares(self) -> Shares | None:
        """Return the share of runs that got each of the n examples right; None where that is not known."""
        if self.scale is not LOGIT or self.n < 2:
            return None
        if any(not score.correct or score.n != self.n for score in self.scores):
            return None
        return outcomes([bits for score in self.scores for bits in score.correct], self.n)

    @cached_property
    def group(self) -> Group:
        """Return what the runs say of their own spread."""
        values = [self.scale.to(score.value, self.n) for score in self.scores]
        mean, square = fmean(values), self.slope**2
        is_share = self.scores[0].unit == "points" and self.scores[0].n
        rounding = square / (12 * self.n**2) if is_share else 0.0
        answers = None
        if self.shares is not None and self.k > 1:
            chance = float((self.shares * (1 - self.shares)).mean()) * self.k / (self.k - 1)
            answers = max(square * chance / self.n, rounding)
        return Group(
            squares=math.fsum((value - mean) ** 2 for value in values),
            df=self.k - 1,
            answers=answers,
            ceiling=square * self.value * (1 - self.value) / self.n if self.scale is LOGIT else 0.0,
            rounding=rounding,
        )


class Runs:
    """All runs of a cell, by test set."""

    def __init__(self, scores: Sequence[Score], scale: Scale | None = None) -> None:
        """Sort at least one score by its test set; what is to be compared shares a scale."""
        self.scores = tuple(scores)
        self.scale = scale or scale_of(scores)
        by_test: defaultdict[str, list[Score]] = defaultdict(list)
        for score in scores:
            by_test[score.test].append(score)
        self.samples = {test: Sample(tuple(found), self.scale) for test, found in by_test.items()}

    @property
    def value(self) -> float:
        """Return the mean, in which each test set counts once."""
        return fmean([sample.value for sample in self.samples.values()])

    @cached_property
    def group(self) -> Group:
        """Return what the runs say of the seeds' variance, on all test sets together."""
        return pooled([sample.group for sample in self.samples.values()])
