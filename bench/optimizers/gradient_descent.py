"""Gradient descent: one step an epoch, on the whole training part

The method that all others are shortcuts of: the exact gradient of all examples, one step against
it. `batch_size` does not count, and memory grows with the training part.

Paper: A. Cauchy, Méthode générale pour la résolution des systèmes d'équations simultanées, Comptes rendus 25, 1847
"""

import keras

from bench.work.training import Rate

STEP = "epoch"


def optimizer(rate: Rate, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.SGD(rate, weight_decay=weight_decay or None)
