"""L2: a price on the squared size of weights

The sum of the squares of all kernels, times `amount`, is added to the loss, as in ridge
regression. Biases, normalization and embeddings are left alone. With plain gradient descent this
is weight decay; Adam scales it with the gradient, unlike its `weight_decay`. Together with `l1` it
is the elastic net. A saved network knows nothing of it: what fine-tunes it later does so without.

Paper: A. Krogh and J. A. Hertz, A Simple Weight Decay Can Improve Generalization, NeurIPS 1991

Expect: smaller weights and less overfitting; too much of it, and the network learns less
"""

import keras

from bench.blocks.penalties import penalize


def model(model: keras.Model, *, amount: float = 0.0001) -> keras.Model:
    """Return the untrained network, its kernels with their price."""
    penalize(model, l2=amount)
    return model
