"""What a network that was made of another keeps of it, on the whole test set."""

import numpy as np

from bench.records import Measurement
from bench.stats import Interval, mean_interval, paired_interval
from bench.work.data import Split
from bench.work.evaluation import Floats, compare


def figures(outputs: Floats, before: Floats, split: Split) -> tuple[Measurement, ...]:
    """Return how far outputs are from the parent's, mean and largest, how many top answers agree, and what is lost.

    What is lost is the parent's accuracy less the network's own, or, of a regression, how much the mean
    absolute error has risen, with the interval of a comparison example by example.
    """
    found = compare(outputs, before, split)
    n, classes = len(outputs), len(split.facts.classes)
    largest = float(np.abs(outputs - before).max(initial=0.0))
    found += (
        Measurement(
            name="output_difference",
            value=largest,
            unit="",
            better="lower",
            n=n,
            split="test",
            statistic="largest",
        ),
    )
    if not classes:
        errors, former = (np.abs(values[:, 0] - split.test.y.astype(np.float64)) for values in (outputs, before))
        return (*found, _lost("mae_rise", "", mean_interval((errors - former).tolist())))
    labels = split.test.y.astype(np.int64)
    right, was_right = (logits[:, :classes].argmax(axis=1) == labels for logits in (outputs, before))
    drop = paired_interval(int((was_right & ~right).sum()), int((right & ~was_right).sum()), n)
    return (*found, _lost("accuracy_drop", "1", drop))


def _lost(name: str, unit: str, lost: Interval) -> Measurement:
    low, high = lost.low, lost.high
    return Measurement(
        name=name, value=lost.value, unit=unit, better="lower", n=lost.n, low=low, high=high, split="test"
    )
