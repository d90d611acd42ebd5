"""Tuning: a search for better settings, by KerasTuner

`space` says what is varied, by the names of the suite's own axes, each with a list of values or a
range: `tune(space={'learning_rate': {'low': 1e-4, 'high': 1e-2, 'log': True}, 'architecture.width':
[16, 32], 'dropout.rate': {'low': 0.0, 'high': 0.5}})`. `search` is `random`, `hyperband` (many short
trials, of which the best third goes on), `bayesian` (a Gaussian process says where to look) or `grid`;
`trials` bounds all but Hyperband, which goes by the suite's epochs. The settings of the suite are the
first trial. What is best on the validation part is trained again, as the suite would train it.

The record holds every trial, and how much each setting mattered: by a random forest that predicts
the score, or with fewer than 12 trials by rank correlation. A search that was interrupted goes on
and repeats no finished trial.

Paper: L. Li et al., Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18, 2018,
https://arxiv.org/abs/1603.06560; F. Hutter, H. Hoos and K. Leyton-Brown, An Efficient Approach for Assessing
Hyperparameter Importance, ICML 2014 (importance)

Expect: what was set by hand is seldom the best; the more settings, the further random search is from a grid
"""

from dataclasses import replace
from typing import Any, Literal

import keras

from bench.blocks.search import WORST, Search, fresh, importance
from bench.records import Series, Table
from bench.work.training import Product, Trainer

NEEDS = ("validation",)
VARIES = ("space",)


def fit(
    trainer: Trainer,
    model: keras.Model,
    *,
    space: dict[str, Any],
    search: Literal["random", "hyperband", "bayesian", "grid"] = "random",
    trials: int = 10,
) -> Product:
    """Return the network that the best settings train."""
    found = Search(trainer, space, search, trials).run()
    best = max(found, key=lambda trial: trial.score)
    names = list(space)
    chosen = trainer.vary(best.values)
    product = chosen.fit(fresh(chosen))
    rows = [
        (f"{trial.number}", *(_told(trial.values.get(name)) for name in names), float(trial.epochs), trial.shown)
        for trial in found
    ]
    told = Table(
        title="Trials, judged on the validation part; the first has the suite's own settings",
        columns=("trial", *names, "epochs", "validation accuracy" if trainer.facts.classes else "validation error"),
        rows=tuple(rows),
    )
    so_far = [max(trial.score for trial in found[: i + 1]) for i in range(len(found))]
    curve = Series(
        name="best accuracy so far" if trainer.facts.classes else "least error so far",
        axis="trial",
        points=[float(i) for i in range(len(found))],
        values=[None if score == -WORST else abs(score) for score in so_far],
        unit="1" if trainer.facts.classes else "",
        split="validation",
    )
    figures = {"trials": (float(len(found)), "1")}
    if trainer.facts.classes:
        figures["validation_accuracy"] = (trainer.judge(product.network)[1], "1")
        if found[0].score > -WORST:
            figures["validation_accuracy_untuned"] = (found[0].score, "1")
    return replace(
        product,
        figures=figures,
        series=(*product.series, curve),
        tables={"trials": told, "importance": importance(found, names)},
    )


def _told(value: Any) -> str | float | bool | None:
    if value is None or isinstance(value, (str, bool)):
        return value
    return float(value) if isinstance(value, (int, float)) else repr(value)
