"""Epochs: a training's data on the device, and one call an epoch.

What an epoch does depends on the seed and the epoch's number alone: the order of the examples and
the augmentation's draws follow them, and the state of everything else is in variables. So a
training that was interrupted goes on to the same network.

Each backend has a driver in `bench.work.drivers`. Keras's own `fit`, fed in the same order, trains
where a callback wants to see every batch or the data should not lie on the device; it is also what
the drivers are tested against.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import psutil
from keras import ops
from numpy.typing import NDArray

from bench.errors import Unsupported
from bench.measure.hardware import accelerator_memory_bytes
from bench.work.data import Facts, Part
from bench.work.network import MAIN

Tensor = Any
"""A tensor of whichever backend is in use."""
BatchDoor = Callable[[Tensor, Tensor, keras.random.SeedGenerator], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps raw examples, one-hot labels (or values) and outputs to one loss an example, (n,)."""
HeadLoss = tuple[float, Loss]
"""What an auxiliary head of the network adds to the loss: a weight, and the loss of the head's values."""
Weights = list[Tensor]
Slope = Callable[[Weights], Weights]
"""Maps values of all trainable weights to the gradients of the batch's loss there."""
GradientDoor = Callable[[Slope, Weights], Weights]
Order = Callable[[int], NDArray[np.int32]]
"""Maps an epoch to the rows of the training part that it takes, in order."""
Arrays = tuple[NDArray[np.generic], NDArray[np.generic]]
Rows = NDArray[np.int32]

AUXILIARY_WEIGHT = 0.3
"""Of the loss of each auxiliary head, as in GoogLeNet (Szegedy 2015)."""
RESIDENT_SHARE = 0.5
"""Of the device's memory: what the training and validation parts may take there."""
IN_AN_EPOCH = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


class Driver(Protocol):
    """Trains and judges on one backend; the model's variables hold the state between calls."""

    def __init__(self, model: "TrainingModel", train: Arrays, held_out: Arrays | None, *, jit: bool) -> None:
        """Put the data on the device; the model is compiled and the optimizer has its variables."""

    def train(self, rows: Rows) -> NDArray[np.float32]:
        """Take a step for each row of (steps, batch) examples; return the sums of loss and score over all of them."""

    def judge(self, rows: Rows) -> NDArray[np.float32]:
        """Return the sums of loss and score over rows of held-out examples."""


class TrainingModel(keras.Model):
    """A network with what training adds: the techniques' doors, labels as targets, the loss.

    Called with raw examples and labels as the dataset has them; the network inside stays
    uncompiled.
    """

    def __init__(
        self,
        network: keras.Model,
        doors: Sequence[BatchDoor],
        loss: Loss,
        facts: Facts,
        seed: int,
        *,
        heads: Mapping[str, HeadLoss] = {},
        gradient: GradientDoor | None = None,
    ) -> None:
        super().__init__(name="training")
        self.network = network
        self.generator = keras.random.SeedGenerator(0)
        """Of the augmentation's draws."""
        self.gradient = gradient
        """Asks for the slope at other weights than the present ones; the slope here unless set."""
        self._doors = list(doors)
        self._loss = loss
        self._heads = dict(heads)
        self._facts = facts
        self.seed = seed
        self.built = True

    def begin_epoch(self, epoch: int) -> None:
        """Start the draws of an epoch."""
        state = np.random.SeedSequence([self.seed, epoch]).generate_state(2)
        self.generator.state.assign(state)
        if keras.backend.backend() == "torch":
            import torch

            torch.manual_seed(int(state[0]))  # which Keras's dropout draws from there, whatever its own seed

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        """Return the main head's outputs as float32; the loss is added."""
        x, y = ops.cast(inputs[0], "float32"), encoded(inputs[1], self._facts)
        if training:
            for door in self._doors:
                x, y = door(x, y, self.generator)
        heads = self.network(x, training=training)
        heads = {
            name: ops.cast(head, "float32")
            for name, head in (heads if isinstance(heads, dict) else {MAIN: heads}).items()
        }
        self.add_loss(ops.mean(self._loss(x, y, heads[MAIN])))
        if training:
            for name, head in heads.items():
                if name != MAIN:
                    weight, loss = self._heads.get(name, (AUXILIARY_WEIGHT, self._loss))
                    self.add_loss(weight * ops.mean(loss(x, y, head)))
        return heads[MAIN]

    def score(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """Return whether each answer is right, or its absolute error, (n,); the labels are the dataset's own."""
        labels = ops.reshape(labels, (-1,))
        if self._facts.task == "regression":
            return ops.abs(ops.cast(labels, "float32") - outputs[:, 0])
        predicted = ops.argmax(outputs[:, : len(self._facts.classes)], axis=1)
        return ops.cast(ops.equal(ops.cast(labels, predicted.dtype), predicted), "float32")

    @property
    def score_name(self) -> str:
        """What the score is called in logs and curves."""
        return "mae" if self._facts.task == "regression" else "accuracy"


def encoded(labels: Tensor, facts: Facts) -> Tensor:
    """Return labels (n,) as networks are trained on them: one-hot (n, classes), or values (n, 1), as float32.

    Of a hierarchical task the one-hot superclass follows that of the class.
    """
    labels = ops.reshape(labels, (-1,))
    if facts.task == "regression":
        return ops.cast(labels, "float32")[:, None]
    labels = ops.cast(labels, "int32")
    one_hot = ops.one_hot(labels, len(facts.classes))
    if facts.task == "classification":
        return one_hot
    coarse = ops.take(ops.convert_to_tensor(np.array(facts.superclass_of, np.int32)), labels)
    return ops.concatenate([one_hot, ops.one_hot(coarse, len(facts.superclasses))], axis=1)


def fit(
    model: TrainingModel,
    train: Part,
    held_out: Part,
    callbacks: Sequence[keras.callbacks.Callback],
    *,
    order: Order,
    batch_size: int,
    first_epoch: int,
    epochs: int,
    jit: bool,
) -> None:
    """Train a compiled model in place from `first_epoch`, counted from 0, up to `epochs`.

    Callbacks hear of epochs and of the validation part, as from Keras's `fit`, which knows nothing
    of a model's `gradient`.
    """
    arrays = _arrays(train)
    held = _arrays(held_out) if len(held_out) else None
    model.optimizer.build(model.trainable_variables)
    sees_batches = any(_sees_batches(one) for one in callbacks)
    if sees_batches and model.gradient:
        raise Unsupported("one technique wants the slope elsewhere and another to see every batch; name one of them")
    if sees_batches or not (_fits(arrays, held) or model.gradient):
        _keras_fit(model, arrays, held, callbacks, order, batch_size, first_epoch, epochs)
        return
    driver: Driver = importlib.import_module(f"bench.work.drivers.{keras.backend.backend()}").Driver(
        model, arrays, held, jit=jit
    )
    told = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=epochs, steps=-(-len(train) // batch_size), verbose=0
    )
    model.stop_training = False
    logs: dict[str, float] = {}
    told.on_train_begin()
    for epoch in range(first_epoch, epochs):
        told.on_epoch_begin(epoch)
        model.begin_epoch(epoch)
        loss, score = mean(driver.train, order(epoch), batch_size)
        logs = {"loss": loss, model.score_name: score}
        if held:
            told.on_test_begin()
            loss, score = mean(driver.judge, np.arange(len(held_out), dtype=np.int32), batch_size)
            logs |= {"val_loss": loss, f"val_{model.score_name}": score}
            told.on_test_end(logs)
        told.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if ops.convert_to_numpy(model.optimizer.iterations) > 0:  # also where a resumed training had no epoch left
        model.optimizer.finalize_variable_values(model.trainable_weights)
    told.on_train_end(logs)


def mean(driven: Callable[[Rows], NDArray[np.float32]], order: Rows, batch_size: int) -> tuple[float, float]:
    """Drive examples in batches, the last one as small as it is; return the means of loss and score."""
    whole = len(order) // batch_size * batch_size
    blocks = [order[:whole].reshape(-1, batch_size), order[whole:].reshape(1, -1)]
    sums: NDArray[np.float64] = np.sum([driven(block) for block in blocks if block.size], axis=0, dtype=np.float64)
    loss, score = sums.tolist()
    return loss / len(order), score / len(order)


def _arrays(part: Part) -> Arrays:
    """Return examples as they are and labels in the narrowest type that backends compute with."""
    return part.x, part.y.astype(np.float32 if part.y.dtype.kind == "f" else np.int32)


def _sees_batches(callback: keras.callbacks.Callback) -> bool:
    return not all(getattr(getattr(callback, name), "_is_default", False) for name in IN_AN_EPOCH)


def _fits(*parts: Arrays | None) -> bool:
    size = sum(array.nbytes for arrays in parts if arrays for array in arrays)
    return size <= RESIDENT_SHARE * (accelerator_memory_bytes() or psutil.virtual_memory().total)


def _keras_fit(
    model: TrainingModel,
    train: Arrays,
    held_out: Arrays | None,
    callbacks: Sequence[keras.callbacks.Callback],
    order: Order,
    batch_size: int,
    first_epoch: int,
    epochs: int,
) -> None:
    batches = _Batches(train, batch_size)

    def begin(epoch: int, logs: dict[str, float] | None) -> None:
        model.begin_epoch(epoch)
        batches.order = order(epoch)

    model.fit(
        batches,
        initial_epoch=first_epoch,
        epochs=epochs,
        validation_data=_Batches(held_out, batch_size) if held_out else None,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin), *callbacks],
        verbose=0,
        shuffle=False,
    )


class _Batches(keras.utils.PyDataset):
    """Examples for Keras's `fit`, in an order that may change from epoch to epoch."""

    def __init__(self, arrays: Arrays, batch_size: int) -> None:
        super().__init__()
        self._x, self._labels = arrays
        self._batch_size = batch_size
        self.order: Rows = np.arange(len(self._x), dtype=np.int32)

    def __len__(self) -> int:
        return -(-len(self.order) // self._batch_size)

    def __getitem__(self, i: int) -> tuple[Arrays, NDArray[np.generic]]:
        rows = self.order[i * self._batch_size : (i + 1) * self._batch_size]
        return (self._x[rows], self._labels[rows]), self._labels[rows]
