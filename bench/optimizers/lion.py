"""Lion: steps of one length, by sign alone

Every weight moves by just the learning rate, against the sign of a mean of its gradient and its
momentum; there is no second moment. It was found by a search over programs. Its authors advise a
learning rate three to ten times smaller than Adam's, and a weight decay as many times larger.

Paper: X. Chen et al., Symbolic Discovery of Optimization Algorithms, NeurIPS 2023, https://arxiv.org/abs/2302.06675
"""

import keras

from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.Lion(rate, weight_decay=weight_decay or None)
