"""Diagnostics, each on a network that was built to have what it looks for."""

from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest
import workbench
from keras import layers
from looked_at import CATALOG, facts, images, module, outcome, pixels, values

from bench.blocks import inside, rasters
from bench.errors import Unsupported
from bench.limits import MOST_DIAGNOSIS_BYTES
from bench.work import data
from bench.work.evaluation import Outcome

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on saving


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
