"""What stands before and after every architecture: learned on the training part alone, carried inside the network."""

import factory
import numpy as np
import pytest
import workbench

from bench.catalog import Catalog
from bench.work import data, training

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

CATALOG = Catalog()
NAN = np.nan


def table(x: list[list[float]], columns: tuple[data.Column, ...], x_test: list[list[float]]) -> data.Split:
    train, test = np.array(x, np.float32), np.array(x_test, np.float32)
    y = np.arange(len(train)) % 2
    empty = data.Part(train[:0], y[:0])
    facts = data.Facts(source="here", classes=("a", "b"), columns=columns)
    return data.Split(facts, data.Part(train, y), empty, data.Part(test, y[: len(test)]))


def prepared(split: data.Split) -> np.ndarray:
    """Return what an architecture is handed for the test part."""
    from bench.work import preparation

    raw = preparation.inputs(split)
    return np.asarray(keras.Model(raw, preparation.prepare(raw, split))(split.test.x))


NUMBERS = (data.Column("a"), data.Column("b"))


def test_numbers_are_standardized_and_filled_by_the_training_part() -> None:
    split = table([[0, 10], [2, 10], [NAN, 10], [4, 10]], NUMBERS, [[2, 10], [NAN, 11], [100, NAN]])
    found = prepared(split)
    deviation = np.std([0, 2, 4])
    assert found[:, 0] == pytest.approx([0, 0, 98 / deviation], abs=1e-4), "a gap is the training part's mean"
    assert found[:, 1] == pytest.approx([0, 1, 0], abs=1e-4), "a column that never changes is not divided by zero"


def test_categories_become_one_hot_vectors_and_gaps_zeros() -> None:
    columns = (data.Column("a"), data.Column("c", ("x", "y", "z")))
    found = prepared(table([[0, 0], [2, 1], [1, 2], [1, 0]], columns, [[1, 2], [1, NAN], [1, 0]]))
    assert found[:, 1:].tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_pixels_become_0_to_1() -> None:
    part = data.Part(np.array([0, 51, 255], np.uint8).reshape(3, 1, 1, 1), np.zeros(3, np.int64))
    split = data.Split(data.Facts(source="here", classes=("a",)), part, part, part)
    assert prepared(split).ravel() == pytest.approx([0, 0.2, 1])


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_a_regression_learns_in_any_unit(loss: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype(np.float32)
    y = (250_000 + 80_000 * x[:, 0] - 30_000 * x[:, 1]).astype(np.float32)
    facts = data.Facts(source="here", task="regression", columns=NUMBERS)
    part = data.Part(x, y)
    split = data.Split(facts, part, data.Part(x[:0], y[:0]), part)
    training.begin(factory.settings(), 0)
    made = workbench.build("perceptron", split)
    fitted = workbench.trainer(split, epochs=30, learning_rate=0.05, loss=loss).fit(made)
    found = np.asarray(made(x))[:, 0]
    assert np.abs(found - y).mean() < 5_000
    assert fitted.series[0].values[-1] < 0.1, "the loss is in standard deviations"


def test_a_hierarchical_network_learns_both_heads() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64) + 2 * (x[:, 1] > 0)
    facts = data.Facts(
        source="here",
        task="hierarchical",
        classes=("a", "b", "c", "d"),
        superclasses=("low", "high"),
        superclass_of=(0, 0, 1, 1),
        columns=NUMBERS,
    )
    part = data.Part(x, y)
    split = data.Split(facts, part, data.Part(x[:0], y[:0]), part)
    training.begin(factory.settings(), 0)
    made = workbench.build("perceptron", split)
    workbench.trainer(split, epochs=30, learning_rate=0.05).fit(made)
    found = np.asarray(made(x))
    assert found.shape == (400, 6)
    assert (found[:, :4].argmax(axis=1) == y).mean() > 0.95
    assert (found[:, 4:].argmax(axis=1) == y // 2).mean() > 0.95


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_large_columns_and_targets_survive_mixed_precision(precision: str) -> None:
    rng = np.random.default_rng(0)
    x = np.stack([1000 + rng.normal(size=200), 1e5 * rng.normal(size=200)], axis=1).astype(np.float32)
    y = (250_000 + 80_000 * rng.normal(size=200)).astype(np.float32)
    facts = data.Facts(source="here", task="regression", columns=NUMBERS)
    part = data.Part(x, y)
    training.begin(factory.settings(precision=precision), 0)
    try:
        split = data.Split(facts, part, data.Part(x[:0], y[:0]), part)
        assert len(np.unique(prepared(split)[:, 0])) > 150
        made = workbench.build("mlp(width=4)", split)
        assert np.isfinite(np.asarray(made(x))).all()
        assert made.layers[-1].compute_dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")
