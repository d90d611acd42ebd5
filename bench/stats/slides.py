"""A slow loss over many commits, of which no single one is large enough to be seen."""

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.stats.moderation import Prior
from bench.stats.runs import Sample, pooled

WINDOWS = (5, 10, 20)
"""How many of the last commits are looked at together."""
SHORTEST_HISTORY = WINDOWS[0]
SLIDE_ALPHA = 0.001
"""The chance of a false alarm of all cells together, at each commit."""


class Slide(Struct, frozen=True):
    """The most certain loss that a history ends with."""

    p: float
    """One-sided, corrected for all shapes that were looked for."""
    loss: float
    """From the beginning of the window to its end, in the metric's unit."""
    first: int
    last: int
    """Places in the history between which it happened."""


def slide(history: Sequence[Sample], prior: Prior, sign: int = 1) -> Slide | None:
    """Return the worst step or slope among the last commits, oldest first; None of a history that is too short.

    `sign` is −1 where lower is better. Every shape is a weighted sum of the commits' means; what
    the choice of test examples adds to it is counted as in other comparisons.
    """
    if len(history) < SHORTEST_HISTORY:
        return None
    recent = history[-WINDOWS[-1] :]
    y = sign * np.array([sample.y for sample in recent])
    group = pooled([sample.group for sample in history])
    seeds, answers = prior.variance(group), prior.answers(group)
    own = np.array([1 / sample.k for sample in recent])
    together = _together(recent) - np.diag(answers * own)
    shapes = [shape for window in WINDOWS if window <= len(recent) for shape in _shapes(window, len(recent))]
    weights = np.array([shape.weights for shape in shapes])
    runs = seeds.variance * (weights**2 @ own)
    examples = np.maximum(np.einsum("ij,jk,ik->i", weights, together, weights), 0.0)
    variance = runs + examples
    worst = int(np.argmin(weights @ y / np.sqrt(variance)))
    z, shape = float((weights @ y)[worst] / math.sqrt(variance[worst])), shapes[worst]
    df = seeds.df * float(variance[worst] / runs[worst]) ** 2
    stretch = fmean([sample.slope for sample in recent])
    start = len(history) - len(recent)
    return Slide(
        p=min(1.0, len(shapes) * _below(z, df)),
        loss=-float((weights @ y)[worst]) * shape.span / abs(stretch),
        first=start + shape.first,
        last=start + shape.last,
    )


class _Shape(Struct, frozen=True):
    weights: NDArray[np.float64]
    span: float
    first: int
    last: int


def _shapes(window: int, length: int) -> list[_Shape]:
    """Return every step, and the slope, of the last `window` of `length` commits."""
    made, start = [], length - window
    for cut in range(1, window):
        weights = np.zeros(length)
        weights[start : start + cut] = -1 / cut
        weights[start + cut :] = 1 / (window - cut)
        made.append(_Shape(weights, 1.0, start + cut - 1, start + cut))
    weights = np.zeros(length)
    steps = np.arange(window) - (window - 1) / 2
    weights[start:] = steps / (steps**2).sum()
    made.append(_Shape(weights, window - 1.0, start, length - 1))
    return made


def _together(recent: Sequence[Sample]) -> NDArray[np.float64]:
    """Return the covariance of the commits' means that the choice of test examples makes."""
    known = [sample.slope * sample.shares for sample in recent if sample.shares is not None]
    if len(known) < len(recent) or len({len(shares) for shares in known}) > 1:
        return np.zeros((len(recent), len(recent)))
    stretched = np.array(known)
    stretched -= stretched.mean(axis=1, keepdims=True)
    n = stretched.shape[1]
    found: NDArray[np.float64] = stretched @ stretched.T / (n * max(n - 1, 1))
    return found


def _below(z: float, df: float) -> float:
    from scipy.special import ndtr, stdtr

    return float(ndtr(z) if math.isinf(df) else stdtr(df, z))
