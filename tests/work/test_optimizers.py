"""The steps of optimizers and the course of schedules, against what one computes by hand."""

from typing import Any

import keras
import numpy as np
import pytest
import workbench

from bench.errors import PluginError, Unsupported
from bench.work import rates

pytestmark = pytest.mark.slow

CATALOG = workbench.CATALOG
RATE = 0.1
START = np.array([1.0, -2.0, 0.5], np.float32)


def optimizer(call: str, rate: float = RATE, weight_decay: float = 0.0) -> Any:
    use = CATALOG.resolve("optimizers", call)
    return CATALOG.load("optimizers", use.name).optimizer(rate, weight_decay, **use.parameters)


def steps(made: Any, *gradients: Any) -> Any:
    """Return the weights after a step along each gradient."""
    weights = keras.Variable(START)
    for gradient in gradients:
        made.apply([keras.ops.convert_to_tensor(np.asarray(gradient, np.float32))], [weights])
    return np.asarray(weights)


G, H = np.array([0.5, -3.0, 0.01]), np.array([-0.2, 1.0, 0.02])


def test_adagrad_divides_by_the_root_of_all_squares() -> None:
    first = START - RATE * G / np.sqrt(0.1 + G**2 + 1e-7)
    assert steps(optimizer("adagrad"), G) == pytest.approx(first, rel=1e-5)
    second = first - RATE * H / np.sqrt(0.1 + G**2 + H**2 + 1e-7)
    assert steps(optimizer("adagrad"), G, H) == pytest.approx(second, rel=1e-5)


def test_momentum_carries_the_last_step_on() -> None:
    first = -RATE * G
    assert steps(optimizer("momentum(momentum=0.8)"), G) == pytest.approx(START + first, rel=1e-5)
    second = 0.8 * first - RATE * H
    assert steps(optimizer("momentum(momentum=0.8)"), G, H) == pytest.approx(START + first + second, rel=1e-5)
    assert steps(optimizer("momentum"), G, H) == pytest.approx(steps(optimizer("sgd(nesterov=False)"), G, H))


def test_nesterov_counts_the_gradient_as_if_the_step_had_been_made() -> None:
    velocity = -RATE * G
    first = START + 0.8 * velocity - RATE * G
    assert steps(optimizer("nesterov(momentum=0.8)"), G) == pytest.approx(first, rel=1e-5)
    velocity = 0.8 * velocity - RATE * H
    second = first + 0.8 * velocity - RATE * H
    assert steps(optimizer("nesterov(momentum=0.8)"), G, H) == pytest.approx(second, rel=1e-5)
    assert steps(optimizer("nesterov"), G, H) == pytest.approx(steps(optimizer("sgd"), G, H))


def test_lion_steps_by_sign_alone() -> None:
    first = START - RATE * np.sign(G)
    assert steps(optimizer("lion"), G) == pytest.approx(first, rel=1e-5)
    turned = np.sign(0.9 * 0.01 * G + 0.1 * H)
    assert list(turned) == [-1, 1, 1], "the last momentum weighs little against a new gradient"
    assert steps(optimizer("lion"), G, H) == pytest.approx(first - RATE * turned, rel=1e-5)


@pytest.mark.parametrize("call", ["adagrad", "momentum", "nesterov", "lion", "muon"])
def test_every_optimizer_goes_downhill_and_lets_weights_decay(call: str) -> None:
    weights = keras.Variable(START)
    made = optimizer(call)
    for _ in range(100):
        made.apply([keras.ops.convert_to_tensor(weights)], [weights])
    assert np.linalg.norm(np.asarray(weights)) < 0.5 * np.linalg.norm(START)
    assert steps(optimizer(call, weight_decay=0.5), np.zeros(3)) == pytest.approx(START * (1 - 0.5 * RATE), rel=1e-5)


@pytest.mark.parametrize("call", ["momentum(momentum=1.0)", "nesterov(momentum=-0.1)", "muon(momentum=2)"])
def test_a_momentum_is_a_share(call: str) -> None:
    with pytest.raises(PluginError):
        CATALOG.resolve("optimizers", call)


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_muon_turns_hidden_matrices_and_kernels_and_leaves_the_rest_to_adam(weight_decay: float) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 4))
    x = keras.layers.Conv2D(8, 3, name="convolution")(inputs)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.Dense(16, name="hidden")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(10, name="last")(x))
    variables, rng = model.trainable_variables, np.random.default_rng(0)
    before = [np.asarray(variable) for variable in variables]
    made = optimizer("muon", weight_decay=weight_decay)
    made.build(variables)
    gradients = [rng.normal(size=value.shape).astype(np.float32) for value in before]
    made.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    turned = []
    for variable, was, gradient in zip(variables, before, gradients, strict=True):
        moved = (was * (1 - weight_decay * RATE) - np.asarray(variable)) / RATE
        if np.abs(moved - np.sign(gradient)).max() < 1e-3:
            continue  # the first step of Adam
        turned.append(variable.path)
        matrix = moved.reshape(-1, was.shape[-1])
        scale = 0.2 * np.sqrt(max(matrix.shape))
        spread = np.linalg.svd(matrix / scale, compute_uv=False)
        assert spread.min() > 0.3, variable.path
        assert spread.max() < 1.3, variable.path
        assert (moved * gradient).sum() > 0
    assert turned == ["convolution/kernel", "hidden/kernel"]


# Schedules

PROGRESS = np.linspace(0, 1, 1001).astype(np.float32)


def factors(call: str, progress: Any = PROGRESS) -> Any:
    use = CATALOG.resolve("schedules", call)
    given = CATALOG.given("schedules", use, "factor")
    return np.asarray(CATALOG.load("schedules", use.name).factor(np.asarray(progress, np.float32), **given))


def test_exponential_falls_by_one_ratio_to_its_end() -> None:
    found = factors("exponential(end=0.001)")
    assert (found[0], found[-1]) == (1.0, pytest.approx(0.001, rel=1e-4))
    assert found[1:] / found[:-1] == pytest.approx(0.001 ** (1 / 1000), rel=1e-4)
    with pytest.raises(Unsupported, match="never comes to zero"):
        factors("exponential(end=0.0)")


def test_one_cycle_rises_evenly_and_falls_along_a_cosine() -> None:
    call = "one_cycle(rise=0.4, start=10.0, end=1000.0)"
    found = factors(call, [0.0, 0.2, 0.4, 0.7, 1.0])
    assert found == pytest.approx([0.1, 0.55, 1.0, 0.5 * (1 + 0.001), 0.001], rel=1e-4)
    whole = factors(call)
    assert (np.diff(whole[:401]) > 0).all()
    assert (np.diff(whole[400:]) < 0).all()
    assert np.diff(whole[:401]) == pytest.approx(0.9 / 400, rel=1e-2)
    for wrong in ("rise=0.0", "rise=1.0", "start=0.0", "end=-1.0"):
        with pytest.raises(Unsupported, match="rise lies between 0 and 1"):
            factors(f"one_cycle({wrong})")


def test_step_is_by_default_what_it_always_was() -> None:
    before = np.where(PROGRESS < 0.5, 1.0, np.where(PROGRESS < 0.75, 0.1, 0.01)).astype(np.float32)
    assert np.array_equal(factors("step"), before)
    assert CATALOG.resolve("schedules", "step(at=[0.5, 0.75], by=0.1)").parameters == {}
    found = factors("step(at=[0.6, 0.2], by=0.5)", [0.0, 0.19, 0.2, 0.59, 0.6, 1.0])
    assert list(found) == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert list(factors("step(at=[])", [0.0, 1.0])) == [1.0, 1.0]


@pytest.mark.parametrize(
    ("call", "first", "last"),
    [("exponential", 1.0, 0.01), ("one_cycle", 0.04, 0.0001), ("step(at=[0.5], by=0.3)", 1.0, 0.3)],
)
def test_a_schedule_begins_after_the_warm_up(call: str, first: float, last: float) -> None:
    settings = {"epochs": 10, "warmup_epochs": 2, "learning_rate": 0.5, "batch_size": 10}
    learn = workbench.prepare("digits(train_size=100)").learn
    trainer = workbench.trainer(learn, schedule=call, **settings)
    rate = rates.WarmedUp(trainer.settings, trainer.factor, trainer.steps_per_epoch, 0)
    ticks = trainer.steps_per_epoch
    assert float(rate(0)) == pytest.approx(0.5 * first / (2 * ticks), rel=1e-4)
    assert float(rate(2 * ticks)) == pytest.approx(0.5 * first, rel=1e-4)
    assert float(rate(10 * ticks)) == pytest.approx(0.5 * last, rel=1e-3)
