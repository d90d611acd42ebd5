"""What the outputs of a network on the test set say, in scikit-learn's metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn import metrics

from bench.errors import Diverged, Unsupported
from bench.records import Better, Measurement, Series, Table
from bench.stats import wilson
from bench.work.data import Facts, Part, Split

Floats = NDArray[np.floating[Any]]
Kind = Literal["logits", "probabilities"]

TOP_5_FROM = 20
"""With fewer classes, being among the first five says little."""
BINS = 15
"""Of the expected calibration error, as in Guo 2017."""


SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Evaluation:
    """Figures of the whole test set, and what paired comparisons need of each example."""

    measurements: tuple[Measurement, ...]
    confusion: list[list[int]] | None = None
    correct: bytes | None = None


@dataclass(frozen=True)
class Continual:
    """How a network came to know classes that it learned one task after the other."""

    measurements: tuple[Measurement, ...]
    series: Series
    table: Table


@dataclass(frozen=True)
class Outcome:
    """What a diagnostic looks at.

    Attributes:
        outputs: The network's logits on the test set, (n, classes), or values (n, 1).
        split: The data as the cell names it, before any technique changed what there was to learn.
        file: The network's file.
        series: Curves of its training, with those that a `watch` door left.
    """

    outputs: Floats
    split: Split
    file: Path
    series: tuple[Series, ...] = ()

    @cached_property
    def network(self) -> keras.Model:
        """The network itself; raise Unsupported where it is no Keras network."""
        if self.file.suffix != ".keras":
            raise Unsupported(f"looks into Keras networks, not into {self.file.suffix} files")
        return keras.models.load_model(self.file, compile=False)


def kind_of(outputs: Floats, facts: Facts, said: str) -> Kind:
    """Return what a network answers with, by its own word or its answers; raise Unsupported on the wrong width.

    Two classes may come as one number, the probability or logit of class 1.
    """
    widths = {facts.outputs, 1} if facts.outputs == 2 else {facts.outputs}
    if outputs.ndim != 2 or outputs.shape[1] not in widths:
        raise Unsupported(f"gives outputs of shape {outputs.shape[1:]}, the dataset needs ({facts.outputs},)")
    if said != "auto" or facts.task == "regression":
        return "probabilities" if said == "probabilities" else "logits"
    within = outputs.min() >= 0 and outputs.max() <= 1
    classes = len(facts.classes)
    # Probabilities of eight bits are each rounded, so those of many classes sum up to one with some slack.
    slack = max(0.05, classes / 512)
    whole = outputs.shape[1] == 1 or np.abs(outputs[:, :classes].sum(axis=1) - 1).max() < slack
    return "probabilities" if within and whole else "logits"


def logits(outputs: Floats, kind: Kind, facts: Facts) -> Floats:
    """Return a network's outputs as logits (n, classes), whatever it answers with; values of a regression stay."""
    if facts.task == "regression":
        return outputs
    if kind == "probabilities":
        outputs = np.clip(outputs, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
        outputs = np.log(outputs) - np.log1p(-outputs) if outputs.shape[1] == 1 else np.log(outputs)
    return np.concatenate([np.zeros_like(outputs), outputs], axis=1) if outputs.shape[1] == 1 else outputs


def evaluate(outputs: Floats, split: Split) -> Evaluation:
    """Judge logits (n, classes), or values (n, 1), against the test labels; raise Diverged if any is not finite.

    Of a hierarchical task, the logits of the superclasses follow those of the classes.
    """
    if not np.isfinite(outputs).all():
        raise Diverged("the network's outputs are not finite numbers; if it was trained here, lower the learning rate")
    facts, test = split.facts, split.test
    if facts.task == "regression":
        return _regression(outputs[:, 0], test)
    classes, labels = len(facts.classes), test.y.astype(np.int64)
    logits = outputs[:, :classes].astype(np.float64)
    predicted = logits.argmax(axis=1)
    hits = predicted == labels
    found = [_rate("accuracy", hits), *_scores(logits, labels, predicted), *_per_class(labels, predicted, facts)]
    if facts.superclass_of:
        coarse = outputs[:, classes:] if facts.task == "hierarchical" else None
        found += _hierarchy(labels, predicted, np.array(facts.superclass_of), coarse)
    return Evaluation(
        measurements=tuple(found),
        confusion=metrics.confusion_matrix(labels, predicted, labels=range(classes)).tolist(),
        correct=np.packbits(hits).tobytes(),
    )


def _scores(logits: Floats, labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> list[Measurement]:
    """Return what the probabilities are worth; a score that this test set cannot give is left out."""
    n, classes = logits.shape
    probabilities = softmax(logits, axis=1)
    found = [
        _figure("loss", -log_softmax(logits, axis=1)[np.arange(n), labels].mean(), "nat", "lower", n),
        _figure("balanced_accuracy", metrics.balanced_accuracy_score(labels, predicted), "1", "higher", n),
        _figure("calibration_error", calibration_error(probabilities, labels), "1", "lower", n),
    ]
    if classes >= TOP_5_FROM:
        top_5 = metrics.top_k_accuracy_score(labels, logits, k=5, labels=range(classes), normalize=False)
        found.append(_rate("top_5_accuracy", np.arange(n) < top_5))
    if len(np.unique(labels)) == classes:
        if classes == 2:  # class 1 is the one to be found
            truth, scores, statistic = labels, probabilities[:, 1], None
        else:
            truth, scores, statistic = np.eye(classes, dtype=np.int64)[labels], probabilities, "macro"
        roc, pr = metrics.roc_auc_score(truth, scores), metrics.average_precision_score(truth, scores)
        found.append(_figure("roc_auc", roc, "1", "higher", n, statistic=statistic))
        found.append(_figure("pr_auc", pr, "1", "higher", n, statistic=statistic))
    return found


def calibration_error(probabilities: Floats, labels: NDArray[np.int64]) -> float:
    """Return the expected calibration error: how far confidence is from the share of right answers, 0–1.

    Examples are sorted by the probability of the predicted class into bins of equal width; the
    distances are weighted by the bins' sizes (Guo 2017, https://arxiv.org/abs/1706.04599).
    """
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bin_of, weights=hits - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def _per_class(labels: NDArray[np.int64], predicted: NDArray[np.int64], facts: Facts) -> list[Measurement]:
    every = range(len(facts.classes))
    found = []
    table = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0.0)
    for name, values in zip(("precision", "recall", "f1"), table[:3], strict=True):
        found.append(_figure(name, np.mean(values), "1", "higher", len(labels), statistic="macro"))
        found += [
            _figure(name, value, "1", "higher", int(support), class_name=label)
            for label, value, support in zip(facts.classes, values, table[3], strict=True)
        ]
    return found


def _hierarchy(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], group_of: NDArray[np.int64], coarse: Floats | None
) -> list[Measurement]:
    """Return how often the superclass is right, and how many mistakes stay inside the right one.

    The superclass is that of the predicted class, unless the network has logits of its own for it.
    """
    groups = group_of[labels]
    found = [_rate("coarse_accuracy", (group_of[predicted] if coarse is None else coarse.argmax(axis=1)) == groups)]
    wrong = predicted != labels
    if wrong.any():
        found.append(_rate("mistakes_within_superclass", (group_of[predicted] == groups)[wrong]))
    return found


def _regression(values: Floats, test: Part) -> Evaluation:
    wanted, n = test.y.astype(np.float64), len(test)
    found = (
        _figure("loss", metrics.mean_squared_error(wanted, values), "", "lower", n),
        _figure("mae", metrics.mean_absolute_error(wanted, values), "", "lower", n),
        _figure("rmse", metrics.root_mean_squared_error(wanted, values), "", "lower", n),
        _figure("r2", metrics.r2_score(wanted, values), "1", "higher", n),
    )
    return Evaluation(found)


def _rate(name: str, hits: NDArray[np.bool_]) -> Measurement:
    """Return a share of examples with its binomial interval."""
    interval = wilson(int(hits.sum()), len(hits))
    return Measurement(
        name=name,
        value=float(hits.mean()),
        unit="1",
        better="higher",
        n=len(hits),
        low=interval.low,
        high=interval.high,
        split="test",
    )


def _figure(
    name: str,
    value: float,
    unit: str,
    better: Better,
    n: int,
    *,
    statistic: str | None = None,
    class_name: str | None = None,
) -> Measurement:
    return Measurement(
        name=name,
        value=float(value),
        unit=unit,
        better=better,
        n=n,
        split="test",
        statistic=statistic,
        class_name=class_name,
    )


def overfitting(outputs: Floats, train: Part, facts: Facts, test: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """Return the score on the training part, and how much better it is than that on the test part.

    `outputs` are those for the examples of `train`, as they were before any technique changed
    them; `test` holds the figures of the test part. Scores are accuracy, or the root mean squared
    error of a regression.
    """
    if facts.task == "regression":
        error = metrics.root_mean_squared_error(train.y.astype(np.float64), outputs[:, 0])
        seen = _figure("rmse", error, "", "lower", len(train))
    else:
        seen = _rate("accuracy", outputs[:, : len(facts.classes)].argmax(axis=1) == train.y.astype(np.int64))
    unseen = next(figure for figure in test if figure.name == seen.name)
    gap = abs(seen.value - unseen.value) * (1 if (seen.value > unseen.value) == (seen.better == "higher") else -1)
    return replace(seen, split="train"), _figure("generalization_gap", gap, seen.unit, "lower", unseen.n or 0)


def continual(outputs: Sequence[Floats], tasks: Sequence[Sequence[int]], split: Split) -> Continual:
    """Judge a network that learned its classes in tasks, one after the other, by its outputs after each.

    After each task the answer is sought among the classes so far. The accuracy on all of them, its
    mean over the tasks (average incremental accuracy, Rebuffi 2017) and forgetting: how far the
    accuracy on a task has fallen in the end from its best, the mean over all tasks but the last
    (Chaudhry 2018).
    """
    labels, n = split.test.y.astype(np.int64), len(split.test)
    so_far, rows = [], []
    for i, logits in enumerate(outputs):
        seen = np.concatenate([np.array(task) for task in tasks[: i + 1]])
        right = seen[logits[:, seen].argmax(axis=1)] == labels
        so_far.append(float(right[np.isin(labels, seen)].mean()))
        rows.append([float(right[np.isin(labels, task)].mean()) for task in tasks[: i + 1]])
    last = len(rows) - 1
    fallen = [max(rows[i][task] for i in range(task, last)) - rows[last][task] for task in range(last)]
    names = [", ".join(split.facts.classes[label] for label in task) for task in tasks]
    table = Table(
        title="Accuracy on the classes of each task, after each task",
        columns=("after", *(f"task {i + 1}: {name}" for i, name in enumerate(names)), "all so far"),
        rows=tuple((f"task {i + 1}", *row, *[None] * (last - i), so_far[i]) for i, row in enumerate(rows)),
    )
    return Continual(
        measurements=(
            _figure("average_incremental_accuracy", float(np.mean(so_far)), "1", "higher", n),
            _figure("forgetting", float(np.mean(fallen)) if fallen else 0.0, "1", "lower", n),
        ),
        series=Series(
            name="accuracy on all classes so far",
            axis="stage",
            points=[float(i + 1) for i in range(len(so_far))],
            values=list(so_far),
            unit="1",
            split="test",
        ),
        table=table,
    )


def compare(outputs: Floats, before: Floats, split: Split) -> tuple[Measurement, ...]:
    """Say how far a derived network's outputs are from its parent's on the test set."""
    difference = _figure(
        "output_difference", np.abs(outputs - before).mean(), "", "lower", len(outputs), statistic="mean"
    )
    classes = len(split.facts.classes)
    if not classes:
        return (difference,)
    return difference, _rate("agreement", outputs[:, :classes].argmax(axis=1) == before[:, :classes].argmax(axis=1))
