"""What trains: one trainer for all techniques, on any Keras backend."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial, reduce
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from bench.errors import Diverged
from bench.records import Training
from bench.work.checkpoint import Checkpoints
from bench.work.data import Facts, Learn
from bench.work.device import device
from bench.work.epochs import (
    BatchDoor,
    GradientDoor,
    HeadLoss,
    Loss,
    Rows,
    Slope,
    Tensor,
    TrainingModel,
    Weights,
    fit,
)
from bench.work.preparation import target_scale
from bench.work.product import Product, Stage, curves, joined
from bench.work.rates import Damping, WarmedUp
from bench.work.trained import Trained

__all__ = [
    "BatchDoor",
    "Cell",
    "Damping",
    "Job",
    "Loss",
    "OptimizerDoor",
    "OrderDoor",
    "PlainLoss",
    "Product",
    "Slope",
    "Stage",
    "Tensor",
    "Trainer",
    "Weights",
    "joined",
]
"""What plugins may use."""

Rate = Any
"""A learning-rate schedule as Keras's optimizers take it."""
PlainLoss = Callable[[Tensor, Tensor], Tensor]
"""Maps labels and outputs to one loss an example, (n,), as files in `losses/` do."""
OptimizerDoor = Callable[[keras.optimizers.Optimizer], keras.optimizers.Optimizer]
OrderDoor = Callable[[NDArray[np.generic], np.random.Generator], NDArray[np.integer[Any]]]
"""Maps the labels of the training part to the rows that an epoch takes, in order."""
Report = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch with its number from 1, the number of epochs and the metrics."""


@dataclass(kw_only=True)
class Trainer:
    """Trains networks on one learning part with one set of settings and the recipe's doors.

    Attributes:
        learn: The training and validation parts; there is no test part here.
        settings: Epochs, batch size, learning rate and the like.
        seed: Of the order of the examples and of the augmentation; Keras's global seed rules the rest.
        report: Called after each epoch.
        make_optimizer: Maps a learning rate and a weight decay to the optimizer that the settings name.
        step: What the optimizer takes a step on, a batch or the whole training part.
        factor: Maps the share of the steps that are done, 0–1, to a factor of the learning rate.
        loss: What is minimized. Of a hierarchical task labels and outputs hold the classes first,
            then the superclasses; see `groups`.
        build: Returns a new untrained network of the cell, its architecture's parameters changed
            by keyword, with the recipe's `model` doors opened.
        remake: Returns the trainer of the cell with other values; see `vary`.
        order_door: Picks the examples of each epoch; all of them, shuffled, unless set.
        batch_doors: Transformations of a training batch, in order.
        gradient_doors: Each asks the one before it for gradients, in order.
        optimizer_doors: Each wraps the optimizer before the first step, in order.
        head_losses: Of auxiliary heads that have a loss of their own, by the head's name.
        asks_of_examples: Whether the loss needs the raw examples, for a teacher say.
        callbacks: More Keras callbacks.
        watching: Those of the callbacks that belong to diagnostics, which look on.
        damps: Whether the schedule's callbacks may set `damping`.
        damping: What the learning rate is multiplied by beside its schedule.
        checkpoints: Where the state of each `fit` is kept, if it is.
        features: Where what frozen layers make of the training part is kept.
    """

    learn: Learn
    settings: Training
    seed: int
    report: Report
    make_optimizer: Callable[[Rate, float], keras.optimizers.Optimizer]
    factor: Callable[[Tensor], Tensor]
    loss: Loss
    build: Callable[..., keras.Model]
    remake: "Callable[[Mapping[str, Any]], Trainer]"
    step: Literal["batch", "epoch"] = "batch"
    order_door: OrderDoor | None = None
    batch_doors: list[BatchDoor] = field(default_factory=list)
    gradient_doors: list[GradientDoor] = field(default_factory=list)
    optimizer_doors: list[OptimizerDoor] = field(default_factory=list)
    head_losses: dict[str, HeadLoss] = field(default_factory=dict)
    asks_of_examples: bool = False
    callbacks: list[keras.callbacks.Callback] = field(default_factory=list)
    watching: list[keras.callbacks.Callback] = field(default_factory=list)
    damps: bool = False
    damping: Damping = field(default_factory=Damping)
    checkpoints: Checkpoints | None = None
    features: Path | None = None

    @property
    def facts(self) -> Facts:
        """What is known of the dataset."""
        return self.learn.facts

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Examples of each class in the training part, (classes,)."""
        return np.array(self.learn.train.counts(len(self.facts.classes)))

    @cached_property
    def groups(self) -> tuple[slice, ...]:
        """The columns of labels and outputs that are one choice each: the classes, and then any superclasses."""
        return groups(self.facts)

    @property
    def batch_size(self) -> int:
        """Examples in a step."""
        return len(self.learn.train) if self.step == "epoch" else self.settings.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last one may not be full."""
        examples = len(self.order(0)) if self.order_door else len(self.learn.train)
        return math.ceil(examples / self.batch_size)

    def on(self, learn: Learn) -> "Trainer":
        """Return this trainer for other examples; what was drawn from the first ones, as class weights, stays."""
        return replace(self, learn=learn)

    def vary(self, values: Mapping[str, Any]) -> "Trainer":
        """Return the trainer of the cell with other values, by the names of a suite's axes.

        Such as `learning_rate`, `optimizer.momentum`, `architecture.width`, `dropout.rate`. Its
        callbacks begin anew; who looks on and where states are kept stays.
        """
        made = self.remake(values)
        made.checkpoints, made.watching = self.checkpoints, self.watching
        made.callbacks += self.watching
        return made

    def order(self, epoch: int) -> Rows:
        """Return the rows of the training part that an epoch takes, in order; they follow seed and epoch alone."""
        rng = np.random.default_rng([self.seed, epoch])
        if self.order_door is None:
            return rng.permutation(len(self.learn.train)).astype(np.int32)
        return self.order_door(self.learn.train.y, rng).astype(np.int32)

    @property
    def gradient(self) -> GradientDoor | None:
        """The `gradient` doors as one, which hands each the slope as the doors before it see it."""
        doors = self.gradient_doors
        if not doors:
            return None

        def through(slope: Slope, weights: Weights) -> Weights:
            seen: Slope = reduce(lambda inner, door: partial(door, inner), doors, slope)
            return seen(weights)

        return through

    def fit(self, network: keras.Model, *, first_epoch: int = 0, epochs: int | None = None) -> Product:
        """Train `network` in place; raise Diverged on a loss that is not finite.

        A training in stages says which epochs each of them has: from `first_epoch`, counted from
        0, up to `epochs` (all that the settings name). The learning rate goes on where it was, the
        optimizer begins anew. `joined` makes one Product of several.
        """
        learn, last = self.learn, self.settings.epochs if epochs is None else epochs
        model = TrainingModel(
            network,
            self.batch_doors,
            self.loss,
            learn.facts,
            self.seed,
            heads=self.head_losses,
            gradient=self.gradient,
        )
        score = keras.metrics.MeanMetricWrapper(model.score, name=model.score_name)
        model.compile(optimizer=self._optimizer(first_epoch), metrics=[score], jit_compile=jit_compile())
        reporter = _Reporter(self.report, self.settings.epochs)
        callbacks: list[keras.callbacks.Callback] = [reporter, *self.callbacks]
        begin = first_epoch
        if self.checkpoints:
            stage = self.checkpoints.stage(tuple(callbacks))
            callbacks.append(stage)
            begin = stage.first_epoch(first_epoch, last)
        fit(
            model,
            learn.train,
            learn.validation,
            callbacks,
            order=self.order,
            batch_size=self.batch_size,
            first_epoch=begin,
            epochs=last,
            jit=jit_compile(),
        )
        return Product(network, series=curves(reporter.history, first_epoch))

    def judge(self, network: keras.Model) -> tuple[float, float]:
        """Return the mean loss and score (accuracy, or mean absolute error) of a network on the validation part."""
        model = TrainingModel(network, [], self.loss, self.facts, self.seed)
        held_out, size = self.learn.validation, 256
        sums = np.zeros(2)
        for i in range(0, len(held_out), size):
            x, labels = held_out.x[i : i + size].astype(np.float32), held_out.y[i : i + size]
            outputs = model((x, labels), training=False)
            scores = ops.convert_to_numpy(model.score(ops.convert_to_tensor(labels), outputs))
            sums += float(sum(model.losses)) * len(x), float(scores.sum())
        loss, score = (sums / len(held_out)).tolist()
        return loss, score

    def _optimizer(self, first_epoch: int) -> keras.optimizers.Optimizer:
        rate = WarmedUp(self.settings, self.factor, self.steps_per_epoch, first_epoch)
        made = self.make_optimizer(rate, self.settings.weight_decay)
        for door in self.optimizer_doors:
            made = door(made)
        if self.damps:
            # Among the optimizer's own variables, so that each backend carries it along and checkpoints keep it.
            self.damping.variable = rate.damping = made.add_variable((), "ones", dtype="float32", name="damping")
        return made


class _Reporter(keras.callbacks.Callback):
    """Keeps each epoch's metrics and passes them on, and stops a training that has diverged."""

    def __init__(self, report: Report, epochs: int) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self._report = report
        self._epochs = epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        if not math.isfinite(metrics.get("loss", 0.0)):
            raise Diverged(f"the loss became {metrics['loss']} in epoch {epoch + 1}; lower the learning rate")
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(value)
        self._report(epoch + 1, self._epochs, metrics)


def groups(facts: Facts) -> tuple[slice, ...]:
    """Return the columns of labels and outputs that are one choice each: classes, superclasses; none of values."""
    classes = len(facts.classes)
    if facts.task == "regression":
        return ()
    if facts.task == "classification":
        return (slice(0, classes),)
    return slice(0, classes), slice(classes, classes + len(facts.superclasses))


def base_loss(loss: PlainLoss, learn: Learn) -> Loss:
    """Return the loss that the settings name, for a dataset; techniques wrap it.

    Of a hierarchical task the losses of classes and superclasses are added. Errors of a
    regression are taken in standard deviations of the training part's targets, so a learning rate
    and Huber's delta of 1 mean the same whatever the unit.
    """
    if learn.facts.task == "regression":
        deviation = target_scale(learn)[1]
        return lambda x, y, values: loss(y / deviation, values / deviation)
    if learn.facts.task == "classification":
        return lambda x, y, logits: loss(y, logits)
    classes, superclasses = groups(learn.facts)
    return lambda x, y, logits: (
        loss(y[:, classes], logits[:, classes]) + loss(y[:, superclasses], logits[:, superclasses])
    )


def begin(settings: Training, seed: int | None) -> None:
    """Put Keras into the state that a run starts from, in a fresh process."""
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(seed or 0)


def remember_compiled(folder: Path) -> None:
    """Let JAX keep what it compiles, in a folder, unless a person has named another."""
    if keras.backend.backend() == "jax" and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        jax.config.update("jax_compilation_cache_dir", str(folder / "jax"))


def jit_compile() -> bool:
    """JAX always compiles; XLA halves the speed of small convolutional networks on a CPU with TensorFlow."""
    return keras.backend.backend() == "jax" or device() != "cpu"


Cell = Trained
"""In the signature of a technique: a parameter that names another cell arrives as that cell's finished network."""


@dataclass(frozen=True)
class Job:
    """What a technique's `after` door works with.

    Attributes:
        parents: The networks that it starts from: one, or those of all seeds.
        learn: The training and validation parts; calibrate and fine-tune on `train` alone.
        settings: The cell's training settings.
        seed: The run's seed.
        folder: An empty folder to leave the new network in.
        trainer: The recipe's own, with its `batch` and `loss` doors, to fine-tune with.
    """

    parents: tuple[Trained, ...]
    learn: Learn
    settings: Training
    seed: int
    folder: Path
    trainer: Trainer

    @property
    def parent(self) -> Trained:
        """The one network that most techniques start from."""
        return self.parents[0]
