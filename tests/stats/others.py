"""What other ways to guard a series make of the same histories: a fixed threshold, asv's steps, a ratio."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.records import Record

Floats = NDArray[np.float64]


def series(history: Sequence[Sequence[Record]]) -> Floats:
    """Return the mean accuracy of each cell at each commit, as (cells, commits)."""
    names = list(dict.fromkeys(run.cell_id for run in history[0]))
    found = []
    for commit in history:
        values = {name: [run.value("accuracy") or 0.0 for run in commit if run.cell_id == name] for name in names}
        found.append([float(np.mean(values[name])) for name in names])
    return np.array(found).T


def threshold(accuracies: Floats, points: float = 0.01) -> list[bool]:
    """Raise an alarm where the last commit lies a point below the one before."""
    return [bool(alarm) for alarm in accuracies[:, -1] < accuracies[:, -2] - points]


def ratio(accuracies: Floats, limit: float = 2.0) -> list[bool]:
    """Raise an alarm as github-action-benchmark does: the last commit's value is worse by 200 %, its default."""
    return [bool(alarm) for alarm in accuracies[:, -2] / accuracies[:, -1] > limit]


def steps(accuracies: Floats) -> list[bool]:
    """Raise an alarm where asv finds a regression by its default of 5 %, of the share of wrong answers."""
    from asv.step_detect import detect_regressions, detect_steps

    return [bool(detect_regressions(detect_steps(list(1 - cell)), threshold=0.05)[2]) for cell in accuracies]


OTHERS = {"a threshold of 1 point": threshold, "github-action-benchmark": ratio, "asv": steps}
