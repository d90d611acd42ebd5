"""Means of runs, and differences between them, with intervals.

Two things make an accuracy vary: the seed, and which examples happen to be in the test set. The
spread between runs holds the first, and of the second only what chance decides anew in every run;
that share is taken out where the variance of the examples is added, so nothing counts twice.

Runs on several test sets of one dataset are averaged test set by test set: seeds are no further
test sets, and what is tested in one fold is trained on in another, for which Nadeau and Bengio's
correction widens the interval (Inference for the Generalization Error, Machine Learning 52, 2003):
the variance between k folds is divided not by k but multiplied by 1/k + OVERLAP. Fingerprints tell
test sets apart, not the folds' numbers: where the publisher made a test part, runs of all folds
share it and are runs like others.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TypeVar

import numpy as np

from bench.stats.intervals import (
    ALPHA,
    Difference,
    Interval,
    Spread,
    estimate,
    mean_interval,
    pooled_spread,
    quantile,
    total,
    wilson,
)
from bench.stats.moderation import Prior, prior_of
from bench.stats.runs import LOGIT, Group, Runs, Sample, Scale, outcomes, pooled
from bench.stats.scores import Score

OVERLAP = 1 / 4
"""Test examples for each training example, where the test part is one of five folds."""

K = TypeVar("K", bound=Hashable)


def interval(runs: Runs, prior: Prior | None = None) -> Interval:
    """Return the mean of a cell's runs with the interval in which its true value lies.

    Of accuracies it covers the seeds and the choice of test examples; of a single run the latter
    alone. Other figures have no outcomes by example: on one test set theirs covers the seeds.
    `prior` is what all cells say of the seeds' variance.
    """
    n, value = len(runs.scores), runs.value
    if len(runs.samples) > 1:
        between = folds_spread([sample.value for sample in runs.samples.values()])
        size = sum(sample.n for sample in runs.samples.values())
        if runs.scale is not LOGIT:
            return _around(value, n, quantile(between.df, 1 - ALPHA) * math.sqrt(between.variance))
        between = Spread(between.variance * LOGIT.slope(value, size) ** 2, between.df)
        return _mapped(value, n, between, LOGIT, size)
    (sample,) = runs.samples.values()
    if runs.scale is not LOGIT:
        return mean_interval([score.value for score in runs.scores])
    prior = prior or prior_of([runs.group])
    if prior is None or sample.k == 1:
        found = wilson(value * sample.n, sample.n)
        return Interval(value=value, low=found.low, high=found.high, n=n)
    seeds, examples = prior.variance(runs.group), 0.0
    if sample.shares is not None:
        varied = sample.slope**2 * float(sample.shares.var(ddof=1)) / sample.n
        examples = max(0.0, varied - prior.answers(runs.group) / sample.k)
    spread = total(Spread(seeds.variance / sample.k, seeds.df), Spread(examples, math.inf))
    return _mapped(value, n, spread, LOGIT, sample.n)


@dataclass(frozen=True, eq=False)
class Contrast:
    """Runs of new and old code on their common test sets, the seeds taken as independent."""

    pairs: tuple[tuple[Sample, Sample], ...]
    """New and old, a pair for each test set."""

    @classmethod
    def of(cls, new: Runs, old: Runs) -> "Contrast | None":
        """Return what can be compared, None without a common test set."""
        tests = sorted(new.samples.keys() & old.samples.keys())
        return cls(tuple((new.samples[test], old.samples[test]) for test in tests)) if tests else None

    @cached_property
    def group(self) -> Group:
        """Return what both sides say of the seeds' variance."""
        return pooled([sample.group for pair in self.pairs for sample in pair])

    @cached_property
    def apart(self) -> float:
        """Return new minus old on the even scale."""
        return fmean([new.y - old.y for new, old in self.pairs])

    @cached_property
    def means(self) -> tuple[float, float]:
        """Return the means of new and old in the metric's own unit."""
        return fmean([new.value for new, _ in self.pairs]), fmean([old.value for _, old in self.pairs])

    @property
    def fewest(self) -> int:
        """Return the number of runs on the side that has fewer."""
        return min(sum(new.k for new, _ in self.pairs), sum(old.k for _, old in self.pairs))

    def spread(self, prior: Prior, more: int = 0) -> Spread:
        """Return the variance of `apart`, or what it would be with `more` new runs on each test set."""
        seeds, share = prior.variance(self.group), 1 / len(self.pairs)
        runs = share**2 * math.fsum(1 / (new.k + more) + 1 / old.k for new, old in self.pairs)
        return total(Spread(seeds.variance * runs, seeds.df + more), Spread(self.examples(prior), math.inf))

    def examples(self, prior: Prior) -> float:
        """Return the variance that the choice of test examples adds, beyond what the runs hold of it already."""
        answers, found = prior.answers(self.group), 0.0
        for (new, old), varied in zip(self.pairs, self._varied, strict=True):
            found += max(0.0, varied - answers * (1 / new.k + 1 / old.k))
        return found / len(self.pairs) ** 2

    @cached_property
    def _varied(self) -> list[float]:
        return [_varied(new, old) for new, old in self.pairs]

    def difference(self, prior: Prior) -> Difference:
        """Return the mean of new minus old; p and degrees of freedom are of the even scale, all else is mapped back."""
        spread, (after, before) = self.spread(prior), self.means
        found, (new, _) = estimate(self.apart, self.fewest, spread), self.pairs[0]
        around = _mapped(after, found.n, spread, new.scale, new.n)
        assert around.low is not None
        assert around.high is not None
        return Difference(
            value=after - before,
            low=around.low - before,
            high=around.high - before,
            n=found.n,
            standard_error=math.sqrt(spread.variance) / new.scale.slope(after, new.n),
            df=found.df,
            p=found.p,
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Runs of two rows, paired by seed and all else that both have in common."""

    pairs: tuple[tuple[Score, Score], ...]
    """New and old, on equal test sets."""
    share: float = 1.0
    """Of each old score, that is taken off the new one: below one, a difference above zero says that it was kept."""

    @classmethod
    def of(cls, new: Mapping[K, Score], old: Mapping[K, Score], share: float = 1.0) -> "Pairs | None":
        """Return the pairs of common keys, None without any."""
        pairs = [(score, old[key]) for key, score in new.items() if key in old and score.test == old[key].test]
        return cls(tuple(pairs), share) if pairs else None

    @cached_property
    def by_test(self) -> dict[tuple[str, str], list[tuple[Score, Score]]]:
        """Return the pairs of each test set."""
        found: defaultdict[tuple[str, str], list[tuple[Score, Score]]] = defaultdict(list)
        for new, old in self.pairs:
            found[new.dataset, new.test].append((new, old))
        return dict(found)

    @cached_property
    def gains(self) -> tuple[float, ...]:
        """Return new minus old of each pair."""
        return tuple(new.value - self.share * old.value for new, old in self.pairs)

    @cached_property
    def _examples(self) -> list[tuple[float, float] | None]:
        return [_gains_of_examples(group, self.share) for group in self.by_test.values()]

    @cached_property
    def group(self) -> Group:
        """Return what the pairs say of how far their differences lie apart, in the metric's own unit."""
        n, mean = len(self.pairs), fmean(self.gains)
        known = [found for found in self._examples if found is not None]
        return Group(
            squares=math.fsum((gain - mean) ** 2 for gain in self.gains),
            df=n - 1,
            answers=fmean([chance for _, chance in known]) if n > 1 and len(known) == len(self.by_test) else None,
            ceiling=0.0,
            # A difference of two rounded values has twice a rounding's variance.
            rounding=2 * max((_rounding(new) for new, _ in self.pairs), default=0.0),
        )

    def difference(self, prior: Prior | None = None) -> Difference:
        """Return the mean of new minus old.

        The interval covers the spread of the pairs, and the choice of test examples where every
        pair has outcomes. Where a dataset has several test sets, the spread between test sets says
        both. One pair alone has no interval. `prior` is what other pairs say of that spread.
        """
        mean, n = fmean(self.gains), len(self.pairs)
        prior = prior or prior_of([self.group])
        if n == 1:
            return Difference(value=mean, low=None, high=None, n=n, standard_error=None, df=None, p=None)
        seeds = Spread(0.0, math.inf)
        if prior is not None and self.group.variance:  # else no seed changes anything, as of parameters
            seeds = prior.variance(self.group)
        if len({dataset for dataset, _ in self.by_test}) < len(self.by_test):
            groups = self.by_test.values()
            folds = [fmean([new.value - self.share * old.value for new, old in group]) for group in groups]
            between = folds_spread(folds)
            return estimate(mean, n, Spread(max(between.variance, seeds.variance / n), between.df))
        chosen = 0.0
        for group, found in zip(self.by_test.values(), self._examples, strict=True):
            if found is not None:
                varied, chance = found
                chosen += (len(group) / n) ** 2 * max(0.0, varied - chance / len(group))
        return estimate(mean, n, total(Spread(seeds.variance / n, seeds.df), Spread(chosen, math.inf)))


def folds_spread(means: Sequence[float]) -> Spread:
    """Return the variance of the mean of several folds, corrected for what they share."""
    spread = pooled_spread([means])
    assert spread is not None
    return Spread(spread.variance * (1 / len(means) + OVERLAP), spread.df)


def _mapped(value: float, n: int, spread: Spread, scale: Scale, size: int) -> Interval:
    """Return a value with the interval that a variance on the even scale gives, mapped back."""
    centre, half = scale.to(value, size), quantile(spread.df, 1 - ALPHA) * math.sqrt(spread.variance)
    middle = scale.back(centre)  # which the half examples of a logit set a little apart from the value
    low, high = (value + scale.back(centre + side * half) - middle for side in (-1, 1))
    if scale is LOGIT:
        low, high = max(low, 0.0), min(high, 1.0)
    return Interval(value=value, low=low, high=high, n=n)


def _around(value: float, n: int, half: float) -> Interval:
    return Interval(value=value, low=value - half, high=value + half, n=n)


def _varied(new: Sample, old: Sample) -> float:
    """Return the variance of a difference of means that its spread over the test examples gives."""
    if new.shares is None or old.shares is None or new.n != old.n:
        return 0.0
    stretch = LOGIT.slope((new.value + old.value) / 2, new.n)
    return stretch**2 * float((new.shares - old.shares).var(ddof=1)) / new.n


def _gains_of_examples(pairs: Sequence[tuple[Score, Score]], share: float) -> tuple[float, float] | None:
    """Return the variance of pairs' mean gain over test examples, and that of one pair's which chance decides anew.

    In the metric's own unit; None where outcomes are unknown.
    """
    n = pairs[0][0].n
    if not n or n < 2 or any(not score.correct or score.n != n for pair in pairs for score in pair):
        return None
    sums, squares = np.zeros(n), np.zeros(n)
    for new, old in pairs:
        gains = outcomes(new.correct, n) - share * outcomes(old.correct, n)
        sums += gains
        squares += gains**2
    k = len(pairs)
    chance = float((squares - sums**2 / k).mean()) / (k - 1) / n if k > 1 else 0.0
    return float((sums / k).var(ddof=1)) / n, chance


def _rounding(score: Score) -> float:
    """Return the variance of a proportion's rounding to 1/n: equal values of a few runs are no proof of none."""
    return 1 / (12 * score.n**2) if score.unit == "points" and score.n else 0.0
