"""Step: a tenth of the learning rate after one half of the steps, a hundredth after three quarters

Paper: K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016 (after 32,000 and 48,000 of 64,000 steps)
"""

from keras import ops

from bench.work.training import Tensor


def factor(progress: Tensor) -> Tensor:
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    return ops.where(progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01))
