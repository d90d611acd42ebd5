"""Calibration: does 90 % sure mean right nine times out of ten?

Test examples are sorted by the probability of the predicted class into bins of equal width; for
each bin the share of right answers is shown. A calibrated network lies on the diagonal.

Paper: C. Guo, G. Pleiss, Y. Sun and K. Weinberger, On Calibration of Modern Neural Networks, ICML 2017, https://arxiv.org/abs/1706.04599
"""

import numpy as np
from scipy.special import softmax

from bench.records import Diagnosis, Series
from bench.work.evaluation import Outcome

TASKS = ("classification", "hierarchical")


def diagnose(outcome: Outcome, *, bins: int = 10) -> Diagnosis:
    """Return the share of right answers by confidence; bins with fewer than five examples are left out."""
    classes = len(outcome.split.facts.classes)
    probabilities = softmax(outcome.outputs[:, :classes].astype(np.float64), axis=1)
    confidence = probabilities.max(axis=1)
    hits = probabilities.argmax(axis=1) == outcome.split.test.y
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    filled = [b for b in range(bins) if (bin_of == b).sum() >= 5]
    return Diagnosis(
        title="Calibration",
        series=(
            Series(
                name="right answers",
                axis="confidence",
                points=[float(confidence[bin_of == b].mean()) for b in filled],
                values=[float(hits[bin_of == b].mean()) for b in filled],
                unit="1",
                split="test",
            ),
        ),
    )
