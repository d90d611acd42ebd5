"""ResNet-20: residual network for small images

Three stages of three residual blocks with 16, 32 and 64 maps; shortcuts have no parameters (option A
of the paper). 0.27 M parameters and 40.8 M multiply-adds on CIFAR-10.

Paper: K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016,
https://arxiv.org/abs/1512.03385

Expect: 91.25 % on CIFAR-10 after 64,000 steps with augmentation (the paper); 92.6 % (later implementations)
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
    return residual_network(inputs, outputs, blocks=3, width=width, activation=activation, weights=initializer)
