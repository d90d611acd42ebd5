"""Single classes: one that is lost may hide under an accuracy that has not changed."""

import math
from collections.abc import Sequence
from dataclasses import replace as changed
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bench import stats
from bench.check.rows import Row, Side
from bench.stats import Group, Interval, Prior, Spread

if TYPE_CHECKING:
    from bench.check.quality import Pair

SHARE = 0.05
"""Of the error that a check may make, what the rows of single classes may spend all together."""


class _Class(NamedTuple):
    row: Row
    group: Group
    apart: float
    """New minus old, as logits."""
    slope: float
    runs: float
    """The share of the seeds' variance that the difference has."""
    examples: float


def rows(pairs: Sequence["Pair"], prior: Prior | None) -> list[Row]:
    """Return a row for each class of cells whose runs know their confusions; `prior` is that of accuracies.

    Which examples of a class both sides get right is not recorded, so the choice of test examples
    is taken to weigh on a class as on all of them.
    """
    if prior is None:
        return []
    found = [one for pair in pairs if not pair.are_equal for one in _of_cell(pair, prior)]
    usual = stats.prior_of(one.group for one in found)
    if usual is None:
        return []
    usual = changed(usual, chance=prior.chance)
    return [_row(one, usual) for one in found]


def _row(one: _Class, prior: Prior) -> Row:
    seeds = prior.variance(one.group)
    spread = stats.total(Spread(seeds.variance * one.runs, seeds.df), Spread(one.examples, math.inf))
    about = stats.estimate(one.apart / one.slope, one.row.n, Spread(spread.variance / one.slope**2, spread.df))
    low, high = max(about.low or 0.0, -1.0), min(about.high or 0.0, 1.0)
    return replace(one.row, low=low, high=high, p=about.p)


def _of_cell(pair: "Pair", prior: Prior) -> list[_Class]:
    if len(pair.contrast.pairs) > 1:
        return []
    test = pair.contrast.pairs[0][0].scores[0].test
    new, old = _right(pair.new, test), _right(pair.old, test)
    if new is None or old is None or new.names != old.names or not np.array_equal(new.n, old.n):
        return []
    if len(new.names) != len(new.n):
        return []
    everything = pair.contrast.group.ceiling
    examples = pair.contrast.examples(prior) / everything if everything else 0.0
    made = []
    for index in np.flatnonzero(new.n):
        n, (after, before) = int(new.n[index]), (side.right[:, index] / new.n[index] for side in (new, old))
        value = float(np.concatenate([after, before]).mean())
        slope = stats.LOGIT.slope(value, n)
        squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (after, before))
        group = Group(
            squares=slope**2 * squares,
            df=len(after) + len(before) - 2,
            answers=None,
            ceiling=slope**2 * value * (1 - value) / n,
            rounding=slope**2 / (12 * n**2),
        )
        row = replace(
            pair.row,
            metric="recall",
            class_name=new.names[index],
            difference=float(after.mean() - before.mean()),
            old=Interval(value=float(before.mean()), low=None, high=None, n=len(before)),
            new=Interval(value=float(after.mean()), low=None, high=None, n=len(after)),
        )
        apart = slope * float(after.mean() - before.mean())
        made.append(_Class(row, group, apart, slope, 1 / len(after) + 1 / len(before), examples * group.ceiling))
    return made


class _Right(NamedTuple):
    right: NDArray[np.int64]
    """(runs, classes)"""
    n: NDArray[np.int64]
    """(classes,)"""
    names: tuple[str, ...]


def _right(side: Side, test: str) -> _Right | None:
    """Return what the runs on one test set got right; None if one does not say, or sees other classes."""
    runs = [record for record in side if record.data and record.data.test_fingerprint == test]
    tables = [np.array(record.confusion) for record in runs if record.confusion]
    names = {record.data.classes for record in runs if record.data}
    if len(tables) < len(runs) or len(names) != 1 or len({table.shape for table in tables}) != 1:
        return None
    sizes = np.stack([table.sum(axis=1) for table in tables])
    if (sizes != sizes[0]).any():
        return None
    return _Right(np.stack([table.diagonal() for table in tables]), sizes[0], names.pop())
