"""Early stopping: the epoch that does best on the validation part

Training ends when the loss on the validation part has not fallen for `patience` epochs, and the
weights of the best epoch are kept (also where the training went on to its end).

Paper: L. Prechelt, Early Stopping — But When?, in Neural Networks: Tricks of the Trade, 1998

Expect: the test accuracy of the best epoch, at a fraction of the time; harm where the validation part is very small
"""

import keras

from bench.work.training import Trainer

NEEDS = ("validation",)


def callbacks(trainer: Trainer, *, patience: int = 5) -> list[keras.callbacks.Callback]:
    """Return the callback that stops the training and brings the best weights back."""
    return [keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)]
