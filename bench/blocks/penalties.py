"""Prices of large weights, which are added to the loss and which a saved network knows nothing of."""

import keras
from keras import regularizers

from bench.errors import Unsupported


def penalize(model: keras.Model, *, l1: float = 0.0, l2: float = 0.0) -> None:
    """Add to the price of every kernel `l1` for each unit of size and `l2` for each unit squared.

    Convolutions, dense layers and attention have kernels; biases, normalization and embeddings are left alone.
    """
    kernels = [variable for variable in model.variables if variable.name.endswith("kernel")]
    if not kernels:
        raise Unsupported(f"{model.name} has no kernel whose size could be kept down")
    for kernel in kernels:
        if not isinstance(kernel.regularizer, (type(None), regularizers.L1, regularizers.L2, regularizers.L1L2)):
            raise Unsupported(f"{kernel.path} has a {type(kernel.regularizer).__name__} already")
        known = kernel.regularizer.get_config() if kernel.regularizer else {}
        # On the variable and not in the layer's configuration, or the network would be saved with it.
        kernel.regularizer = regularizers.L1L2(l1 + known.get("l1", 0.0), l2 + known.get("l2", 0.0))
