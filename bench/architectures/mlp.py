"""MLP: fully connected layers

The input is flattened and sent through `depth` hidden layers of `width` units. For images it is
the network to beat: it knows nothing of neighbouring pixels.

Paper: D. Rumelhart, G. Hinton and R. Williams, Learning representations by back-propagating errors, Nature 323, 1986

Expect: 98.4 % on MNIST with 800 hidden units (Simard 2003)
"""

from keras import KerasTensor, layers

INPUT = "any"


def build(
    inputs: KerasTensor, outputs: int, *, width: int = 128, depth: int = 2, activation: str = "relu"
) -> KerasTensor:
    """Return logits."""
    x = layers.Flatten()(inputs)
    for _ in range(depth):
        x = layers.Dense(width, activation=activation)(x)
    return layers.Dense(outputs)(x)
