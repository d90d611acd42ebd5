"""AdamW: Adam with decoupled weight decay

Adam, and apart from its steps every weight shrinks by the share `weight_decay` of the learning
rate. Keras's Adam decays likewise if it is asked to; the name is kept for what people look for.

Paper: I. Loshchilov and F. Hutter, Decoupled Weight Decay Regularization, ICLR 2019, https://arxiv.org/abs/1711.05101
"""

import keras

from bench.work.training import Rate


def optimizer(rate: Rate, weight_decay: float) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    return keras.optimizers.AdamW(rate, weight_decay=weight_decay)
