"""Balanced batches: every batch holds as many examples of each class

An epoch stays as long as it was. Its examples are taken class by class in turn, so any stretch of
it is balanced; common classes are shown in part, anew each epoch, and rare ones several times.

Paper: A. Shimizu et al., Balanced mini-batch training for imbalanced image data classification with neural network,
AI4I 2018

Expect: recall of rare classes up, as with oversampling, in epochs that are no longer
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TASKS = ("classification", "hierarchical")
EXCLUDES = {"oversample": "both balance the classes"}


def order(labels: NDArray[np.generic], rng: np.random.Generator) -> NDArray[np.integer[Any]]:
    """Return as many rows as there are labels, the classes in turn."""
    turns = -(-len(labels) // len(np.unique(labels)))
    rows = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        whole, rest = divmod(turns, len(own))  # all of them equally often, before any once more
        rows.append(np.concatenate([*(rng.permutation(own) for _ in range(whole)), rng.permutation(own)[:rest]]))
    return np.stack([rng.permutation(turn) for turn in np.stack(rows, axis=1)]).ravel()[: len(labels)]
