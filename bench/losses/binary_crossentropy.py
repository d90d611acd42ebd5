"""Binary cross-entropy: each class is a yes or no of its own

The loss of networks that end in sigmoids, the mean over the classes. Answers are read by softmax
nonetheless, as of every network here, so with two classes it is twice as sure as it was trained to be.
"""

import keras

from bench.work.training import Tensor

TASKS = ("classification",)


def loss(y: Tensor, outputs: Tensor) -> Tensor:
    """Return one loss an example, (n,), of one-hot labels and logits (n, classes)."""
    return keras.losses.binary_crossentropy(y, outputs, from_logits=True)
