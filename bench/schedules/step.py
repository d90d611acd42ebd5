"""Step: a tenth of the learning rate after one half of the steps, a hundredth after three quarters

Or otherwise: it is multiplied by `by` after each of the shares `at` of the steps.

Paper: K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (after 32,000 and 48,000 of 64,000 steps)
"""

from keras import ops

from bench.work.training import Tensor

ADDED = {"at": [0.5, 0.75], "by": 0.1}


def factor(progress: Tensor, *, at: list[float] = [0.5, 0.75], by: float = 0.1) -> Tensor:  # noqa: B006
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    found = ops.ones_like(progress)
    for steps, place in enumerate(sorted(at), start=1):
        found = ops.where(progress < place, found, by**steps)
    return found
