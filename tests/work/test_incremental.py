"""Classes a few at a time: what is kept of the old ones, and what the record says of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import workbench

from bench.errors import Unsupported
from bench.work import data, evaluation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learn() -> data.Learn:
    return workbench.prepare("digits(train_size=300)", validation=0.2).learn


@pytest.mark.parametrize("select", ["random", "herding", "reservoir", "cyclic"])
@pytest.mark.parametrize("size", [10, 13, 40, 5000])
def test_the_buffer_is_never_too_large_and_holds_every_old_class(learn: data.Learn, select: Any, size: int) -> None:
    from bench.blocks.replay import Buffer

    network, y = workbench.build("mlp(width=4, depth=1)", learn), learn.train.y
    buffer = Buffer(size, select, np.random.default_rng(0))
    for task in np.array_split(np.arange(10), 5):
        buffer.add(network, learn.train, np.flatnonzero(np.isin(y, task)))
        assert len(buffer.rows) <= size
        assert len(set(buffer.rows)) == len(buffer.rows)
        counts = np.bincount(y[buffer.rows], minlength=10)
        assert (counts[: task[-1] + 1] > 0).all()
        assert not counts[task[-1] + 1 :].any()
        if select != "reservoir" and size <= 40:
            assert counts[: task[-1] + 1].max() - counts[: task[-1] + 1].min() <= 1
    if size == 5000:
        assert len(buffer.rows) == len(y), "all fit in"


def test_herding_keeps_those_whose_mean_is_that_of_the_class(learn: data.Learn) -> None:
    import keras

    from bench.blocks import anatomy
    from bench.blocks.replay import Buffer

    network, train = workbench.build("mlp(width=16, depth=1)", learn), learn.train
    rows = np.flatnonzero(train.y == 3)
    features = keras.Model(network.inputs, anatomy.head(network)[0]).predict(train.x.astype(np.float32), verbose=0)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    wanted = features[rows].mean(axis=0)

    def far(select: Any, seed: int = 0) -> float:
        buffer = Buffer(5, select, np.random.default_rng(seed))
        buffer.add(network, train, rows)
        return float(np.linalg.norm(features[buffer.rows].mean(axis=0) - wanted))

    assert far("herding") < np.mean([far("random", seed) for seed in range(30)]) * 0.7


def test_a_cyclic_buffer_keeps_the_latest(learn: data.Learn) -> None:
    from bench.blocks.replay import Buffer

    rows = np.flatnonzero(learn.train.y == 3)
    buffer = Buffer(4, "cyclic", np.random.default_rng(0))
    buffer.add(None, learn.train, rows)  # type: ignore[arg-type]
    assert sorted(buffer.rows) == sorted(rows[-4:].tolist())


def test_a_reservoir_is_a_sample_of_all_that_went_by(learn: data.Learn) -> None:
    from bench.blocks.replay import Buffer

    half = len(learn.train) // 2
    early = []
    for seed in range(200):
        buffer = Buffer(20, "reservoir", np.random.default_rng(seed))
        for rows in (np.arange(half), np.arange(half, 2 * half)):
            buffer.add(None, learn.train, rows)  # type: ignore[arg-type]
        early.append(np.mean([row < half for row in buffer.rows]))
    assert np.mean(early) == pytest.approx(0.5, abs=0.03)


def test_tasks_are_judged_among_the_classes_so_far() -> None:
    facts = data.Facts(source="made here", classes=("a", "b", "c", "d"))
    y = np.array([0, 1, 2, 3])
    part = data.Part(np.zeros((4, 1), np.float32), y)
    split = data.Split(facts, part, part, part)
    first = np.array([[2.0, 1, 9, 9], [1, 2, 9, 9], [0, 0, 0, 0], [0, 0, 0, 0]])  # both right among a and b
    second = np.array([[0.0, 0, 5, 0], [0, 5, 0, 0], [0, 0, 5, 0], [0, 0, 5, 0]])  # a is forgotten, d never learned
    found = evaluation.continual([first, second], [(0, 1), (2, 3)], split)
    assert {m.name: m.value for m in found.measurements} == {
        "average_incremental_accuracy": pytest.approx((1.0 + 0.5) / 2),
        "forgetting": pytest.approx(1.0 - 0.5),
    }
    assert found.series.values == [1.0, 0.5]
    assert found.table.rows == (("task 1", 1.0, None, 1.0), ("task 2", 0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"steps": 11}, "10 classes can come in 2 to 10 steps"),
        ({"replay": 5}, "holds fewer examples than the 10 classes"),
        ({"joint": True, "replay": 20}, "sees all examples and needs no replay"),
    ],
)
def test_what_cannot_be_is_refused(learn: data.Learn, how: dict[str, Any], says: str) -> None:
    door = workbench.CATALOG.load("techniques", "incremental").fit
    with pytest.raises(Unsupported, match=says):
        door(workbench.trainer(learn), workbench.build("mlp", learn), **how)


def test_replay_remembers_and_joint_training_bounds_it(tmp_path: Path) -> None:
    text = workbench.written(
        "[incremental]",
        '["incremental(replay=100)"]',
        '["incremental(replay=100, distill=1.0)"]',
        '["incremental(joint=True)"]',
        dataset="digits",
        architecture="mlp(width=32, depth=1)",
        training="epochs: 6, batch_size: 32, learning_rate: 0.005",
    )
    found = workbench.run(tmp_path, text)
    none, replay, distilled, joint = (record.value("accuracy") or 0 for record in found)
    assert none < 0.4, "all but the last two classes are forgotten"
    assert none + 0.25 < replay <= joint + 0.02
    assert distilled > none + 0.25
    for record in found:
        assert len(record.tables["tasks"].rows) == 5
        assert record.tables["tasks"].rows[-1][-1] == pytest.approx(record.value("accuracy"))
        (curve,) = [one for one in record.series if one.axis == "stage"]
        assert curve.values[-1] == pytest.approx(record.value("accuracy"))
        losses = next(one for one in record.series if (one.name, one.split) == ("loss", "train"))
        assert losses.points == [float(i + 1) for i in range(30)], "epochs are counted through all tasks"
    assert (found[0].value("forgetting") or 0) > (found[1].value("forgetting") or 0) + 0.25
