"""Looking on: a network after its epochs, on a few training examples.

Diagnostics that watch ask a `Probe` for what they want to know; all share its looks, so that the
costly parts, gradients and activations, are computed once. A look changes nothing: it is taken at
copies of the weights, and what it draws it draws from generators of its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from bench.blocks import inside, slopes
from bench.work.network import MAIN

if TYPE_CHECKING:
    from bench.work.training import Trainer

SAMPLE = 128
"""Examples of the training part, the same for all seeds."""
MOST_LOOKS = 10
"""A longer training is looked at so often, evenly spread, and before its first epoch."""
MOST_LAYERS = 8
"""Of a deeper network so many are shown, evenly spread, the first and the last among them."""
SMALL = 32 * 32 * 3
"""Numbers of an example up to which all are looked at at once; of larger ones as many as are in a batch."""
SCALE = 2.0**15
"""Of the loss, so that small gradients are there in half precision, too; a power of two rounds nothing."""
Question = Callable[["Look"], Any]
"""What a diagnostic wants to know: maps a look to plain data (numbers, words, arrays, lists and dicts of these)."""


@dataclass(frozen=True, eq=False)
class Look:
    """A network at the end of an epoch.

    Attributes:
        epoch: How many epochs are done; 0 before the first.
        model: What is trained: called with examples and labels it adds its losses.
        x: Examples as the dataset has them, (n, …).
        labels: Theirs, (n,).
        slope: Maps trainable weights, other variables, examples and labels to the loss's gradients.
        before: The weights at the last look.
        pieces: The examples in pieces that fit the memory, as those of training do.
        read: Maps examples to what comes out at `places`.
        places: Some activations.
    """

    epoch: int
    model: Any
    x: NDArray[Any]
    labels: NDArray[Any]
    slope: Callable[..., list[Any]]
    before: dict[str, NDArray[np.float32]]
    pieces: list[slice]
    read: inside.Reader
    places: list[inside.Place]

    @property
    def network(self) -> keras.Model:
        """The network that is trained."""
        network: keras.Model = self.model.network
        return network

    @cached_property
    def outputs(self) -> NDArray[np.float32]:
        """The network's answers to the examples, in use and not in training, (n, outputs)."""
        answers = []
        for some in self.pieces:
            found = self.network(keras.ops.convert_to_tensor(self.x[some].astype(np.float32)), training=False)
            found = found[MAIN] if isinstance(found, dict) else found
            answers.append(keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")))
        return np.concatenate(answers)

    @cached_property
    def gradients(self) -> dict[str, float]:
        """Norm of the gradient of each layer's kernels, by the layer's name, from the input to the answer."""
        trainable, others = self.model.trainable_variables, self.model.non_trainable_variables
        weights, state = [v.value for v in trainable], [v.value for v in others]
        by_path: dict[str, Any] = dict.fromkeys((v.path for v in trainable), 0.0)
        for some in self.pieces:
            found = self.slope(weights, state, self.x[some], self.labels[some])
            for variable, one in zip(trainable, found, strict=True):
                share = len(self.x[some]) / len(self.x) / SCALE
                by_path[variable.path] += share * keras.ops.convert_to_numpy(keras.ops.cast(one, "float32"))
        return {
            layer.name: _norm([by_path[kernel.path] for kernel in inside.kernels(layer)])
            for layer in inside.weighted(self.network)
        }

    @cached_property
    def activations(self) -> dict[str, NDArray[np.float32]]:
        """Outputs of some activating layers, by name, in use and not in training."""
        read = [self.read(self.x[some]) for some in self.pieces]
        found = [np.concatenate(parts) for parts in zip(*read, strict=True)]
        return {place.name: one for place, one in zip(self.places, found, strict=True)}

    @cached_property
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The kernels of each layer, by its name, as one long array."""
        return {
            layer.name: np.concatenate([inside.numbers(kernel).ravel() for kernel in inside.kernels(layer)])
            for layer in inside.weighted(self.network)
        }

    @cached_property
    def moved(self) -> dict[str, float]:
        """How far the kernels of each layer have moved since the last look, as a share of their norm there."""
        found = {}
        for name, weights in self.weights.items():
            if name in self.before and self.before[name].shape == weights.shape:
                size = _norm([self.before[name]])
                found[name] = _norm([weights - self.before[name]]) / size if size else 0.0
        return found


class Probe(keras.callbacks.Callback):
    """Takes the looks of a training; all that it has learned is plain, so that a training that was killed keeps it."""

    def __init__(self, trainer: "Trainer") -> None:
        super().__init__()
        self.epochs: list[int] = []
        """How many epochs were done at each look."""
        self.told: dict[str, list[Any]] = {}
        """What each question was answered, look by look."""
        self.seconds: list[float] = []
        """What each epoch has taken, with the validation part and without looks."""
        self.weights: dict[str, NDArray[np.float32]] = {}
        """Those at the last look, where one asked for them."""
        self._begun = 0.0
        self._trainer = trainer
        self._questions: dict[str, Question] = {}
        self.failed: dict[str, str] = {}
        """What went wrong with a question, of which nothing more is asked."""
        self._failed: dict[str, Exception] = {}
        self._made: tuple[Any, Callable[..., list[Any]], inside.Reader, list[inside.Place]] | None = None
        epochs = trainer.settings.epochs
        self._wanted = inside.evenly(range(epochs + 1), MOST_LOOKS + 1)

    @classmethod
    def of(cls, trainer: "Trainer") -> "Probe":
        """Return the trainer's probe, which all diagnostics share."""
        found = [callback for callback in trainer.callbacks if isinstance(callback, cls)]
        if not found:
            found.append(cls(trainer))
            trainer.callbacks.append(found[0])
        return found[0]

    def ask(self, name: str, question: Question) -> None:
        """Ask a question at each look."""
        self._questions[name] = question

    def answers(self, name: str) -> dict[int, Any]:
        """Return what a question was answered, by the number of epochs done; raise what it raised."""
        if name in self.failed:
            raise self._failed.get(name) or RuntimeError(self.failed[name])
        return dict(zip(self.epochs, self.told.get(name, []), strict=True))

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Look at the untrained network."""
        if not self.epochs:
            self._look(0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look at the network, if it is time."""
        self.seconds = [*self.seconds[:epoch], time.perf_counter() - self._begun]
        if epoch + 1 in self._wanted or self.model.stop_training:
            self._look(epoch + 1)

    def _look(self, epoch: int) -> None:
        learn = self._trainer.learn.train
        rows = np.random.default_rng(0).permutation(len(learn))[:SAMPLE]
        x, labels = learn.x[rows], learn.y[rows]
        if self.model.network.input_shape[1:] != x.shape[1:]:
            return  # the head alone, on features that were computed once
        if self._made is None or self._made[0] is not self.model:
            places = inside.evenly(inside.activating(self.model.network), MOST_LAYERS)
            read = inside.reader(self.model.network, places)
            self._made = self.model, slopes.gradient(_loss_of(self.model)), read, places
        _, slope, read, places = self._made
        size = SAMPLE if x[0].size <= SMALL else min(SAMPLE, self._trainer.batch_size)
        pieces = [slice(begin, begin + size) for begin in range(0, len(x), size)]
        labels = labels.astype(np.float32 if labels.dtype.kind == "f" else np.int32)
        look = Look(epoch, self.model, x, labels, slope, self.weights, pieces, read, places)
        kept = [i for i, seen in enumerate(self.epochs) if seen < epoch]  # a stage may begin anew
        self.epochs = [self.epochs[i] for i in kept] + [epoch]
        for name, question in self._questions.items():
            told = self.told.get(name, [])
            answer = None
            if name not in self.failed:
                try:
                    answer = question(look)
                except Exception as error:  # the question's fault, and no other's
                    self.failed[name], self._failed[name] = f"{type(error).__name__}: {error}", error
            self.told[name] = [told[i] for i in kept] + [answer]
        if "weights" in vars(look):
            self.weights = look.weights


def _loss_of(model: Any) -> Callable[..., Any]:
    """Return the loss that is minimized, with all that techniques add to it, as a function of the weights."""

    def loss(trainable: list[Any], others: list[Any], x: Any, labels: Any) -> Any:
        *_, losses = model.stateless_call(trainable, others, (x, labels), training=True, return_losses=True)
        return SCALE * sum(losses)

    return loss


def _norm(arrays: list[NDArray[np.float32]]) -> float:
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))
