"""Diagnostics, each on a network that was built to have what it looks for."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
import pytest
import workbench
from keras import layers
from msgspec.structs import replace
from PIL import Image

from bench.blocks import inside, rasters
from bench.blocks.probe import Probe
from bench.errors import Unsupported
from bench.limits import MOST_DIAGNOSIS_BYTES
from bench.records import Diagnosis, Series
from bench.work import data
from bench.work.evaluation import Outcome

CATALOG = workbench.CATALOG
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on saving


def module(name: str) -> Any:
    return CATALOG.load("diagnostics", name)


def facts(classes: int = 3, **more: Any) -> data.Facts:
    return data.Facts(source="made here", classes=tuple("abcdefghij"[:classes]), **more)


def outcome(
    network: keras.Model | None,
    x: Any,
    y: Any,
    folder: Path,
    *,
    outputs: Any = None,
    classes: int = 3,
    series: tuple[Series, ...] = (),
) -> Outcome:
    """Return what a diagnostic is handed, of examples that are training and test part at once."""
    file = folder / "network.keras"
    if network is not None:
        network.save(file)
        outputs = network.predict(x, verbose=0) if outputs is None else outputs
    part = data.Part(np.asarray(x), np.asarray(y))
    split = data.Split(facts(classes), part, data.Part(x[:0], y[:0]), part)
    return Outcome(np.asarray(outputs, np.float32), split, file, series)


def pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)))


def images(n: int = 40, side: int = 8, channels: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, side, side, channels)).astype(np.uint8), np.arange(n) % 3


def values(found: Diagnosis) -> dict[str, float]:
    return {m.name: m.value for m in found.measurements}


def test_units_that_are_dead_by_design_are_counted(tmp_path: Path) -> None:
    """Three of ten units have a bias that no input lifts above zero."""
    x, y = images()
    dense = layers.Dense(10, activation="relu")
    network = keras.Sequential([layers.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten(), dense])
    network.add(layers.Dense(3))
    kernel, _ = dense.get_weights()
    dense.set_weights([np.abs(kernel), np.where(np.arange(10) < 3, -1e6, 0.1).astype(np.float32)])
    found = module("units").diagnose(outcome(network, x, y, tmp_path))
    assert values(found) == {"dead_units": pytest.approx(0.3)}
    assert found.tables[0].rows == ((dense.name, "relu", 10.0, "dead units", 0.3),)


@pytest.mark.parametrize(
    ("activation", "flat", "kind"),
    [("sigmoid", 3.0, "saturated outputs"), ("tanh", 1.5, "saturated outputs"), ("leaky_relu", -1.0, "dead units")],
)
def test_what_can_go_wrong_with_a_unit_depends_on_its_activation(activation: str, flat: float, kind: str) -> None:
    """A sigmoid is flat at 3 and beyond, tanh at half of that; both are steep at 0."""
    function = keras.activations.get(activation)
    inputs = np.array([[0.01, flat], [0.02, 2 * flat]], np.float32)
    found = module("units").share_of(activation, np.asarray(keras.ops.convert_to_numpy(function(inputs))))
    assert found == (kind, 0.5)
    assert module("units").share_of("gelu", inputs) is None


def test_the_saliency_of_a_linear_network_is_its_weights(tmp_path: Path) -> None:
    x, y = images(6)
    dense = layers.Dense(3)
    network = keras.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), dense])
    classes = np.array([0, 1, 2, 2, 1, 0])
    found = module("saliency").gradients(network, x.astype(np.float32), classes)
    kernel = dense.get_weights()[0]
    for i, label in enumerate(classes):
        np.testing.assert_allclose(found[i].ravel(), kernel[:, label], rtol=1e-5)
    shown = module("saliency").diagnose(outcome(network, x, y, tmp_path))
    assert len(shown.pictures) == 2 * 3
    (place,) = {picture.example for picture in shown.pictures[:1]}
    answer = int(network.predict(x[place : place + 1], verbose=0).argmax())
    wanted = (kernel[:, answer].reshape(8, 8) * x[place, ..., 0]).astype(np.float32)
    colours = pixels(shown.pictures[1].png)
    assert np.array_equal(colours > rasters.STEPS, np.rint(rasters.STEPS * wanted / np.abs(wanted).max()) > 0)


def test_a_planted_confusion_is_found(tmp_path: Path) -> None:
    """Two of forty examples are taken for the next class, one more surely than the other."""
    x, y = images()
    outputs = 4.0 * np.eye(3)[y]
    outputs[7] = 9.0 * np.eye(3)[(y[7] + 1) % 3]
    outputs[11] = 6.0 * np.eye(3)[(y[11] + 1) % 3]
    found = module("mistakes").diagnose(outcome(None, x, y, tmp_path, outputs=outputs))
    assert [picture.example for picture in found.pictures] == [7, 11]
    assert found.pictures[0].caption.startswith("b; taken for c 100 %")
    assert found.note.startswith("2 of 40 answers are wrong")
    np.testing.assert_array_equal(pixels(found.pictures[0].png), x[7, ..., 0])
    table = module("mistakes").diagnose(outcome(None, x.reshape(40, -1), y, tmp_path, outputs=outputs)).tables[0]
    assert [row[0] for row in table.rows] == [7, 11]


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


def test_occlusion_finds_the_place_that_counts(tmp_path: Path) -> None:
    """The network looks at the upper left quarter alone, and is the less sure the darker it is."""
    x = np.full((3, 12, 12, 1), 20, np.uint8)
    x[:, :4, :4] = 250
    mask = np.zeros((12, 12, 1), np.float32)
    mask[:4, :4] = 0.001
    dense = layers.Dense(3, use_bias=False)
    network = keras.Sequential([layers.Input((12, 12, 1)), layers.Flatten(), dense])
    dense.set_weights([np.stack([mask.ravel(), 0 * mask.ravel(), 0 * mask.ravel()], axis=1)])
    found = module("occlusion").diagnose(outcome(network, x, np.array([0, 1, 2]), tmp_path))
    levels = pixels(found.pictures[1].png).astype(int) - rasters.STEPS
    assert levels[:4, :4].max() == rasters.STEPS
    assert np.abs(levels[8:, 8:]).max() == 0


@pytest.mark.parametrize("ending", ["logits", "probabilities", "one probability"])
def test_what_a_network_ends_in_makes_no_difference(tmp_path: Path, ending: str) -> None:
    """Bright images are of class 1; the same network, with answers as others write them."""
    x = np.repeat(np.array([10, 200] * 8)[:, None, None, None], 64, axis=1).reshape(16, 8, 8, 1).astype(np.uint8)
    inputs = keras.Input((8, 8, 1))
    bright = 0.05 * (layers.GlobalAveragePooling2D()(inputs) - 100)
    ends = {
        "logits": keras.ops.concatenate([0 * bright, bright], axis=1),
        "probabilities": layers.Softmax()(keras.ops.concatenate([0 * bright, bright], axis=1)),
        "one probability": keras.ops.sigmoid(bright),
    }
    logits = np.stack([np.zeros(16), 0.05 * (x[:, 0, 0, 0].astype(float) - 100)], axis=1)
    seen = outcome(keras.Model(inputs, ends[ending]), x, np.arange(16) % 2, tmp_path, outputs=logits, classes=2)
    np.testing.assert_allclose(
        np.diff(inside.answers_of(seen, x), axis=1), np.diff(logits, axis=1), rtol=1e-3, atol=1e-3
    )
    assert module("robustness").diagnose(seen).series[0].values[0] == 1.0
    assert [picture.caption for picture in module("occlusion").diagnose(seen).pictures[1::2]] == [
        "for a: −0 points at most",
        "for b: −0 points at most",
    ]


def test_filters_are_the_kernels(tmp_path: Path) -> None:
    x, y = images()
    conv = layers.Conv2D(4, 3)
    network = keras.Sequential([layers.Input((8, 8, 1)), conv, layers.GlobalAveragePooling2D(), layers.Dense(3)])
    found = module("filters").diagnose(outcome(network, x, y, tmp_path))
    sheet = pixels(found.pictures[0].png)
    kernel = conv.get_weights()[0][..., 0, 0]
    wanted = np.rint(254 * (kernel - kernel.min()) / (kernel.max() - kernel.min()))
    np.testing.assert_array_equal(sheet[:3, :3], wanted)
    assert (sheet[3] == rasters.GAP).all()
    assert sheet.shape == (7, 7)


def test_activation_maps_are_what_the_layers_put_out(tmp_path: Path) -> None:
    x, y = images()
    same = layers.Conv2D(1, 1, activation="relu", kernel_initializer="ones")
    network = keras.Sequential([layers.Input((8, 8, 1)), same, layers.Flatten(), layers.Dense(3)])
    found = module("activation_maps").diagnose(outcome(network, x, y, tmp_path))
    assert found.columns == ("image", f"{same.name} (8 × 8 × 1)")
    image, through = (pixels(picture.png).astype(int) for picture in found.pictures[:2])
    assert np.abs(through - np.rint(254 * (image - image.min()) / (image.max() - image.min()))).max() <= 1


def test_embeddings_of_classes_that_lie_apart_lie_apart(tmp_path: Path) -> None:
    y = np.arange(90) % 3
    x = np.eye(3, dtype=np.float32)[y] * 5 + 0.1 * np.random.default_rng(0).standard_normal((90, 3)).astype(np.float32)
    hidden = layers.Dense(8, activation="relu")
    network = keras.Sequential([layers.Input((3,)), hidden, layers.Dense(3)])
    found = module("embeddings").diagnose(outcome(network, x, y, tmp_path))
    assert {one.chart for one in found.series} == {"Principal components", "t-SNE"}
    centres = {one.name: np.mean([one.points, one.values], axis=1) for one in found.series[:3]}
    spread = max(float(np.std([one.points, one.values], axis=1).max()) for one in found.series[:3])
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in ("ab", "ac", "bc")) > 4 * spread


def test_features_that_say_nothing_are_no_picture(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((90, 3)).astype(np.float32)
    hidden = layers.Dense(8, activation="relu", kernel_initializer="zeros")
    network = keras.Sequential([layers.Input((3,)), hidden, layers.Dense(3)])
    with pytest.raises(Unsupported, match="the same for all examples"):
        module("embeddings").diagnose(outcome(network, x, np.arange(90) % 3, tmp_path))


def test_a_small_table_is_cut_in_halves(tmp_path: Path) -> None:
    x = np.stack([np.arange(100), np.arange(100) % 2], axis=1).astype(np.float32)
    columns = (data.Column("age"), data.Column("sex"))
    part = data.Part(x, np.arange(100) % 3)
    split = data.Split(facts(columns=columns), part, data.Part(x[:0], part.y[:0]), part)
    found = module("slices").diagnose(Outcome(np.eye(3)[part.y], split, tmp_path))
    assert [row[:2] for row in found.tables[0].rows] == [
        ("age", "lower half"),
        ("age", "upper half"),
        ("sex", "0"),
        ("sex", "1"),
    ]


def test_a_slice_that_fails_is_seen(tmp_path: Path) -> None:
    """All bright images are answered wrong."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, (400, 8, 8, 1)).astype(np.uint8)
    x[300:] += 100
    y = np.arange(400) % 3
    outputs = np.eye(3)[np.where(np.arange(400) < 300, y, (y + 1) % 3)]
    found = module("slices").diagnose(outcome(None, x, y, tmp_path, outputs=outputs))
    rows = {(row[0], row[1]): row[4] for row in found.tables[0].rows}
    assert rows["brightness (0 to 255)", "highest quarter"] == 0.0
    assert rows["brightness (0 to 255)", "lowest quarter"] == 1.0
    assert values(found) == {"worst_slice_accuracy": 0.0}


def test_the_size_of_a_thing_is_its_share_of_the_pixels() -> None:
    x = np.zeros((2, 10, 10, 1), np.uint8)
    x[0, 2:4, 2:7] = 200
    np.testing.assert_allclose(module("slices").sizes(x), [0.1, 0.0])


def test_corruptions_are_as_strong_as_they_say() -> None:
    robustness = module("robustness")
    x = np.full((2, 32, 32, 3), 128, np.float32)
    x[:, 16] = 228
    noisy = robustness.noise(x[:1, :15], 0.1)
    assert noisy.std() == pytest.approx(25.5, rel=0.1)
    assert robustness.contrast(x, 0.5).std() == pytest.approx(0.5 * x.std(), rel=1e-4)
    assert robustness.contrast(x, 0.5).mean() == pytest.approx(x.mean(), rel=1e-4)
    assert robustness.shift(x, 3)[0, 19, 0, 0] == 228
    line = robustness.blur(x, 1.0)[0, :, 0, 0] - 128
    assert line.sum() == pytest.approx(100, rel=1e-3)
    assert line[16] == pytest.approx(100 / np.sqrt(2 * np.pi), rel=0.02)


def test_what_is_robust_by_design_is_told_so(tmp_path: Path) -> None:
    """The class is the mean brightness, in steps of 80, of plain images: what is done to them changes it little."""
    y = np.arange(30) % 3
    x = np.repeat((20 + 80 * y)[:, None, None, None], 64, axis=1).reshape(30, 8, 8, 1).astype(np.uint8)
    inputs = keras.Input((8, 8, 1))
    mean = layers.GlobalAveragePooling2D()(inputs)
    distance = keras.ops.concatenate([-keras.ops.abs(mean - (20 + 80 * k)) for k in range(3)], axis=1)
    found = module("robustness").diagnose(outcome(keras.Model(inputs, distance), x, y, tmp_path))
    assert {one.name: one.values for one in found.series} == dict.fromkeys(
        ("noise", "blur", "contrast", "shift"), [1.0] * 6
    )
    assert values(found) == {"corrupted_accuracy": 1.0}


def watched(name: str, tell: Callable[[], tuple[Series, ...]]) -> dict[tuple[str, str], Series]:
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
    seen = watched(name, tell)
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


def test_pictures_of_large_noisy_images_fit(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (12, 96, 96, 3)).astype(np.uint8)
    inputs = keras.Input((96, 96, 3))
    hidden = inputs
    for _ in range(6):
        hidden = layers.Conv2D(8, 3, padding="same", activation="relu")(hidden)
    network = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(hidden)))
    seen = outcome(network, x, np.arange(12) % 3, tmp_path)
    wrong = outcome(None, x, np.arange(12) % 3, tmp_path, outputs=np.eye(3)[(np.arange(12) + 1) % 3])
    for found in (
        *(module(name).diagnose(seen) for name in ("activation_maps", "saliency", "occlusion", "filters")),
        module("mistakes").diagnose(wrong),
    ):
        assert len(msgspec.json.encode(found)) < MOST_DIAGNOSIS_BYTES, found.title


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


def test_what_all_diagnostics_store_of_a_cell_is_bounded(tmp_path: Path) -> None:
    names = CATALOG.names("diagnostics")
    text = workbench.written(
        "[]",
        architecture="custom_cnn(width=8)",
        training="epochs: 3, batch_size: 32, validation: 0.1",
        more=f"diagnostics: [{', '.join(names)}]",
    )
    trained, *found = workbench.run(tmp_path, text)
    assert [(one.diagnostic and one.diagnostic.name, one.status) for one in found] == [
        (name, "finished") for name in names
    ]
    sizes = [len(msgspec.json.encode(one.diagnostics)) for one in found]
    sizes.append(len(msgspec.json.encode([one for one in trained.series if one.watcher])))
    assert max(sizes) < MOST_DIAGNOSIS_BYTES
    assert sum(sizes) < 200_000
