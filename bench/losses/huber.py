"""Huber: small errors squared, large ones by their size

Paper: P. J. Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35(1), 1964
"""

import keras

from bench.work.training import Tensor

TASKS = ("regression",)


def loss(y: Tensor, outputs: Tensor, *, delta: float = 1.0) -> Tensor:
    """Return one loss an example, (n,), of values (n, 1) in the target's standard deviations, as is `delta`."""
    return keras.losses.huber(y, outputs, delta=delta)
