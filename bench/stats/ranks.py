"""Ranks with ties: which rows of a board are surely better than which.

Ryan, Einot, Gabriel and Welsch's closed ranges: two rows part only if they lie apart and every
wider range of the board that holds both does, each range of k rows held against the distribution
of the largest of k·(k−1)/2 differences at its own level. So a board of equals parts none in 95 of
100, and rows that do differ are not held to a whole board's standard.
"""

import math
from collections.abc import Callable, Sequence, Set
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.stats.comparison import OVERLAP
from bench.stats.intervals import ALPHA, Spread
from bench.stats.moderation import Prior, prior_of
from bench.stats.runs import Group, Runs

FEWEST_SEEDS = 3
"""A row with fewer runs gets no published rank, and a finding with fewer pairs no verdict."""
MOST_PAIRS = 2000
"""Pairs of rows that are asked how much folds differ; of a longer board neighbours alone."""

Floats = NDArray[np.float64]
Apart = Callable[[int], tuple[Floats, Floats]]
"""From a row's place to the distances of all better rows in standard errors, as a normal distribution has them,
and to these standard errors in the metric's own unit."""


class Ranking(Struct, frozen=True):
    """A board's ranks, and how fine they are."""

    ranks: tuple[int | None, ...]
    """One more than the rows that are surely better; None for rows of too few runs."""
    resolution: float | None
    """The difference, in the metric's unit, from which on a row parts from the best, whatever lies between."""


def ranking(
    rows: Sequence[Runs | None],
    prior: Prior | None,
    better: Literal["higher", "lower"] = "higher",
    finished: Set[int] = frozenset(),
) -> Ranking:
    """Rank rows, in the order given; a row without any run is None.

    `prior` is what all cells say of the seeds' variance. Rows of fewer than FEWEST_SEEDS runs get
    no rank and take no place, but for the `finished` ones, by their place: networks that no seed
    made here have one run by nature, and the choice of test examples alone makes them doubtful.
    Ranks never fall along the board, best mean first.
    """
    sign = 1.0 if better == "higher" else -1.0
    known = [(i, row) for i, row in enumerate(rows) if row is not None]
    ranked = [(i, row) for i, row in known if len(row.scores) >= FEWEST_SEEDS or i in finished]
    ranked.sort(key=lambda pair: -sign * pair[1].value)
    places, board = [i for i, _ in ranked], [row for _, row in ranked]
    ranks: list[int | None] = [None] * len(rows)
    for place in places[:1]:
        ranks[place] = 1
    if len(board) < 2:
        return Ranking(tuple(ranks), None)
    if any(len(row.samples) > 1 for row in board):
        apart = _of_folds(board, sign)
    else:
        fixed = [i in finished for i in places]
        apart = _of_one_test_set(board, prior or prior_of(row.group for row in board), sign, fixed)
    limits = critical(len(board))
    surely = len(board) - 1
    errors = []
    for place in reversed(range(1, len(board))):
        distances, own = apart(place)
        errors.append(own[0])
        surely = min(surely, place)
        parted = distances[:surely] > limits[place - np.arange(surely) + 1]
        surely = surely if parted.all() else int(parted.argmin())
        ranks[places[place]] = 1 + surely
    return Ranking(tuple(ranks), float(np.nanmedian(errors) * limits[-1]) if np.isfinite(errors).any() else None)


def critical(rows: int) -> Floats:
    """Return how many standard errors two rows that close a range of k rows must lie apart, for k from 0 to `rows`.

    The quantile of the studentized range over √2, at Ryan's level for ranges shorter than the board.
    """
    some = np.unique(np.round(np.geomspace(2, max(rows, 2), 60)).astype(int))
    levels = np.where(some < rows - 1, 1 - (1 - ALPHA) ** (some / rows), ALPHA)
    low, high = np.zeros(len(some)), np.full(len(some), 20.0)
    for _ in range(50):
        middle = (low + high) / 2
        inside = _range_distribution(middle, some) < 1 - levels
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    every = np.arange(rows + 1)
    return np.interp(np.log(np.maximum(every, 2)), np.log(some), high / math.sqrt(2))


def _range_distribution(width: Floats, k: NDArray[np.int_]) -> Floats:
    """Return the probability that k normal variates lie within a width of each other."""
    from scipy.special import ndtr

    x = np.linspace(-8, 8, 641)[:, None]
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return np.asarray((k * density * (ndtr(x + width) - ndtr(x)) ** (k - 1)).sum(axis=0) * (16 / 640))


def _of_one_test_set(board: Sequence[Runs], prior: Prior | None, sign: float, fixed: Sequence[bool]) -> Apart:
    """Compare rows by the moderated variance of their seeds, and by the examples that they do not share.

    Of a `fixed` row, whose network no seed made, the examples alone count.
    """
    samples = [next(iter(row.samples.values())) for row in board]
    tests = np.array([next(iter(row.samples)) for row in board])
    still = Spread(0.0, math.inf)
    spreads = [
        still if is_fixed else prior.variance(row.group) if prior else None
        for row, is_fixed in zip(board, fixed, strict=True)
    ]
    seeds = np.array(
        [spread.variance / row.k if spread else math.inf for spread, row in zip(spreads, samples, strict=True)]
    )
    df = np.array([spread.df if spread else 1.0 for spread in spreads])
    y, slopes = sign * np.array([row.y for row in samples]), np.array([row.slope for row in samples])
    together = np.zeros((len(board), len(board)))
    stretched = [row.slope * row.shares for row in samples if row.shares is not None]
    if len(stretched) == len(samples) and len({row.n for row in samples}) == 1:
        shares = np.array(stretched, np.float32)
        shares -= shares.mean(axis=1, keepdims=True)
        together = (shares @ shares.T).astype(np.float64) / (samples[0].n * max(samples[0].n - 1, 1))
        chance = [
            prior.answers(row.group) / sample.k if prior and not is_fixed else 0.0
            for row, sample, is_fixed in zip(board, samples, fixed, strict=True)
        ]
        together[np.diag_indices_from(together)] -= chance

    def apart(place: int) -> tuple[Floats, Floats]:
        better = slice(0, place)
        own = seeds[better] + seeds[place]
        examples = np.diag(together)[better] + together[place, place] - 2 * together[better, place]
        variance = own + np.maximum(examples, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(own > 0, (variance / own) ** 2 * np.minimum(df[better], df[place]), math.inf)
            distances = _normal((y[better] - y[place]) / np.sqrt(variance), freedom)
        return np.where(tests[better] == tests[place], distances, 0.0), np.sqrt(variance) / slopes[place]

    return apart


def _of_folds(board: Sequence[Runs], sign: float) -> Apart:
    """Compare rows fold by fold; how much a difference varies over folds, all pairs say together."""
    tests = sorted({test for row in board for test in row.samples})
    every = [[row.samples[test].value if test in row.samples else math.nan for test in tests] for row in board]
    values = sign * np.array(every)
    pairs = [(i, j) for j in range(len(board)) for i in range(j)]
    if len(pairs) > MOST_PAIRS:
        pairs = [(j - 1, j) for j in range(1, len(board))]
    _, folds, squares = _over_folds(np.array([values[i] - values[j] for i, j in pairs]))
    prior = prior_of(Group(*one, None, 0.0, 0.0) for one in zip(squares, folds - 1, strict=True) if one[1] > 0)
    witnesses = (len(board) - 1) * (len(tests) - 1)

    def apart(place: int) -> tuple[Floats, Floats]:
        means, folds, squares = _over_folds(values[:place] - values[place])
        if prior is None:
            return np.zeros(place), np.full(place, math.inf)
        variance = prior.drawn(squares, np.maximum(folds - 1, 1)) * (1 / np.maximum(folds, 1) + OVERLAP)
        df = np.clip(prior.df + folds - 1, 1, witnesses)
        with np.errstate(invalid="ignore", divide="ignore"):
            distances = _normal(means / np.sqrt(variance), df)
        return np.where(folds > 1, distances, 0.0), np.sqrt(variance)

    return apart


def _over_folds(gains: Floats) -> tuple[Floats, Floats, Floats]:
    """Return mean, count and squared deviations of each row's differences on the folds that it has."""
    folds = (~np.isnan(gains)).sum(axis=1)
    means = np.nansum(gains, axis=1) / np.maximum(folds, 1)
    return means, folds, np.nansum((gains - means[:, None]) ** 2, axis=1)


def _normal(t: Floats, df: Floats) -> Floats:
    """Return the standard normal's quantile where Student's t with `df` degrees of freedom is as rare as at `t`."""
    from scipy.special import ndtri, stdtr

    return np.asarray(-ndtri(stdtr(np.minimum(df, 1e9), -t)))
