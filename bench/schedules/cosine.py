"""Cosine: the learning rate falls along half a cosine, to zero

Paper: I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017 (without restarts)
"""

import math

from keras import ops

from bench.work.training import Tensor


def factor(progress: Tensor) -> Tensor:
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    return 0.5 * (1.0 + ops.cos(math.pi * progress))
