"""Adagrad: steps that shrink by all that a weight has seen

Each weight moves by its gradient over the root of the sum of all its squared gradients, so rare
features take longer steps. The sum begins at 0.1 and never falls: steps become ever smaller.
It wants a larger learning rate than Adam, 0.01 and more.

Paper: J. Duchi, E. Hazan and Y. Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization,
JMLR 12, 2011
"""

import keras

from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.Adagrad(rate, weight_decay=weight_decay or None)
