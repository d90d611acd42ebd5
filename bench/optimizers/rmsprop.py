"""RMSprop: steps divided by the root mean square of the latest gradients

Plain RMSprop has no momentum; `momentum` carries on the share of the last step, as in SGD.

Paper: T. Tieleman and G. Hinton, Lecture 6.5 of Neural Networks for Machine Learning, 2012
"""

import keras

from bench.records import Momentum
from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float, *, momentum: Momentum = 0.9) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.RMSprop(rate, momentum=momentum, weight_decay=weight_decay or None)
