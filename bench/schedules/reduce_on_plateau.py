"""Reduce on plateau: the learning rate falls when the validation loss no longer does

Whenever the loss on the validation part has not fallen for `patience` epochs, the learning rate is
multiplied by `by`. A training in stages or tasks begins each of them with the whole learning rate.

Source: Keras's ReduceLROnPlateau, which cannot go together with a warm-up
"""

import keras
from keras import ops

from bench.work.training import Damping, Tensor, Trainer

NEEDS = ("validation",)


def factor(progress: Tensor) -> Tensor:
    """Return what the learning rate is multiplied by after the share `progress`, 0–1, of the steps."""
    return ops.ones_like(progress)


def callbacks(trainer: Trainer, *, patience: int = 3, by: float = 0.2) -> list[keras.callbacks.Callback]:
    """Return what watches the validation loss."""
    return [_Plateau(trainer.damping, patience, by)]


class _Plateau(keras.callbacks.Callback):
    def __init__(self, damping: Damping, patience: int, by: float) -> None:
        super().__init__()
        self._damping = damping
        self._patience = patience
        self._by = by
        self.best, self.waited, self.scale = float("inf"), 0, 1.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.best, self.waited, self.scale = float("inf"), 0, 1.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._damping.set(self.scale)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        loss = (logs or {})["val_loss"]
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= self._patience:
            self.scale, self.waited = self.scale * self._by, 0
