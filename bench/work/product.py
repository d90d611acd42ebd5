"""What a training leaves: a network with its curves, figures and tables."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import keras
from numpy.typing import NDArray

from bench.records import Series, Table


@dataclass(frozen=True)
class Product:
    """What the training, or a technique's `fit` or `after` door, makes.

    Attributes:
        network: A Keras network, or (of `after` alone) the file of one in another format.
        figures: Further numbers to record, by name, as (value, unit).
        series: Curves of the training.
        tables: Rows to record, by name: the trials of a search, the steps of a simplification.
        outputs: What the network answers with, where that is not what it started from did.
        stages: The network after each of several tasks that it learned one after the other.
    """

    network: keras.Model | Path
    figures: dict[str, tuple[float, str]] = field(default_factory=dict)
    series: tuple[Series, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)
    outputs: Literal["logits", "probabilities"] | None = None
    stages: tuple["Stage", ...] = ()


@dataclass(frozen=True)
class Stage:
    """A network as it was after one of several tasks; the harness judges it on the test part.

    Attributes:
        classes: Those of the task that was learned last.
        weights: The network's, as `get_weights` returns them.
    """

    classes: tuple[int, ...]
    weights: list[NDArray[Any]]


def joined(stages: Sequence[Product]) -> Product:
    """Return the stages of one training as one: the last network, the curves one after the other."""
    curves: dict[tuple[str, str | None], Series] = {}
    for stage in stages:
        for series in stage.series:
            key = (series.name, series.split)
            before = curves.get(key)
            points, values = (before.points, before.values) if before else ([], [])
            curves[key] = Series(
                name=series.name,
                axis=series.axis,
                points=[*points, *series.points],
                values=[*values, *series.values],
                unit=series.unit,
                split=series.split,
            )
    return Product(
        stages[-1].network,
        figures={name: figure for stage in stages for name, figure in stage.figures.items()},
        series=tuple(curves.values()),
        tables={name: table for stage in stages for name, table in stage.tables.items()},
    )


def curves(history: dict[str, list[float]], first_epoch: int = 0) -> tuple[Series, ...]:
    """Return Keras's history as one series a metric and split, over epochs from 1."""
    found = []
    for name, values in history.items():
        split: Literal["train", "validation"] = "validation" if name.startswith("val_") else "train"
        metric = name.removeprefix("val_")
        found.append(
            Series(
                name=metric,
                axis="epoch",
                points=[float(first_epoch + i + 1) for i in range(len(values))],
                values=[float(value) for value in values],
                unit={"accuracy": "1", "loss": "nat"}.get(metric, "") if "accuracy" in history else "",
                split=split,
            )
        )
    return tuple(found)
