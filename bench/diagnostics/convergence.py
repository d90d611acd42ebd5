"""Convergence: how fast, how noisy, how flat?

Epochs and seconds until the curve first reaches 90, 95 and 99 % of its final accuracy (of a
regression: of the way that its error falls); only where it ends clearly above guessing. The noise
of the loss is the standard deviation of a batch's loss as a share of its mean, weights held, on
plain examples: augmentation and dropout add to it in training. Sharpness is how much the loss on
training examples rises at the worst place nearby, to first order; nearby is told in shares of each
weight, so that scaling layers against each other changes nothing. Flat minima are said to
generalize better.

Paper: J. Kwon, J. Kim, H. Park and I. K. Choi, ASAM: Adaptive Sharpness-Aware Minimization for
Scale-Invariant Learning of Deep Neural Networks, ICML 2021, https://arxiv.org/abs/2102.11600
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from bench.blocks import slopes
from bench.blocks.inside import evenly
from bench.blocks.probe import Look, Probe
from bench.errors import Unsupported
from bench.records import Diagnosis, Measurement, Series, Table
from bench.work.epochs import encoded
from bench.work.evaluation import Outcome

if TYPE_CHECKING:
    from bench.work.training import Trainer

SHARES = (90, 95, 99)
FIGURES = (
    "epochs_to_90",
    "epochs_to_95",
    "epochs_to_99",
    "seconds_to_90",
    "seconds_to_95",
    "seconds_to_99",
    "loss_noise",
    "sharpness",
)
NOISE, SECONDS = "noise of the loss", "seconds of training"
MOST_POINTS = 60
EXAMPLES, PIECE = 512, 64
"""Of the training part, on which sharpness is taken, and so many of them at once."""
RADIUS = 0.5
"""As in Kwon 2021; the length of a step of which each weight's part is a share of that weight."""
ABOVE_GUESSING = 0.05
"""So far above always naming the commonest class an accuracy must end before its speed is told."""


def watch(trainer: "Trainer") -> Callable[[], tuple[Series, ...]]:
    """Note the noise of the loss at each look, and the seconds of each epoch."""
    probe = Probe.of(trainer)

    def question(look: Look) -> float | None:
        x, labels, outputs = (ops.convert_to_tensor(array) for array in (look.x, look.labels, look.outputs))
        losses = ops.convert_to_numpy(trainer.loss(ops.cast(x, "float32"), encoded(labels, trainer.facts), outputs))
        mean, deviation = float(losses.mean(dtype=np.float64)), float(losses.std(dtype=np.float64))
        if not np.isfinite(mean) or mean <= 0:
            return None
        n, size = len(trainer.learn.train), min(trainer.batch_size, len(trainer.learn.train))
        return deviation / mean * math.sqrt((n - size) / max(n - 1, 1) / size)  # of batches without replacement

    probe.ask("convergence", question)

    def tell() -> tuple[Series, ...]:
        noise = probe.answers("convergence")
        seconds = [(float(i + 1), sum(probe.seconds[: i + 1])) for i in range(len(probe.seconds))]
        return (
            _curve(NOISE, [(float(epoch), value) for epoch, value in noise.items() if value is not None], ""),
            _curve(SECONDS, evenly(seconds, MOST_POINTS), "s"),
        )

    return tell


def _curve(name: str, seen: Sequence[tuple[float, float]], unit: str) -> Series:
    return Series(
        name=name,
        axis="epoch",
        points=[epoch for epoch, _ in seen],
        values=[float(f"{value:.4g}") for _, value in seen],
        unit=unit,
        split="train",
        chart=name,
    )


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return epochs and seconds to each share of the final score, the noise of the loss, and sharpness."""
    told = {one.chart: one for one in outcome.series if one.chart in {NOISE, SECONDS}}
    if not told:
        raise Unsupported("nothing was seen of its training")
    curve, note = _learning_curve(outcome)
    clock = told[SECONDS]
    figures, rows = [], []
    for share in SHARES:
        epochs = epochs_to(share / 100, curve) if curve else None
        if epochs is not None:
            seconds = float(np.interp(epochs, clock.points, np.array(clock.values, np.float64)))
            figures.append(Measurement(f"epochs_to_{share}", epochs, "epochs", "lower"))
            figures.append(Measurement(f"seconds_to_{share}", seconds, "s", "lower"))
            rows.append((f"{share} %", epochs, round(seconds, 2)))
    noise = [value for value in told[NOISE].values if value is not None]
    if noise:
        figures.append(Measurement("loss_noise", noise[-1], "", "lower"))
    if (rise := _sharpness(outcome)) is not None:
        figures.append(Measurement("sharpness", rise, "nat", "lower"))
    return Diagnosis(
        "Convergence",
        series=tuple(told.values()),
        note=note,
        tables=(Table("Until the final score is reached", ("share of it", "epochs", "seconds"), tuple(rows)),)
        if rows
        else (),
        measurements=tuple(figures),
    )


def _learning_curve(outcome: Outcome) -> tuple[Series | None, str]:
    """Return the curve by which convergence is told, and how; none where nothing but guessing was learned."""
    own = [one for one in outcome.series if one.axis == "epoch" and one.watcher is None and one.values]
    curves = {(one.name, one.split): one for one in own if one.name in {"accuracy", "mae"}}
    chosen = next((curves[key] for key in sorted(curves, key=lambda key: key[1] != "validation")), None)
    if chosen is None:
        return None, "Its training left no curve."
    clock = next(one for one in outcome.series if one.chart == SECONDS)
    if not clock.points or clock.points[-1] != chosen.points[-1]:
        return None, "Its training came in parts, each with a clock of its own: no speed is told."
    if chosen.name == "accuracy":
        counts = outcome.split.train.counts(len(outcome.split.facts.classes))
        guess = max(counts) / sum(counts)
        if (chosen.values[-1] or 0.0) < guess + ABOVE_GUESSING:
            return (
                None,
                f"It ends at {100 * (chosen.values[-1] or 0.0):.1f} %, no better than guessing: no speed is told.",
            )
    return chosen, f"By the {chosen.name} on the {chosen.split} part. The first epoch’s seconds hold the compilation."


def epochs_to(share: float, curve: Series) -> float | None:
    """Return the epoch after which a score first has that share, 0–1, of its final value.

    Of an error, which falls, that share of its way from the first epoch to the last; None where
    it does not fall.
    """
    values = np.array([np.nan if value is None else value for value in curve.values])
    if curve.name == "mae":
        if not values[-1] < values[0]:
            return None
        reached = values <= values[0] - share * (values[0] - values[-1])
    else:
        reached = values >= share * values[-1]
    return float(curve.points[int(np.argmax(reached))])


def _sharpness(outcome: Outcome) -> float | None:
    """Return how much the cross-entropy rises, in nats; None of a regression, whose unit would decide."""
    facts, train = outcome.split.facts, outcome.split.train
    if facts.task == "regression":
        return None
    rows = np.random.default_rng(0).permutation(len(train))[:EXAMPLES]
    labels = train.y[rows].astype(np.int64)
    return sharpness(outcome.network, train.x[rows].astype(np.float32), labels, len(facts.classes))


def sharpness(network: keras.Model, x: Any, labels: Any, classes: int, radius: float = RADIUS) -> float:
    """Return the rise of the mean cross-entropy after one adaptive step up its gradient.

    With T the sizes of the weights and g the gradient the step is radius · T²g / |Tg| (Kwon 2021,
    equation 8). `x` are raw examples (n, …), `labels` (n,) integers; the first `classes` outputs
    are logits.
    """
    others = [variable.value for variable in network.non_trainable_variables]
    one_hot = np.eye(classes, dtype=np.float32)[labels]

    def loss(weights: list[Any], x: Any, one_hot: Any) -> Any:
        outputs, _ = network.stateless_call(weights, others, x, training=False)
        logits = ops.cast(outputs[:, :classes], "float32")
        return -ops.mean(ops.sum(one_hot * ops.log_softmax(logits, axis=1), axis=1))

    pieces = [slice(begin, begin + PIECE) for begin in range(0, len(x), PIECE)]

    def mean_of(function: slopes.Function, weights: list[Any]) -> Any:
        """Return the mean over all examples of a number, or of a list of tensors, that a function gives for a piece."""
        total: Any = 0.0
        for some in pieces:
            given = ops.convert_to_tensor(x[some]), ops.convert_to_tensor(one_hot[some])
            found = function(weights, *given)
            arrays = found if isinstance(found, list) else [found]
            share = len(x[some]) / len(x)
            parts = [share * ops.convert_to_numpy(ops.cast(one, "float32")).astype(np.float64) for one in arrays]
            total = parts if total == 0.0 else [old + new for old, new in zip(total, parts, strict=True)]
        return total

    weights = [variable.value for variable in network.trainable_variables]
    sizes = [np.abs(ops.convert_to_numpy(ops.cast(weight, "float32"))).astype(np.float64) for weight in weights]
    found = mean_of(slopes.gradient(loss), weights)
    length = float(np.sqrt(sum(np.square(size * one).sum() for size, one in zip(sizes, found, strict=True))))
    if not length:
        return 0.0
    moved = [
        weight + ops.convert_to_tensor(radius / length * np.square(size) * one, dtype=weight.dtype)
        for weight, size, one in zip(weights, sizes, found, strict=True)
    ]
    evaluate = slopes.compiled(loss)
    (risen,), (was,) = (mean_of(evaluate, at) for at in (moved, weights))
    return float(risen - was)
