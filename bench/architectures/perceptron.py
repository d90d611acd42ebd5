"""Perceptron: one layer, no hidden units

Each output is a weighted sum of the inputs; trained with cross-entropy it is logistic (or
softmax) regression, with squared error linear regression. The line that every deeper network
has to beat.

Paper: F. Rosenblatt, The Perceptron: A Probabilistic Model for Information Storage and Organization
in the Brain, Psychological Review 65(6), 1958

Expect: 88 % on MNIST for a linear classifier with squared error (LeCun 1998); 92 % with cross-entropy
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Initializer

INPUT = "any"


def build(inputs: KerasTensor, outputs: int, *, initializer: Initializer = "glorot") -> KerasTensor:
    """Return logits."""
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(layers.Flatten()(inputs))
