"""Cross-entropy: minus the logarithm of the probability of the right class"""

import keras

from bench.work.training import Tensor

TASKS = ("classification", "hierarchical")


def loss(y: Tensor, outputs: Tensor) -> Tensor:
    """Return one loss an example, (n,), of one-hot labels and logits (n, classes)."""
    return keras.losses.categorical_crossentropy(y, outputs, from_logits=True)
