"""The state of a training on disk, so that one that was killed goes on where it was.

A training of several stages (unfreezing, a search) has a file a stage. Stages that were too short
for one are trained again, to the same weights.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.disk import write_atomic

EVERY_S = 30.0
"""Most that is lost when a training is killed."""


class Packed(Struct, frozen=True, tag="array", tag_field="is"):
    """An array as bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class State(Struct, frozen=True):
    """A stage at the end of an epoch."""

    device: str
    epoch: int
    """How many epochs are done, with those of earlier stages."""
    stopped: bool
    """Whether a callback ended the stage there."""
    seconds: float
    """That the stage has taken, in all processes."""
    variables: list[Packed]
    """Of the model, then of the optimizer."""
    callbacks: list[dict[str, Any]]
    """What each callback knows, as far as it is plain data."""


@dataclass
class Checkpoints:
    """The stages of one node's training.

    Attributes:
        folder: Where the files lie; the runner deletes it once there is a record.
        device: What is computed on; a training does not go on on another.
        every_s: Least time between two saves.
        resumed_s: What the training took before this process.
    """

    folder: Path
    device: str = "cpu"
    every_s: float = EVERY_S
    resumed_s: float = 0.0
    saved: float = field(default_factory=time.monotonic)
    _stages: int = 0

    def stage(self, callbacks: Sequence[keras.callbacks.Callback]) -> "Stage":
        """Return the callback that keeps the next stage; it goes after those whose state it keeps."""
        self._stages += 1
        return Stage(self, self.folder / f"{self._stages}.checkpoint", callbacks)


class Stage(keras.callbacks.Callback):
    """Brings a stage back to where it was when the training begins, and saves it now and then."""

    def __init__(self, checkpoints: Checkpoints, file: Path, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._file = file
        self._callbacks = callbacks
        self._started = time.monotonic()
        self._may_resume = all(_is_plain(callback) for callback in callbacks)
        self._state = _read(file) if self._may_resume else None
        if self._state and self._state.device != checkpoints.device:
            self._state = None

    def first_epoch(self, planned: int, epochs: int) -> int:
        """Return the epoch to go on with."""
        if self._state is None:
            return planned
        return epochs if self._state.stopped else self._state.epoch

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Restore the state, after all other callbacks have begun anew."""
        if self._state is None:
            return
        for variable, packed in zip(self._variables(), self._state.variables, strict=True):
            variable.assign(_unpacked(packed))
        for callback, known in zip(self._callbacks, self._state.callbacks, strict=True):
            for name, value in known.items():
                setattr(callback, name, _restored(value))
        self._started -= self._state.seconds
        self._checkpoints.resumed_s += self._state.seconds

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Save, if the last time is long enough ago."""
        now = time.monotonic()
        if not self._may_resume or now - self._checkpoints.saved < self._checkpoints.every_s:
            return
        state = State(
            device=self._checkpoints.device,
            epoch=epoch + 1,
            stopped=bool(self.model.stop_training),
            seconds=now - self._started,
            variables=[_packed(np.asarray(variable)) for variable in self._variables()],
            callbacks=[_plain_attributes(callback) for callback in self._callbacks],
        )
        with suppress(OSError):  # a full disk, say: no reason to end a healthy training
            write_atomic(self._file, msgspec.msgpack.encode(state))
        self._checkpoints.saved = time.monotonic()

    def _variables(self) -> list[Any]:
        return [*self.model.trainable_variables, *self.model.non_trainable_variables, *self.model.optimizer.variables]


def _is_plain(callback: keras.callbacks.Callback) -> bool:
    """Tell whether all that a callback learns is plain data: Keras's own and ours, and those that say `RESUMES = True`.

    Of another nobody knows what it keeps where; a training with such a one starts again.
    """
    if isinstance(callback, keras.callbacks.LambdaCallback):
        return False
    return type(callback).__module__.startswith(("keras.", "bench.")) or getattr(callback, "RESUMES", False)


def _read(file: Path) -> State | None:
    try:
        return msgspec.msgpack.decode(file.read_bytes(), type=State)
    except (OSError, msgspec.DecodeError):
        return None


def _packed(array: NDArray[Any]) -> Packed:
    return Packed(array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())


def _unpacked(packed: Packed) -> NDArray[Any]:
    return np.frombuffer(packed.data, packed.dtype).reshape(packed.shape).copy()


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return what a callback has learned: attributes that are numbers, words, arrays, and lists or dicts of these."""
    found = {}
    for name, value in vars(callback).items():
        try:
            found[name] = _plain(value)
        except TypeError:
            continue
    found.pop("params", None)
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _packed(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    raise TypeError(type(value))


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("is") == "array":
            return _unpacked(msgspec.convert(value, Packed))
        return {key: _restored(one) for key, one in value.items()}
    return [_restored(one) for one in value] if isinstance(value, list) else value
