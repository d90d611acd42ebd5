"""Muon: momentum made orthogonal

The momentum of each hidden matrix is made nearly orthogonal before the step, so no direction of
it is favoured. A convolution's kernel counts as a matrix with a column for each map, as in the
author's code (Keras's own Muon knows dense layers alone). All else steps as in Adam: the last
matrix, biases, normalization, embeddings, attention, depthwise kernels. Steps are scaled so that
Adam's learning rate and weight decay suit.

Paper: K. Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024,
https://kellerjordan.github.io/posts/muon; J. Liu et al., Muon is Scalable for LLM Training, 2025,
https://arxiv.org/abs/2502.16982
"""

import math
from typing import Any

import keras
from keras import ops

from bench.records import Momentum
from bench.work.training import Rate, Tensor


class _Muon(keras.optimizers.Muon):
    def build(self, variables: list[Any]) -> None:
        self.last = [variable.path for variable in variables if len(variable.shape) == 2][-1:]
        super().build(variables)

    def _should_use_adamw(self, variable: Any) -> bool:
        if variable.path in self.last or 1 in variable.shape[-2:]:
            return True
        return len(variable.shape) != 4 and super()._should_use_adamw(variable)

    def zeropower_via_newtonschulz5(self, x: Tensor, steps: int) -> Tensor:
        return ops.reshape(super().zeropower_via_newtonschulz5(_matrix(x), steps), x.shape)

    def lr_adjust(self, x: Tensor) -> Tensor:
        return ops.reshape(super().lr_adjust(_matrix(x)), x.shape)


def optimizer(rate: Rate, weight_decay: float, *, momentum: Momentum = 0.95) -> keras.optimizers.Optimizer:
    """Return the optimizer."""
    decay = weight_decay or None
    return _Muon(rate, momentum=momentum, weight_decay=decay, adam_weight_decay=decay)


def _matrix(x: Tensor) -> Tensor:
    return ops.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
