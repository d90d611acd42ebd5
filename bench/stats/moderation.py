"""The seeds' variance of a cell that has a few: what all cells of a family say of it together.

Three seeds know their own variance to two degrees of freedom, which is next to nothing, and a
verdict that rests on it must be timid or wrong. But the cells of a suite are much alike: how far
their variances differ is estimated, and each cell's own is drawn towards what is usual for cells
whose answers depend as much on chance (G. K. Smyth, Linear Models and Empirical Bayes Methods for
Assessing Differential Expression in Microarray Experiments, 2004, as in Bioconductor's limma).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.stats.intervals import Spread
from bench.stats.runs import Group

SAME = 1e-6
"""Covariates that differ by no more are one."""
ENOUGH_FOR_A_SLOPE = 8
"""Cells from which on the usual variance may follow that of independent answers."""


@dataclass(frozen=True)
class Prior:
    """What is usual for the seeds' variance: a scaled inverse chi-square distribution around a line."""

    level: float
    """ln of the usual variance where the covariate is zero."""
    slope: float
    """Of the usual variance over that of independent answers, both as logarithms."""
    least: float
    most: float
    """Range of the covariate that was seen."""
    df: float
    """How many degrees of freedom the usual variance is worth: none where cells have nothing in
    common, infinitely many where all vary alike."""
    witnesses: int
    """Degrees of freedom of all cells together."""
    chance: float
    """Share of the answers that is up to chance, in the middle one of the cells."""

    def answers(self, group: Group) -> float:
        """Return the variance of independent answers: a cell's own, or for a single seed what is usual."""
        return group.ceiling * self.chance if group.answers is None else group.answers

    def variance(self, group: Group) -> Spread:
        """Return a cell's variance between seeds, and how well it is known."""
        answers = self.answers(group)
        if not group.df:  # one seed: what is usual is all that there is
            return Spread(
                max(answers, self._usual(answers)),
                max(1.0, min(self.df, self.witnesses)) if self.df else self.witnesses,
            )
        found = float(self.drawn(group.df * group.variance, group.df, self._usual(answers)))
        return Spread(max(answers, found), min(self.df + group.df, self.witnesses))

    def drawn(self, squares: ArrayLike, df: ArrayLike, usual: float | None = None) -> NDArray[np.float64]:
        """Return variances, squared deviations over degrees of freedom, drawn towards the usual one."""
        usual = math.exp(self.level) if usual is None else usual
        squares, df = np.asarray(squares, float), np.asarray(df, float)
        if math.isinf(self.df):
            return np.full(squares.shape, usual)
        return (self.df * usual + squares) / (self.df + df)

    def _usual(self, answers: float) -> float:
        if not self.slope:
            return math.exp(self.level)
        covariate = math.log(answers) if answers > 0 else self.least
        return math.exp(self.level + self.slope * min(max(covariate, self.least), self.most))


def prior_of(groups: Iterable[Group]) -> Prior | None:
    """Return what groups say together; None where none has a second run."""
    from scipy.special import digamma, polygamma

    known = [group for group in groups if group.df and group.variance > 0]
    if not known:
        return None
    half = np.array([group.df / 2 for group in known])
    variances = np.array([group.variance for group in known])
    shares = [group.answers / group.ceiling for group in known if group.answers is not None and group.ceiling]
    # Of a chi-square's logarithm, mean and variance are digamma and trigamma.
    heights = np.log(variances) - digamma(half) + np.log(half)
    covariates = _covariates(known)
    slope, used = 0.0, 1
    if len(known) >= ENOUGH_FOR_A_SLOPE and np.ptp(covariates) > SAME:
        # The seeds' variance has that of the answers in it, and so grows with it, but no faster.
        slope, used = float(np.clip(np.polyfit(covariates - covariates.mean(), heights, 1)[0], 0.0, 1.0)), 2
    rest = heights - slope * covariates
    excess = float(((rest - rest.mean()) ** 2).sum() / max(len(known) - used, 1) - polygamma(1, half).mean())
    df = 0.0 if len(known) == 1 else math.inf if excess <= 0 else 2 * _inverse_trigamma(excess)
    if math.isinf(df):
        level = math.log(float(np.average(variances * np.exp(-slope * covariates), weights=half)))
    elif df:
        level = float(rest.mean() + digamma(df / 2) - math.log(df / 2))
    else:
        level = math.log(variances[0])
    return Prior(
        level=level,
        slope=slope,
        least=float(covariates.min()),
        most=float(covariates.max()),
        df=df,
        witnesses=sum(group.df for group in known),
        chance=float(np.median(shares)) if shares else 1.0,
    )


def _covariates(groups: list[Group]) -> NDArray[np.float64]:
    """Return the logarithm of each group's variance of independent answers, zeros where one is not known."""
    if all(group.answers for group in groups):
        return np.log([group.answers or 1.0 for group in groups])
    return np.zeros(len(groups))


def _inverse_trigamma(value: float) -> float:
    """Return the x whose trigamma is `value`, by Newton's method (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        tri = float(polygamma(1, x))
        step = tri * (1 - tri / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x
