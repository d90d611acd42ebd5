"""SGD: steps against the gradient, with momentum

Each step goes on in the direction of the last one to the share `momentum`; with `nesterov` the
gradient counts as if that had been done already. A momentum of 0 is plain stochastic gradient
descent.

Paper: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013
"""

import keras

from bench.records import Momentum
from bench.work.training import Rate


def optimizer(
    rate: Rate, weight_decay: float, *, momentum: Momentum = 0.9, nesterov: bool = True
) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    nesterov = nesterov and momentum > 0
    return keras.optimizers.SGD(rate, momentum, nesterov=nesterov, weight_decay=weight_decay or None)
