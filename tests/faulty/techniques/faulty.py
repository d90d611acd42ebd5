"""A technique whose training goes wrong in its first epoch."""

import keras
from fault_kinds import KINDS

from bench.work.training import Trainer


class _Fails(keras.callbacks.Callback):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        if epoch == 0:
            KINDS[self._kind]()


def callbacks(trainer: Trainer, *, kind: str) -> list[keras.callbacks.Callback]:
    return [_Fails(kind)]
