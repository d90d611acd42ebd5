"""Nesterov: momentum that looks ahead

Each step goes on in the direction of the last one to the share `momentum`, and the gradient
counts as if that had been done already, so the ball slows down before a hill. The same as `sgd`,
under the name that people look for.

Paper: Y. Nesterov, A method for solving the convex programming problem with convergence rate O(1/k²), Doklady Akademii
Nauk SSSR 269, 1983; I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013
"""

import keras

from bench.records import Momentum
from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float, *, momentum: Momentum = 0.9) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.SGD(rate, momentum, nesterov=True, weight_decay=weight_decay or None)
