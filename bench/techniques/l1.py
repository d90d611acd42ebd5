"""L1: a price on the absolute size of weights

The sum of the absolute values of all kernels, times `amount`, is added to the loss. It draws
weights that help little to zero. Biases, normalization and embeddings are left alone. Together
with `l2` it is the elastic net. A saved network knows nothing of it: what fine-tunes it later does
so without.

Paper: R. Tibshirani, Regression Shrinkage and Selection via the Lasso, Journal of the Royal Statistical Society B
58(1), 1996

Expect: many weights near zero; a little less overfitting where there are few examples
"""

import keras

from bench.blocks.penalties import penalize


def model(model: keras.Model, *, amount: float = 0.00001) -> keras.Model:
    """Return the untrained network, its kernels with their price."""
    penalize(model, l1=amount)
    return model
