"""What a network that was made of another keeps of it, on the whole test set."""

import numpy as np

from bench.records import Measurement
from bench.stats import paired_interval
from bench.work.data import Split
from bench.work.evaluation import Floats, compare


def figures(outputs: Floats, before: Floats, split: Split) -> tuple[Measurement, ...]:
    """Return how far outputs are from the parent's, mean and largest, how many top answers agree, and what is lost.

    The drop is the parent's accuracy less the network's own, with the interval of a paired comparison.
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
        return found
    labels = split.test.y.astype(np.int64)
    right, was_right = (logits[:, :classes].argmax(axis=1) == labels for logits in (outputs, before))
    drop = paired_interval(int((was_right & ~right).sum()), int((right & ~was_right).sum()), n)
    lost = Measurement(
        name="accuracy_drop",
        value=drop.value,
        unit="1",
        better="lower",
        n=n,
        low=drop.low,
        high=drop.high,
        split="test",
    )
    return (*found, lost)
