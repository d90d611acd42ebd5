"""Class weights: mistakes on rare classes cost more

Each example's loss is multiplied by n / (classes × examples of its class), so that all classes
weigh the same and the mean weight is one (scikit-learn's `balanced`). With `power` below 1 the
weights are drawn towards one.

Paper: G. King and L. Zeng, Logistic Regression in Rare Events Data, Political Analysis 9(2), 2001

Expect: recall of rare classes up, that of common ones down; accuracy on a test set as unbalanced falls a little
"""

import numpy as np
from keras import ops

from bench.work.training import Loss, Tensor, Trainer

TASKS = ("classification", "hierarchical")
EXCLUDES = {
    "balanced_batches": "both make all classes weigh the same, and together too much of it",
    "oversample": "no class is rare any more when weights are taken",
}


def loss(inner: Loss, trainer: Trainer, *, power: float = 1.0) -> Loss:
    """Return the loss with each example weighted by its class."""
    counts = np.maximum(trainer.counts, 1)
    weights = (counts.sum() / (len(counts) * counts)) ** power
    weights = ops.convert_to_tensor((weights / np.average(weights, weights=counts)).astype(np.float32))
    classes = trainer.groups[0]

    def weighted(x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        return inner(x, y, outputs) * ops.sum(y[:, classes] * weights, axis=1)

    return weighted
