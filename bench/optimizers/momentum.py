"""Momentum: steps against the gradient that keep their way

The heavy ball: each step goes on in the direction of the last one to the share `momentum`, and
adds the gradient where it stands. The same as `sgd(nesterov=False)`, under the name that people
look for.

Paper: B. T. Polyak, Some methods of speeding up the convergence of iteration methods, USSR Computational Mathematics
and Mathematical Physics 4(5), 1964
"""

import keras

from bench.records import Momentum
from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float, *, momentum: Momentum = 0.9) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.SGD(rate, momentum, weight_decay=weight_decay or None)
