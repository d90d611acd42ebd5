"""Low rank: each kernel as the product of two smaller ones

The kernel of each convolution and dense layer is factored by its singular values, of which as many
are kept as hold the share `energy` of their squares. Where that has fewer weights, two layers take
the place of one: a narrow one with the old one's shape, and one of 1 × 1. Then the network trains on
for `epochs` epochs (0: not at all) with the recipe's batches and loss (but for prices on weights).

Paper: E. Denton et al., Exploiting Linear Structure Within Convolutional Networks for Efficient Evaluation, NeurIPS
2014, https://arxiv.org/abs/1404.0736

Expect: wide dense layers shrink several times for a fraction of a point; narrow convolutions hardly
"""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers

from bench.blocks.fine_tuning import trained_on
from bench.blocks.keras_integers import require_floats
from bench.errors import Unsupported
from bench.limits import NotNegative, Rate, Share
from bench.work.training import Job, Product

TAKES = ("keras",)
GIVES = "keras"


def after(job: Job, *, energy: Share = 0.9, epochs: NotNegative = 2, learning_rate: Rate = 0.0005) -> Product:
    """Return the network with factored kernels; raise Unsupported where that saves nothing."""
    network = job.parent.network
    require_floats(network)
    factors = {layer.name: found for layer in network.layers if (found := _factors(layer, energy))}
    if not factors:
        raise Unsupported(f"{network.name}: {100 * energy:g} % of no kernel's energy fits into fewer weights")
    pairs = {name: _layers(network.get_layer(name), found[0].shape[-1]) for name, found in factors.items()}

    def call(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if layer.name not in pairs:
            return layer(*args, **kwargs)
        narrow, wide = pairs[layer.name]
        return wide(narrow(*args, **kwargs))

    smaller = keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)
    for name, (left, right) in factors.items():
        narrow, wide = pairs[name]
        narrow.set_weights([left])
        wide.set_weights([right, *network.get_layer(name).get_weights()[1:]])
    product = trained_on(job, smaller, epochs, learning_rate)
    return replace(product, figures={"factored_layers": (len(factors), "1")})


def _factors(layer: keras.Operation, energy: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return two kernels whose product is nearly a layer's own; None where they would have no fewer weights."""
    if type(layer) not in {layers.Dense, layers.Conv2D} or getattr(layer, "groups", 1) != 1:
        return None
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    flat = kernel.reshape(-1, kernel.shape[-1])
    left, values, right = np.linalg.svd(flat, full_matrices=False)
    shares = np.cumsum(values**2) / max(float((values**2).sum()), 1e-30)
    rank = min(int(np.searchsorted(shares, energy)) + 1, len(values))
    if rank * sum(flat.shape) >= flat.size:
        return None
    root = np.sqrt(values[:rank])
    ones = (1,) * (kernel.ndim - 2)
    return (left[:, :rank] * root).reshape(*kernel.shape[:-1], rank), (root[:, None] * right[:rank]).reshape(
        *ones, rank, kernel.shape[-1]
    )


def _layers(layer: keras.Layer, rank: int) -> tuple[keras.Layer, keras.Layer]:
    config = layer.get_config()
    plain = {"use_bias": False, "activation": None, "kernel_regularizer": None, "activity_regularizer": None}
    narrow = config | plain | {"name": f"{layer.name}_narrow"}
    narrow |= {"units": rank} if isinstance(layer, layers.Dense) else {"filters": rank}
    if isinstance(layer, layers.Conv2D):
        config |= {"kernel_size": 1, "strides": 1, "dilation_rate": 1}
    return type(layer).from_config(narrow), type(layer).from_config(config)
