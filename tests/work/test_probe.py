"""Diagnostics of how a network learns, and the probe that looks on for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from keras import layers
from looked_at import images, module, outcome, values
from msgspec.structs import replace

from bench.blocks import inside
from bench.blocks.probe import Probe
from bench.records import Series

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on saving


def curve(values: list[float], name: str = "accuracy") -> Series:
    return Series(name, "epoch", [float(i + 1) for i in range(len(values))], list(values), split="train")


@pytest.mark.parametrize(
    ("values", "name", "wanted"),
    [
        ([0.1, 0.5, 0.89, 0.9, 0.951, 0.98, 0.995, 1.0], "accuracy", [4, 5, 7]),
        ([0.5, 0.5], "accuracy", [1, 1, 1]),
        ([11.0, 6.0, 2.0, 1.4, 1.0], "mae", [3, 4, 5]),
        ([1.0, 2.0], "mae", [None, None, None]),
    ],
)
def test_convergence_gives_the_epochs_that_were_put_in(values: list[float], name: str, wanted: list[Any]) -> None:
    found = [module("convergence").epochs_to(share / 100, curve(values, name)) for share in (90, 95, 99)]
    assert found == wanted


def test_what_ends_at_guessing_has_no_speed(tmp_path: Path) -> None:
    x, y = images()
    network = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    seconds = Series("seconds", "epoch", [1.0, 2.0], [10.0, 20.0], chart="seconds of training", watcher="convergence")
    noise = Series("noise", "epoch", [1.0, 2.0], [0.5, 0.25], chart="noise of the loss", watcher="convergence")
    for ends, told in ((0.36, False), (0.9, True)):
        series = (curve([0.1, ends]), noise, seconds)
        found = values(module("convergence").diagnose(outcome(network, x, y, tmp_path, series=series)))
        assert found["loss_noise"] == 0.25
        assert ("epochs_to_90" in found) is told
        assert found.get("seconds_to_90") == (20.0 if told else None)


def test_sharpness_of_a_known_valley() -> None:
    """Of two equal examples of opposite labels: no step is a share of weights of zero; far out the loss is even.

    There it is half of the logits' difference, whose slope along each is a half; the step along w is
    radius · w² g / |w g|, the radius' share of w.
    """
    network = keras.Sequential([layers.Input((1,)), layers.Dense(2, use_bias=False)])
    x, labels = np.ones((2, 1), np.float32), np.array([0, 1])
    network.set_weights([np.zeros((1, 2), np.float32)])
    assert module("convergence").sharpness(network, x, labels, 2) == pytest.approx(0.0, abs=1e-6)
    network.set_weights([np.array([[50.0, 0.0]], np.float32)])
    assert module("convergence").sharpness(network, x, labels, 2) == pytest.approx(0.5 * 50 / 2, rel=1e-3)
    network.set_weights([np.array([[50.0, 25.0]], np.float32)])  # which together move as far
    step = 0.5 * np.array([50.0**2, -(25.0**2)]) / np.hypot(50, 25)
    assert module("convergence").sharpness(network, x, labels, 2) == pytest.approx((step[0] - step[1]) / 2, rel=1e-3)


def test_the_noise_of_the_loss_is_that_of_its_batches() -> None:
    """Told from the spread of single losses; here against the spread of many batches, drawn."""
    learn = workbench.prepare("digits").learn
    trainer = workbench.trainer(learn, epochs=1, batch_size=16)
    network = trainer.build()
    tell = module("convergence").watch(trainer)
    trainer.fit(network)
    noise = next(one for one in tell() if one.chart == "noise of the loss").values[-1]
    logits = network.predict(learn.train.x, verbose=0)
    losses = keras.ops.convert_to_numpy(
        keras.losses.sparse_categorical_crossentropy(learn.train.y.astype(int), logits, from_logits=True)
    )
    rng = np.random.default_rng(0)
    batches = [losses[rng.integers(0, len(losses), 16)].mean() for _ in range(4000)]
    assert noise == pytest.approx(np.std(batches) / np.mean(batches), rel=0.35)  # of 128 examples


def watched(tell: Callable[[], tuple[Series, ...]]) -> dict[tuple[str, str], Series]:
    return {(one.chart, one.name): one for one in tell()}


def test_gradients_are_those_of_the_loss() -> None:
    """Of a network of one layer, before its first step, against Keras's own arithmetic."""
    learn = workbench.prepare("digits").learn
    recipe = workbench.recipe("perceptron", epochs=3, batch_size=32)
    trainer = recipe.trainer(learn, 0, lambda *_: None)
    network = recipe.build(learn)
    (kernel, _), (name,) = network.get_weights(), [layer.name for layer in inside.weighted(network)]
    tell = module("gradients").watch(trainer)
    trainer.fit(network)
    seen = watched(tell)
    rows = np.random.default_rng(0).permutation(len(learn.train))[:128]
    x = learn.train.x[rows].reshape(128, -1) / 255
    logits = x @ kernel  # the offsets begin as zeros
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = np.linalg.norm(x.T @ (shares - np.eye(10)[learn.train.y[rows].astype(int)]) / 128)
    norms = seen["gradient norm", name]
    assert norms.points == [0.0, 1.0, 2.0, 3.0]
    assert norms.values[0] == pytest.approx(wanted, rel=1e-3)
    moved = seen["change of the weights", name]
    assert moved.points == [1.0, 2.0, 3.0]
    assert all(value and 0 < value < 1 for value in moved.values)


def test_gradients_vanish_through_sigmoids_and_not_through_relu(tmp_path: Path) -> None:
    for activation, initializer, vanishes in (("sigmoid", "glorot", True), ("relu", "he", False)):
        call = f"mlp(width=32, depth=10, activation='{activation}', initializer='{initializer}')"
        text = workbench.written(
            "[]", architecture=call, training="epochs: 1, batch_size: 32", more="diagnostics: [gradients]"
        )
        (tmp_path / activation).mkdir()
        *_, found = workbench.run(tmp_path / activation, text)
        (figure,) = found.measurements
        assert figure.name == "gradient_decades"
        assert (figure.value < -2) is vanishes


def test_distributions_tell_what_has_moved() -> None:
    curves = module("distributions").curves
    rng = np.random.default_rng(0)
    quantiles = module("distributions").quantiles
    told = {
        epoch: {"weights of a": quantiles(rng.normal(shift, 0.1, 5000).astype(np.float32))}
        for epoch, shift in ((0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0))
    }
    found = curves(told)
    assert [one.name for one in found] == ["start (epoch 0)", "middle (epoch 2)", "end (epoch 4)"]
    assert {tuple(one.points) for one in found} == {tuple(found[0].points)}, "bins are shared"
    peaks = [one.points[int(np.argmax(np.array(one.values, float)))] for one in found]
    np.testing.assert_allclose(peaks, [0.0, 2.0, 4.0], atol=0.25)
    assert all(sum(value or 0.0 for value in one.values) == pytest.approx(1.0, abs=0.01) for one in found)


def test_a_sample_of_many_values_is_one_of_all_units() -> None:
    """Every fourth unit is always on: a stride that falls in step with the units would see all or none of them."""
    outputs = np.zeros((128, 32, 32, 64), np.float32)
    outputs[..., ::4] = 1.0
    assert module("distributions").quantiles(outputs.ravel()).mean() == pytest.approx(0.25, abs=0.02)


def test_layers_that_thaw_later_are_in_the_networks_order() -> None:
    told = {
        0: {"head": [1.0]},
        1: {"last": [0.5], "head": [1.0, 0.1]},
        2: {"first": [0.2], "last": [0.4, 0.1], "head": [1.0, 0.1]},
    }
    found = module("gradients").curves(told)
    assert [one.name for one in found if one.chart == "gradient norm"] == ["first", "last", "head"]


def test_no_speed_is_told_of_a_training_in_parts(tmp_path: Path) -> None:
    x, y = images()
    network = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(3)])
    seconds = Series("seconds", "epoch", [1.0], [10.0], chart="seconds of training", watcher="convergence")
    found = module("convergence").diagnose(
        outcome(
            network, x, y, tmp_path, series=(curve([0.5, 0.9]), seconds, replace(seconds, chart="noise of the loss"))
        )
    )
    assert "epochs_to_90" not in values(found)
    assert "in parts" in found.note


def test_small_gradients_are_seen_in_half_precision() -> None:
    learn = workbench.prepare("digits").learn
    norms = {}
    for precision in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(precision)
        keras.utils.set_random_seed(0)
        recipe = workbench.recipe("mlp(width=16, depth=6, activation='sigmoid')", epochs=1, precision=precision)
        trainer = recipe.trainer(learn, 0, lambda *_: None)
        tell = module("gradients").watch(trainer)
        network = recipe.build(learn)
        trainer.fit(network)
        keras.config.set_dtype_policy("float32")
        norms[precision] = next(one for one in tell() if one.chart == "gradient norm").values[0]
    assert norms["mixed_float16"] == pytest.approx(norms["float32"], rel=0.1)


def test_a_question_that_raises_costs_its_own_answer_alone() -> None:
    learn = workbench.prepare("digits(train_size=100)").learn
    trainer = workbench.trainer(learn, epochs=2, batch_size=32)
    probe = Probe.of(trainer)
    assert Probe.of(trainer) is probe

    def wrong(look: Any) -> float:
        raise ZeroDivisionError("mine")

    probe.ask("wrong", wrong)
    probe.ask("right", lambda look: look.epoch)
    trainer.fit(trainer.build())
    assert probe.answers("right") == {0: 0, 1: 1, 2: 2}
    with pytest.raises(ZeroDivisionError, match="mine"):
        probe.answers("wrong")


def test_a_long_training_is_looked_at_now_and_then() -> None:
    learn = workbench.prepare("digits(train_size=50)").learn
    trainer = workbench.trainer(learn, epochs=50, batch_size=50)
    probe = Probe.of(trainer)
    probe.ask("epoch", lambda look: look.epoch)
    trainer.fit(trainer.build())
    looks = list(probe.answers("epoch"))
    assert looks[0] == 0 and looks[-1] == 50 and len(looks) == 11
    assert len(probe.seconds) == 50
