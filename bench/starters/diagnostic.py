"""NAME: say in one line which question it answers

Then how, in two or three sentences. This one shows how sure the network is where it is right and
where it is wrong.

Paper: who, what, where, when
"""

import numpy as np
from scipy.special import softmax

from bench.records import Diagnosis, Series
from bench.work.evaluation import Outcome

TASKS = ("classification",)
STEPS = 20


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return curves: `outcome` has the test part, the logits (n, classes) on it, the network and its curves."""
    probabilities = softmax(outcome.outputs.astype(np.float64), axis=1)
    hits = probabilities.argmax(axis=1) == outcome.split.test.y
    points = np.linspace(0, 1, STEPS + 1)
    return Diagnosis(
        title="How sure it is",
        series=tuple(
            Series(
                name=name,
                axis="confidence",
                points=points.tolist(),
                values=[float((probabilities.max(axis=1)[chosen] <= point).mean()) for point in points],
                unit="1",
                split="test",
            )
            for name, chosen in (("right", hits), ("wrong", ~hits))
            if chosen.any()
        ),
    )
