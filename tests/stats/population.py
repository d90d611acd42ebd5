"""Networks whose true accuracy is known, and records of runs of theirs: what statistics are tested on.

An example's difficulty is shared by all networks of a dataset, some of it is each network's own,
and the rest is drawn anew for every answer; the seed shifts a whole network. So two networks err on
the same examples, two seeds more so, and the deviation between seeds is what it is asked to be.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from factory import CREATED, cell, digest, record, replace
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bench.records import Cell, Record

ANSWERS = 0.6
"""Share of the variance between seeds that independent answers make; committed records have 0.45 to 1."""
COMMON = 0.9
"""Correlation of the examples' difficulty for two networks."""
Floats = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(200)


@lru_cache
def _noise(accuracy: float, chance: float) -> float:
    """Return the noise of single answers, difficulties having spread 1, that makes mean p(1 - p) equal `chance`."""
    low, high = 1e-3, 1e3
    for _ in range(60):
        noise = math.sqrt(low * high)
        p = ndtr((ndtri(accuracy) * math.sqrt(1 + noise**2) - _NODES) / noise)
        low, high = (noise, high) if (p * (1 - p) * _WEIGHTS).sum() / _WEIGHTS.sum() < chance else (low, noise)
    return math.sqrt(low * high)


@dataclass(frozen=True, eq=False)
class TestSet:
    """Examples, drawn at random."""

    rng: np.random.Generator
    n: int = 10_000
    name: str = "digits"

    @cached_property
    def difficulty(self) -> Floats:
        """Return how hard each example is for every network."""
        return self.rng.normal(size=self.n)

    @cached_property
    def fingerprint(self) -> str:
        """Return a name that no other test set has."""
        return digest("test", self.name, int(self.rng.integers(2**62)))[:16]


@dataclass(frozen=True, eq=False)
class Network:
    """A cell with a true accuracy, the mean over all examples and seeds, and a deviation between its seeds."""

    of: Cell
    test: TestSet
    accuracy: float = 0.9
    deviation: float = 0.0025

    @cached_property
    def _latent(self) -> Floats:
        own = self.test.rng.normal(size=self.test.n)
        return math.sqrt(COMMON) * self.test.difficulty + math.sqrt(1 - COMMON) * own

    @cached_property
    def _chance(self) -> float:
        return min(ANSWERS * self.deviation**2 * self.test.n, 0.8 * self.accuracy * (1 - self.accuracy))

    def outcomes(self, change: float = 0.0) -> NDArray[np.bool_]:
        """Return which examples one more run gets right, of the network or of one that is better by `change`."""
        rng, level = self.test.rng, self.accuracy + change
        noise = _noise(self.accuracy, self._chance)
        wide = math.sqrt(1 + noise**2)
        threshold = float(ndtri(level)) * wide
        density = math.exp(-((threshold / wide) ** 2) / 2) / math.sqrt(2 * math.pi) / wide
        left = max(self.deviation**2 - self._chance / self.test.n, 0.0)
        shift = rng.normal(0, math.sqrt(left) / density)
        return rng.random(self.test.n) < ndtr((threshold + shift - self._latent) / noise)

    def run(self, seed: int, change: float = 0.0, **fields: Any) -> Record:
        """Return the record of one more run."""
        right = self.outcomes(change)
        made = _template(self.of, self.test.n)
        assert made.data is not None
        accuracy = replace(made.measurements[0], value=float(right.mean()))
        return replace(
            made,
            seed=seed,
            correct=np.packbits(right).tobytes(),
            measurements=(accuracy,),
            data=replace(made.data, test_fingerprint=self.test.fingerprint),
            **{"created": CREATED, **fields},
        )

    def runs(self, count: int, change: float = 0.0, **fields: Any) -> list[Record]:
        """Return the records of several seeds."""
        return [self.run(seed, change, **fields) for seed in range(count)]


_TEMPLATES: dict[tuple[bytes, int], Record] = {}


def _template(of: Cell, n: int) -> Record:
    from bench.records import canonical

    key = canonical(of), n
    if key not in _TEMPLATES:
        made = record(of, n_test=n)
        _TEMPLATES[key] = replace(made, confusion=None, series=(), layers=(), diagnostics={})
    return _TEMPLATES[key]


def grid(test: TestSet, count: int, **fields: Any) -> list[Network]:
    """Return networks that differ in name alone, each as hard on examples of its own."""
    return [Network(cell(test.name, architecture=f"net{i}"), test, **fields) for i in range(count)]
