"""Gradient clipping: no step that is far too long

`norm` scales the gradient of all weights together down to the length `limit` where it is longer,
so its direction stays. `value` cuts each of its numbers off at ±`limit`. A single bad batch can
then not throw the network far away.

Paper: R. Pascanu, T. Mikolov and Y. Bengio, On the difficulty of training recurrent neural networks, ICML 2013,
https://arxiv.org/abs/1211.5063

Expect: trainings that diverge without it come to an end; others hardly change
"""

from typing import Literal

import keras

from bench.errors import Unsupported


def optimizer(
    optimizer: keras.optimizers.Optimizer, *, by: Literal["norm", "value"] = "norm", limit: float = 1.0
) -> keras.optimizers.Optimizer:
    """Return the optimizer, its gradients bounded."""
    if limit <= 0:
        raise Unsupported(f"limit={limit}: Keras clips at positive limits alone")
    if optimizer.global_clipnorm or optimizer.clipvalue:
        raise Unsupported("gradients can be clipped once: Keras heeds one limit")
    if by == "norm":
        optimizer.global_clipnorm = limit
    else:
        optimizer.clipvalue = limit
    return optimizer
