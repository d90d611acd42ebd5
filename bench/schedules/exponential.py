"""Exponential: the learning rate falls by a constant ratio each step

After all steps the share `end` of it is left. It falls fast at first: after half of the steps a
tenth is left, where `end` is a hundredth.
"""

from keras import ops

from bench.errors import Unsupported
from bench.work.training import Tensor


def factor(progress: Tensor, *, end: float = 0.01) -> Tensor:
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    if end <= 0:
        raise Unsupported(f"end={end}: a constant ratio never comes to zero; name a small share")
    return ops.power(end, progress)
