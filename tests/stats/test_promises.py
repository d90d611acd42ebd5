"""A small share of `nox -s statistics`, with draws that are fixed: each promise is kept as far as so few can tell."""

import numpy as np
import promises
import pytest

FEW = [
    ("a drop of a point is found", promises.drop(0.01, 5, 60, 5, 3), 3, 0.8, 1.0),
    ("nothing has changed", promises.quiet(60, 5, 3), 20, 0.0, 0.1),
    ("nothing has changed, one new seed", promises.quiet(60, 5, 1), 20, 0.0, 0.1),
    ("a drop of two points is found by one seed", promises.drop(0.02, 5, 60, 5, 1), 3, 0.9, 1.0),
    ("equals share a rank", promises.equals(12, 3, 2000), 30, 0.85, 1.0),
    ("a page's interval holds the truth", promises.covers(12, 3, 2000), 10, 0.9, 0.995),
    ("an effect's interval holds the truth", promises.effects(1000), 100, 0.9, 0.995),
    ("a slide is found", promises.sliding(20, 0.002, (0.0025, 0.0025)), 3, 1.0, 1.0),
    ("a steady history is quiet", promises.steady(10, promises.DEVIATIONS), 3, 0.0, 0.0),
    ("slower timings are found", promises.timing(0.1, "found"), 10, 0.85, 1.0),
    ("equal timings are quiet", promises.timing(0.0, "alarm"), 20, 0.0, 0.1),
]


@pytest.mark.parametrize(("promise", "trial", "trials", "least", "most"), FEW, ids=[name for name, *_ in FEW])
def test_a_promise_is_kept(promise: str, trial: promises.Trial, trials: int, least: float, most: float) -> None:
    kept = [answer for i in range(trials) for answer in trial(np.random.default_rng([2, i]))]
    assert least <= np.mean(kept) <= most, promise
