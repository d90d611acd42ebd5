"""Mistakes: where the network is surest and wrong

The wrong answers of the test part with the highest probability, each with the three likeliest
classes. What they have in common says what the network has not understood, or which labels are
wrong. What all seeds get wrong is hardly a matter of chance.

Paper: C. Northcutt, A. Athalye and J. Mueller, Pervasive Label Errors in Test Sets Destabilize
Machine Learning Benchmarks, NeurIPS 2021, https://arxiv.org/abs/2103.14749
"""

import numpy as np
from scipy.special import softmax

from bench.blocks import rasters
from bench.records import Diagnosis, Picture, Table
from bench.work.evaluation import Outcome

TASKS = ("classification", "hierarchical")
SEEDS = "first"
LIKELIEST = 3


def diagnose(outcome: Outcome, *, most: int = 12) -> Diagnosis:
    """Return the surest mistakes, as pictures where the examples are images."""
    names, test = outcome.split.facts.classes, outcome.split.test
    probabilities = softmax(outcome.outputs[:, : len(names)].astype(np.float64), axis=1)
    answers, labels = probabilities.argmax(axis=1), test.y.astype(np.int64)
    wrong = np.flatnonzero(answers != labels)
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:most]
    likeliest = np.argsort(-probabilities[surest], axis=1, kind="stable")[:, :LIKELIEST]
    said = [
        ", ".join(f"{names[label]} {100 * probabilities[i, label]:.0f} %" for label in ordered)
        for i, ordered in zip(surest, likeliest, strict=True)
    ]
    truths = [names[labels[i]] for i in surest]
    note = f"{len(wrong):,} of {len(test):,} answers are wrong"
    note += f"; the surest {len(surest)} are shown." if len(wrong) > len(surest) else "."
    if test.x.ndim == 4:
        shown = [
            Picture(rasters.example(test.x[i]), f"{truth}; taken for {words}", int(i))
            for i, truth, words in zip(surest, truths, said, strict=True)
        ]
        return Diagnosis("Surest mistakes", note=note, pictures=tuple(shown))
    rows = tuple((int(i), truth, words) for i, truth, words in zip(surest, truths, said, strict=True))
    table = Table("Surest mistakes", ("test example", "class", "taken for"), rows)
    return Diagnosis("Surest mistakes", note=note, tables=(table,))
