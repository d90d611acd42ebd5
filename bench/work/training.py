"""The one fit loop, on any Keras backend, that all techniques share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from bench.catalog import Catalog
from bench.errors import Diverged
from bench.records import Series, Training, Use
from bench.work.data import Split
from bench.work.network import MAIN
from bench.work.preparation import target_scale

Tensor = Any
"""A tensor of whichever backend is in use."""

BatchDoor = Callable[[Tensor, Tensor, keras.random.SeedGenerator], tuple[Tensor, Tensor]]
Loss = Callable[[Tensor, Tensor], Tensor]
AUXILIARY_WEIGHT = 0.3
"""Of the loss of each auxiliary head, as in GoogLeNet (Szegedy 2015)."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch with its number from 1, the number of epochs and the metrics."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves beside the weights."""

    series: tuple[Series, ...]
    jit_compile: bool


@dataclass
class Trainer:
    """Trains networks on one split with one set of settings; techniques with a `fit` door are handed it.

    Attributes:
        split: The data; `fit` sees the training and validation parts only.
        settings: Epochs, optimizer, schedule and the like.
        seed: Of the augmentation; Keras's global seed rules the rest.
        report: Called after each epoch.
        batch_doors: Transformations of a training batch, in order.
        loss: Maps one-hot labels (or values) and logits to one loss an example. Of a hierarchical
            task both hold the classes first, then the superclasses.
        callbacks: More Keras callbacks.
    """

    split: Split
    settings: Training
    seed: int
    report: Report
    batch_doors: list[BatchDoor] = field(default_factory=list)
    loss: Loss | None = None
    callbacks: list[keras.callbacks.Callback] = field(default_factory=list)

    def fit(self, network: keras.Model) -> Fitted:
        """Train `network` in place and return its learning curves; raise Diverged on a loss that is not finite."""
        settings, split = self.settings, self.split
        loss = self.loss or default_loss(settings, split)
        model = _TrainingModel(network, self.batch_doors, loss, self.seed)
        model.compile(
            optimizer=optimizer(settings, steps_per_epoch=math.ceil(len(split.train) / settings.batch_size)),
            metrics=["mae"] if split.facts.task == "regression" else [_accuracy(len(split.facts.classes))],
            jit_compile=_jit_compile(),
        )
        y = targets(split.train.y, split)
        held_out = None
        if len(split.validation):
            y_held_out = targets(split.validation.y, split)
            held_out = ((split.validation.x, y_held_out), y_held_out)
        history = model.fit(
            (split.train.x, y),
            y,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            validation_data=held_out,
            callbacks=[_Reporter(self.report, settings.epochs), *self.callbacks],
            verbose=0,
        )
        return Fitted(series=curves(history.history), jit_compile=bool(model.jit_compile))


class _TrainingModel(keras.Model):
    """Sends batches through the techniques' doors and adds the loss; the network inside stays uncompiled."""

    def __init__(self, network: keras.Model, doors: list[BatchDoor], loss: Loss, seed: int) -> None:
        super().__init__(name="training")
        self.network = network
        self.augmentation_seed = keras.random.SeedGenerator(seed)
        self._doors = doors
        self._loss = loss

    def call(self, inputs: tuple[Tensor, Tensor], training: bool = False) -> Tensor:
        x, y = ops.cast(inputs[0], "float32"), inputs[1]
        if training:
            for door in self._doors:
                x, y = door(x, y, self.augmentation_seed)
        heads = self.network(x, training=training)
        heads = {
            name: ops.cast(head, "float32")
            for name, head in (heads if isinstance(heads, dict) else {MAIN: heads}).items()
        }
        self.add_loss(ops.mean(self._loss(y, heads[MAIN])))
        if training:
            for name, head in heads.items():
                if name != MAIN:
                    self.add_loss(AUXILIARY_WEIGHT * ops.mean(self._loss(y, head)))
        return heads[MAIN]


class _Reporter(keras.callbacks.Callback):
    """Passes each epoch's metrics on, and stops a training that has diverged."""

    def __init__(self, report: Report, epochs: int) -> None:
        super().__init__()
        self._report = report
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(metrics.get("loss", 0.0)):
            raise Diverged(f"the loss became {metrics['loss']} in epoch {epoch + 1}; lower the learning rate")
        self._report(epoch + 1, self._epochs, metrics)


def trainer(
    catalog: Catalog, techniques: tuple[Use, ...], split: Split, settings: Training, seed: int, report: Report
) -> Trainer:
    """Return a trainer with the `batch`, `loss` and `callbacks` doors of the techniques opened, in order."""
    made = Trainer(split, settings, seed, report)
    for use in techniques:
        module, parameters = catalog.load("techniques", use.name), use.parameters
        doors = catalog.card("techniques", use.name).doors
        if "batch" in doors:
            made.batch_doors.append(_bound(module.batch, parameters))
        if "loss" in doors:
            made.loss = module.loss(**parameters)
        if "callbacks" in doors:
            made.callbacks += module.callbacks(**parameters)
    return made


def _bound(door: Callable[..., tuple[Tensor, Tensor]], parameters: dict[str, Any]) -> BatchDoor:
    return lambda x, y, seed: door(x, y, seed, **parameters)


def targets(labels: NDArray[np.generic], split: Split) -> NDArray[np.float32]:
    """Return labels as networks are trained on them: one-hot (n, classes), or values (n, 1).

    Of a hierarchical task the one-hot superclass follows that of the class.
    """
    facts = split.facts
    if facts.task == "regression":
        return labels.astype(np.float32)[:, np.newaxis]
    numbers = labels.astype(np.int64)
    one_hot = np.eye(len(facts.classes), dtype=np.float32)[numbers]
    if facts.task == "classification":
        return one_hot
    groups = np.eye(len(facts.superclasses), dtype=np.float32)[np.array(facts.superclass_of)[numbers]]
    return np.concatenate([one_hot, groups], axis=1)


def default_loss(settings: Training, split: Split) -> Loss:
    """Return the loss that the settings name; `auto` is cross-entropy for classes, squared error for values.

    Errors of a regression are taken in standard deviations of the training part's targets, so a
    learning rate and Huber's delta of 1 mean the same whatever the unit.
    """
    if split.facts.task == "classification":
        return lambda y, logits: keras.losses.categorical_crossentropy(y, logits, from_logits=True)
    if split.facts.task == "hierarchical":
        k = len(split.facts.classes)
        return lambda y, logits: (
            keras.losses.categorical_crossentropy(y[:, :k], logits[:, :k], from_logits=True)
            + keras.losses.categorical_crossentropy(y[:, k:], logits[:, k:], from_logits=True)
        )
    losses: dict[str, Loss] = {
        "auto": keras.losses.mean_squared_error,
        "mse": keras.losses.mean_squared_error,
        "mae": keras.losses.mean_absolute_error,
        "huber": keras.losses.huber,
    }
    loss, deviation = losses[settings.loss], target_scale(split)[1]
    return lambda y, values: loss(y / deviation, values / deviation)


def _accuracy(classes: int) -> Callable[[Tensor, Tensor], Tensor]:
    def accuracy(y: Tensor, logits: Tensor) -> Tensor:
        return ops.equal(ops.argmax(y[:, :classes], axis=1), ops.argmax(logits[:, :classes], axis=1))

    return accuracy


def optimizer(settings: Training, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Return the optimizer with its learning-rate schedule."""
    constant = settings.schedule == "constant" and not settings.warmup_epochs
    rate = settings.learning_rate if constant else _Rate(settings, steps_per_epoch)
    decay = settings.weight_decay or None
    match settings.optimizer:
        case "adam":
            return keras.optimizers.Adam(rate, weight_decay=decay)
        case "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=settings.weight_decay)
        case "sgd":
            return keras.optimizers.SGD(rate, settings.momentum, nesterov=settings.momentum > 0, weight_decay=decay)
        case "rmsprop":
            return keras.optimizers.RMSprop(rate, momentum=settings.momentum, weight_decay=decay)


class _Rate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then the schedule that the settings name, by step."""

    def __init__(self, settings: Training, steps_per_epoch: int) -> None:
        self._settings = settings
        self._warmup = settings.warmup_epochs * steps_per_epoch
        self._total = max(settings.epochs * steps_per_epoch, 1)

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32")
        progress = ops.clip((step - self._warmup) / max(self._total - self._warmup, 1), 0.0, 1.0)
        factor = ops.ones_like(progress)
        if self._settings.schedule == "cosine":
            factor = 0.5 * (1.0 + ops.cos(math.pi * progress))
        elif self._settings.schedule == "step":
            factor = ops.where(progress < 0.5, 1.0, ops.where(progress < 0.75, 0.1, 0.01))
        warm = ops.minimum((step + 1.0) / max(self._warmup, 1), 1.0)
        return self._settings.learning_rate * factor * (warm if self._warmup else 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"settings": self._settings, "steps_per_epoch": self._total // max(self._settings.epochs, 1)}


def begin(settings: Training, seed: int | None) -> None:
    """Put Keras into the state that a run starts from, whatever this process did before."""
    keras.utils.clear_session()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(seed or 0)


def device() -> str:
    """Return the device that Keras computes on: the first accelerator, as `gpu:0`, or `cpu`."""
    if keras.backend.backend() == "torch":  # Keras lists no devices there
        import torch

        return "gpu:0" if torch.cuda.is_available() else "cpu"
    accelerators = [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]
    return accelerators[0] if accelerators else "cpu"


def _jit_compile() -> bool:
    """JAX always compiles; XLA halves the speed of small convolutional networks on a CPU with TensorFlow."""
    return keras.backend.backend() == "jax" or device() != "cpu"


def curves(history: dict[str, list[float]]) -> tuple[Series, ...]:
    """Return Keras's history as one series a metric and split, over epochs from 1."""
    found = []
    for name, values in history.items():
        split = "validation" if name.startswith("val_") else "train"
        metric = name.removeprefix("val_")
        found.append(
            Series(
                name=metric,
                axis="epoch",
                points=[float(i + 1) for i in range(len(values))],
                values=[float(value) for value in values],
                unit={"accuracy": "1", "loss": "nat"}.get(metric, "") if "accuracy" in history else "",
                split=split,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class Job:
    """What a technique's `after` door works with.

    Attributes:
        network: File of the parent's `.keras` network.
        split: The data; calibrate and fine-tune on `train` alone.
        settings: The cell's training settings.
        seed: The run's seed.
        folder: An empty folder to leave the new network in.
        outputs: What the parent answers with; networks trained here give logits.
    """

    network: Path
    split: Split
    settings: Training
    seed: int
    folder: Path
    outputs: Literal["logits", "probabilities"] = "logits"


@dataclass(frozen=True)
class Product:
    """What an `after` door makes.

    Attributes:
        network: A Keras network, or the file of one in another format.
        figures: Further numbers to record, by name, as (value, unit).
        series: Curves of fine-tuning.
    """

    network: keras.Model | Path
    figures: dict[str, tuple[float, str]] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
