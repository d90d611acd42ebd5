"""ResNet-56: residual network for small images

Three stages of nine residual blocks with 16, 32 and 64 maps; shortcuts have no parameters (option A
of the paper). 0.85 M parameters and 125.8 M multiply-adds on CIFAR-10.

Paper: K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016,
https://arxiv.org/abs/1512.03385

Expect: 93.03 % on CIFAR-10 after 64,000 steps with augmentation (the paper); 94.4 % (later implementations)
"""

from keras import KerasTensor

from bench.blocks.residual import residual_network
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 4


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 16,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits."""
    return residual_network(inputs, outputs, blocks=9, width=width, activation=activation, weights=initializer)
