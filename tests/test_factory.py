"""Records made by hand against real ones: what no harness writes, no test should read."""

from collections.abc import Sequence
from typing import Any

import factory
import numpy as np
import pytest
import timings
from msgspec import Struct
from msgspec.structs import asdict

from bench.work import data, evaluation


def shape(found: Sequence[Struct]) -> list[dict[str, Any]]:
    """Return what is said of each figure or curve: its texts, and which of its numbers are there at all."""
    return [
        {name: value if isinstance(value, str) else ... for name, value in asdict(one).items() if value is not None}
        for one in found
    ]


def test_timings_have_the_fields_of_measured_ones() -> None:
    real = timings.summary([timings.process([1.0] * 32), timings.process([1.05] * 32)])
    made = timings.timed(batch_sizes=(1,))
    assert shape(made.measurements) == shape(real.measurements)
    assert shape(made.series) == shape(real.series)
    assert shape(made.timings) == shape(real.timings)


def split(y: np.ndarray, classes: tuple[str, ...] = ()) -> data.Split:
    part = data.Part(np.zeros((len(y), 1), np.float32), y)
    return data.Split(
        data.Facts(source="here", classes=classes, task="classification" if classes else "regression"), part, part, part
    )


@pytest.mark.parametrize("node", ["train", "derive"])
def test_scores_have_the_fields_of_evaluated_ones(node: Any) -> None:
    test = split(np.arange(400) % 4, factory.CLASSES)
    outputs, before = (factory.rng(name).normal(size=(400, 4)) for name in ("outputs", "before"))
    real = evaluation.evaluate(outputs, test).measurements
    real += evaluation.compare(outputs, before, test) if node == "derive" else ()
    costs = len(factory.costs())
    assert shape(factory.record(node=node).measurements[:-costs]) == shape(real)


def test_errors_have_the_fields_of_evaluated_ones() -> None:
    draw = factory.rng("values")
    real = evaluation.evaluate(draw.normal(size=(400, 1)), split(draw.normal(size=400)))
    assert shape(factory.regression().measurements[: len(real.measurements)]) == shape(real.measurements)
