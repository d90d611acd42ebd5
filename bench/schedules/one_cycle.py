"""One cycle: the learning rate rises, and then falls for the rest

It rises evenly from 1 / `start` of the learning rate to all of it over the share `rise` of the
steps, then falls along half a cosine to 1 / `end`. The learning rate that is named is the
highest, and may be several times larger than with other schedules. The paper lets momentum fall
and rise against it; here it stays.

Paper: L. N. Smith and N. Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates,
2018, https://arxiv.org/abs/1708.07120
"""

import math

from keras import ops

from bench.errors import Unsupported
from bench.work.training import Tensor


def factor(progress: Tensor, *, rise: float = 0.3, start: float = 25.0, end: float = 10000.0) -> Tensor:
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    if not 0 < rise < 1 or start <= 0 or end <= 0:
        raise Unsupported(f"rise={rise}, start={start}, end={end}: rise lies between 0 and 1, the others above 0")
    up = 1 / start + (1 - 1 / start) * progress / rise
    down = 1 / end + (1 - 1 / end) * 0.5 * (1 + ops.cos(math.pi * (progress - rise) / (1 - rise)))
    return ops.where(progress < rise, up, down)
