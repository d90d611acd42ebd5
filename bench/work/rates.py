"""The learning rate, step by step: a warm-up, the schedule that the settings name, and what callbacks make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from bench.records import Training
from bench.work.epochs import Tensor


@dataclass
class Damping:
    """A factor of the learning rate that callbacks may set while a network trains."""

    variable: keras.Variable | None = None

    def set(self, value: float) -> None:
        """Multiply the learning rate by `value` from the next step on."""
        assert self.variable is not None
        self.variable.assign(value)


class WarmedUp(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then the schedule that the settings name, by step."""

    def __init__(
        self, settings: Training, factor: Callable[[Tensor], Tensor], steps_per_epoch: int, first_epoch: int
    ) -> None:
        self._settings = settings
        self._factor = factor
        self._done = first_epoch * steps_per_epoch
        self._warmup = settings.warmup_epochs * steps_per_epoch
        self._total = max(settings.epochs * steps_per_epoch, 1)
        self.damping: keras.Variable | None = None

    def __call__(self, step: Tensor) -> Tensor:
        """Return the learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32") + self._done
        progress = ops.clip((step - self._warmup) / max(self._total - self._warmup, 1), 0.0, 1.0)
        warm = ops.minimum((step + 1.0) / max(self._warmup, 1), 1.0)
        rate = self._settings.learning_rate * self._factor(progress) * (warm if self._warmup else 1.0)
        return rate if self.damping is None else rate * ops.convert_to_tensor(self.damping)

    def get_config(self) -> dict[str, Any]:
        """Return what Keras asks of a schedule, though none is ever saved."""
        return {"settings": self._settings}
