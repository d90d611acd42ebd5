"""What the outputs of a network on the test set say, in scikit-learn's metrics."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn import metrics

from bench.data import Split
from bench.errors import Diverged
from bench.records import Better, Measurement
from bench.stats import wilson

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """Figures of the whole test set, and what paired comparisons need of each example."""

    measurements: tuple[Measurement, ...]
    confusion: list[list[int]] | None = None
    correct: bytes | None = None


@dataclass(frozen=True)
class Outcome:
    """What a diagnostic looks at: a trained network's outputs on the test set, (n, classes) or (n, 1)."""

    outputs: Floats
    split: Split


def evaluate(outputs: Floats, split: Split) -> Evaluation:
    """Judge logits (n, classes), or values (n, 1), against the test labels; raise Diverged if any is not finite."""
    if not np.isfinite(outputs).all():
        raise Diverged("the network's outputs are not finite numbers; lower the learning rate")
    if split.dataset.task == "regression":
        return _regression(outputs[:, 0], split.test.y)
    labels = split.test.y.astype(np.int64)
    predicted = outputs.argmax(axis=1)
    classes = split.dataset.classes
    hits = predicted == labels
    n = len(labels)
    interval = wilson(int(hits.sum()), n)
    loss = -log_softmax(outputs.astype(np.float64), axis=1)[np.arange(n), labels].mean()
    found = [
        Measurement(
            name="accuracy",
            value=float(hits.mean()),
            unit="1",
            better="higher",
            n=n,
            low=interval.low,
            high=interval.high,
            split="test",
        ),
        _figure("loss", loss, "nat", "lower", n),
        _figure("balanced_accuracy", metrics.balanced_accuracy_score(labels, predicted), "1", "higher", n),
    ]
    every = list(range(len(classes)))
    per_class = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0.0)
    for name, values in zip(("precision", "recall", "f1"), per_class[:3], strict=True):
        found.append(_figure(name, np.mean(values), "1", "higher", n, statistic="macro"))
        found += [
            _figure(name, value, "1", "higher", int(support), class_name=label)
            for label, value, support in zip(classes, values, per_class[3], strict=True)
        ]
    return Evaluation(
        measurements=tuple(found),
        confusion=metrics.confusion_matrix(labels, predicted, labels=every).tolist(),
        correct=np.packbits(hits).tobytes(),
    )


def _regression(values: Floats, wanted: NDArray[np.generic]) -> Evaluation:
    n = len(wanted)
    found = (
        _figure("loss", metrics.mean_squared_error(wanted, values), "", "lower", n),
        _figure("mae", metrics.mean_absolute_error(wanted, values), "", "lower", n),
        _figure("rmse", metrics.root_mean_squared_error(wanted, values), "", "lower", n),
        _figure("r2", metrics.r2_score(wanted, values), "1", "higher", n),
    )
    return Evaluation(found)


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


def compare(outputs: Floats, before: Floats) -> tuple[Measurement, ...]:
    """Say how far a derived network's outputs are from its parent's on the test set."""
    difference = _figure(
        "output_difference", np.abs(outputs - before).mean(), "", "lower", len(outputs), statistic="mean"
    )
    if outputs.shape[1] == 1:
        return (difference,)
    same = outputs.argmax(axis=1) == before.argmax(axis=1)
    interval = wilson(int(same.sum()), len(same))
    return (
        difference,
        Measurement(
            name="agreement",
            value=float(same.mean()),
            unit="1",
            better="higher",
            n=len(same),
            low=interval.low,
            high=interval.high,
            split="test",
        ),
    )
