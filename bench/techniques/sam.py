"""Sharpness-aware minimization: steps that look for flat valleys

Every step takes the gradient not where the weights are but where the loss is nearly the worst
within the distance `rho`, and so twice. An epoch costs about two.

Paper: P. Foret, A. Kleiner, H. Mobahi and B. Neyshabur, Sharpness-Aware Minimization for Efficiently Improving
Generalization, ICLR 2021, https://arxiv.org/abs/2010.01412

Expect: WideResNet-28-10 on CIFAR-10 3.5 → 2.7 % error, on CIFAR-100 18.8 → 16.5 % (the paper, table 1)
"""

from keras import ops

from bench.work.training import Slope, Weights

BACKENDS = ("tensorflow", "jax", "torch")


def gradient(slope: Slope, weights: Weights, *, rho: float = 0.05) -> Weights:
    """Return the gradients at the weights moved uphill by `rho`."""
    here = slope(weights)
    norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(one, "float32"))) for one in here if one is not None))
    scale = rho / (norm + 1e-12)
    return slope(
        [
            weight if one is None else weight + ops.cast(scale, one.dtype) * one
            for weight, one in zip(weights, here, strict=True)
        ]
    )
