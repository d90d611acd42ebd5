"""Adam: steps scaled by running moments of the gradient

Each weight moves by the mean of its latest gradients over the root of their mean square, so every
weight has a step size of its own.

Paper: D. P. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, https://arxiv.org/abs/1412.6980
"""

import keras

from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.Adam(rate, weight_decay=weight_decay or None)
