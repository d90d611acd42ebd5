"""Every architecture: its published size, and that it learns and comes back on every dataset that fits."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import factory
import msgspec
import numpy as np
import pytest
import sample_data
import workbench

from bench.catalog import Catalog
from bench.errors import Unsupported
from bench.planning.compatibility import is_trained, too_small, unsupported
from bench.records import Use
from bench.work import data, network, training

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

CATALOG = Catalog()

BACKBONE = "imagenet(backbone={!r}, weights=None)"
SIZES: list[tuple[str, tuple[int, ...], int, int]] = [
    # call, input shape, classes, published number of trained parameters and where it was published
    ("lenet5", (28, 28, 1), 10, 61_706),  # LeCun 1998 with all maps connected
    ("mnist_convnet", (28, 28, 1), 10, 34_826),  # keras.io/examples/vision/mnist_convnet
    ("resnet8", (32, 32, 3), 10, 78_666 - 480),  # MLPerf Tiny's pretrainedResnet.h5 less moving statistics
    ("resnet(depth=20)", (32, 32, 3), 10, 269_722),  # He 2015: 0.27 M; akamaster/pytorch_resnet_cifar10
    ("resnet(depth=32)", (32, 32, 3), 10, 464_154),  # He 2015: 0.46 M; akamaster
    ("resnet(depth=44)", (32, 32, 3), 10, 658_586),  # He 2015: 0.66 M; akamaster
    ("resnet(depth=56)", (32, 32, 3), 10, 853_018),  # He 2015: 0.85 M; akamaster
    ("alexnet", (227, 227, 3), 1000, 60_965_224),  # Krizhevsky 2012: 60 M; BVLC's bvlc_alexnet
    ("vgg16(depth=11)", (224, 224, 3), 1000, 132_863_336),  # Simonyan 2015: 133 M; torchvision
    ("vgg16(depth=13)", (224, 224, 3), 1000, 133_047_848),  # Simonyan 2015: 133 M; torchvision
    ("vgg16", (224, 224, 3), 1000, 138_357_544),  # Simonyan 2015: 138 M; keras.applications
    ("vgg16(depth=19)", (224, 224, 3), 1000, 143_667_240),  # Simonyan 2015: 144 M; keras.applications
    ("vgg16(batch_norm=True)", (32, 32, 3), 10, 14_728_266),  # kuangliu/pytorch-cifar
    ("googlenet", (224, 224, 3), 1000, 13_378_280),  # BVLC's bvlc_googlenet while training
    ("googlenet(auxiliary=False)", (224, 224, 3), 1000, 6_998_552),  # BVLC's bvlc_googlenet deployed
    ("densenet(depth=100, bottleneck=True)", (32, 32, 3), 10, 769_162),  # Huang 2017: 0.8 M; andreasveit, bamos
    ("densenet", (32, 32, 3), 10, 1_019_722),  # Huang 2017: 1.0 M
    ("mobilenet_v2", (224, 224, 3), 1000, 3_504_872),  # Sandler 2018: 3.4 M; torchvision
    ("mobilenet_v2", (32, 32, 3), 10, 2_236_682),  # torchvision with ten classes
    ("vit(patch=16, width=768, depth=12, heads=12)", (224, 224, 3), 1000, 86_567_656),  # ViT-B/16, torchvision
    ("cct", (32, 32, 3), 10, 283_723 - 256),  # Hassani 2021: 0.28 M; without the biases of the projections
    ("cct(depth=7, width=256, heads=4, expansion=2, convolutions=1)", (32, 32, 3), 10, 3_758_347),  # 3.76 M
    (BACKBONE.format("ResNet50"), (224, 224, 3), 1000, 25_636_712 - 53_120),  # keras.applications, as those below,
    (BACKBONE.format("DenseNet121"), (224, 224, 3), 1000, 8_062_504 - 83_648),  # less moving statistics
    (BACKBONE.format("MobileNetV2"), (224, 224, 3), 1000, 3_538_984 - 34_112),
    (BACKBONE.format("EfficientNetB0"), (224, 224, 3), 1000, 5_330_571 - 42_023),
]
MILLIONS_OF_MULTIPLY_ADDS = [
    ("resnet8", (32, 32, 3), 12.5),  # Banbury 2021
    ("resnet(depth=20)", (32, 32, 3), 40.8),  # akamaster; He 2015
    ("resnet(depth=56)", (32, 32, 3), 125.8),  # chenyaofo
    ("alexnet", (227, 227, 3), 724.4),  # BVLC's bvlc_alexnet
    ("vgg16", (224, 224, 3), 15_470),  # Simonyan 2015, torchvision
    ("googlenet", (224, 224, 3), 1_583),  # Szegedy 2015: 1.5 G
    ("mobilenet_v2", (224, 224, 3), 300.8),  # Sandler 2018: 300 M
    ("vit(patch=16, width=768, depth=12, heads=12)", (224, 224, 3), 17_564),  # torchvision
    ("cct(depth=7, width=256, heads=4, expansion=2, convolutions=1)", (32, 32, 3), 1_190),  # Hassani 2021
]


def images(shape: tuple[int, ...], classes: int = 10, n: int = 20) -> data.Split:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (n, *shape)).astype(np.uint8), np.arange(n) % classes
    names = tuple(map(str, range(classes)))
    return data.split(
        data.Dataset(x=x, y=y, classes=names, source="made here", x_test=x.copy(), y_test=y.copy()), 0, 0.0
    )


def built(call: str, split: data.Split) -> Any:
    keras.utils.clear_session()
    return workbench.build(call, split)


def drawn(call: str, split: data.Split) -> Any:
    """Return a network of which the shapes alone are wanted: its weights are zeros, which are the quickest to make."""
    use = CATALOG.resolve("architectures", call)
    known = {parameter.name for parameter in CATALOG.card("architectures", use.name).parameters}
    zeros = {"initializer": "zeros"} if "initializer" in known else {}
    return workbench.build(str(Use(use.name, use.parameters | zeros)), split)


@pytest.mark.parametrize(("call", "shape", "classes", "published"), SIZES)
def test_parameters_are_the_published_ones(call: str, shape: tuple[int, ...], classes: int, published: int) -> None:
    made = drawn(call, images(shape, classes, n=1))
    assert sum(int(np.prod(weight.shape)) for weight in made.trainable_weights) == published


@pytest.mark.parametrize(("call", "shape", "millions"), MILLIONS_OF_MULTIPLY_ADDS)
def test_multiply_adds_are_the_published_ones(call: str, shape: tuple[int, ...], millions: float) -> None:
    made = drawn(call, images(shape, 1000 if shape[0] > 64 else 10, n=1))
    table = network.layer_table(network.main_head(made))
    assert sum(layer.macs for layer in table) / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.fixture
def step_by_step() -> Iterator[None]:
    """Let TensorFlow run without tracing: of each network a single step is wanted."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return sample_data.own_files(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("cache") / "kaggle"
    sample_data.all_of_them(cache)
    return cache


SMALL: dict[str, dict[str, object]] = {
    "alexnet": {"width": 12},
    "cct": {"depth": 1, "width": 16},
    "custom_cnn": {"width": 4},
    "densenet": {"depth": 10, "width": 4},
    "imagenet": {"backbone": "MobileNet", "weights": None, "alpha": 0.25},
    "mobilenet_v2": {"width": 0.25},
    "vgg16": {"depth": 11, "width": 4},
    "vit": {"depth": 1, "width": 16},
}
"""Parameters of the networks that are trained on every dataset; an architecture that is not named has its defaults.

Shallow ones save most: each layer costs time however narrow it is.
"""
TRAINED = [name for name in CATALOG.names("architectures") if is_trained(CATALOG.card("architectures", name))]


def small(architecture: str) -> Use:
    parameters = ", ".join(f"{name}={value!r}" for name, value in SMALL.get(architecture, {}).items())
    return CATALOG.resolve("architectures", f"{architecture}({parameters})")


def test_small_networks_are_those_of_architectures_that_there_are() -> None:
    assert SMALL.keys() <= set(TRAINED)
    for architecture in SMALL:
        assert SMALL[architecture].items() <= small(architecture).parameters.items()


@pytest.mark.usefixtures("step_by_step")
@pytest.mark.parametrize("dataset", CATALOG.names("datasets"))
@pytest.mark.parametrize("architecture", TRAINED)
def test_every_architecture_learns_every_dataset_that_fits_and_comes_back_from_disk(
    architecture: str, dataset: str, own: dict[str, str], kaggle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(kaggle))
    call = own.get(dataset, dataset)
    if dataset == "cifar100":
        call = "cifar100(labels='both')"
    cell = msgspec.structs.replace(
        factory.cell(), dataset=CATALOG.resolve("datasets", call), architecture=small(architecture)
    )
    if reason := unsupported(CATALOG, cell, "tensorflow"):
        assert cell.dataset.name in reason
        return
    split = workbench.prepare(call)
    split = replace(split, train=data.Part(split.train.x[:4], split.train.y[:4]))
    training.begin(cell.training, 0)
    keras.config.disable_interactive_logging()
    if reason := too_small(cell, CATALOG.card("architectures", architecture), split.train.x.shape[1:]):
        assert reason == "lenet5 needs images of at least 28 pixels a side, image_folder has 14"
        return
    if (architecture, dataset) == ("vit", "image_folder"):
        with pytest.raises(Unsupported, match="14 × 20 pixels cannot be cut into patches of 4"):
            workbench.build(str(cell.architecture), split)
        return
    made = workbench.build(str(cell.architecture), split)
    before = made.get_weights()
    fitted = workbench.trainer(split, epochs=1, batch_size=4).fit(made)
    assert all(np.isfinite(series.values).all() for series in fitted.series)
    assert any(not np.array_equal(a, b) for a, b in zip(before, made.get_weights(), strict=True))
    artifact = network.save(network.main_head(made), tmp_path)
    x = split.test.x[:4].astype(np.float32)
    wanted = np.asarray(network.main_head(made)(x, training=False))
    keras.utils.clear_session()
    loaded = network.load(artifact, tmp_path)
    assert np.allclose(wanted, np.asarray(loaded(x, training=False)), atol=1e-4)
    assert wanted.shape == (len(x), split.facts.outputs)
    assert np.isfinite(wanted).all(), "missing values are filled"
    assert network.digest(loaded) == artifact.digest


NAMES = [name for name in dir(keras.applications) if name[0].isupper()]
FAMILIES = {getattr(keras.applications, name).__module__: name for name in reversed(NAMES)}
"""The first network of each module, which is the smallest of most."""
SCALING = {"Normalization", "Rescaling"}
INSIDE = {"convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"}
"""Families whose networks hold their scaling already, and whose `preprocess_input` does nothing."""


@pytest.mark.parametrize("backbone", sorted(FAMILIES.values()))
def test_images_reach_an_imagenet_network_in_its_own_scale(backbone: str) -> None:
    family = sys.modules[getattr(keras.applications, backbone).__module__]
    size = 80
    made = built(f"imagenet(backbone='{backbone}', weights=None, input_size={size})", images((size, size, 3)))
    x = np.random.default_rng(1).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    first = next(layer for layer in made.layers if layer.weights or type(layer).__name__ in SCALING)
    seen = np.asarray(keras.Model(made.inputs, first.input)(x))
    wanted = np.asarray(family.preprocess_input(x.copy()))
    if first.input.shape[1] != size:  # some pad first
        seen = seen[:, 3 : 3 + size, 3 : 3 + size]
    assert np.allclose(seen, wanted, atol=1e-4)
    if family.__name__.split(".")[-1] not in INSIDE:
        assert not np.allclose(wanted, x)


def test_a_grey_image_of_any_size_reaches_an_imagenet_network() -> None:
    made = built("imagenet(backbone='MobileNetV2', weights=None, alpha=0.35, input_size=64)", images((28, 20, 1)))
    assert made.input_shape == (None, 28, 20, 1)
    assert next(layer for layer in made.layers if layer.name == "resize").output.shape == (None, 64, 64, 3)


WEIGHTS = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"
PRETRAINED = WEIGHTS / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


@pytest.mark.skipif(not PRETRAINED.exists(), reason="the weights are not in KERAS_HOME")
def test_pretrained_features_are_the_known_ones() -> None:
    call = "imagenet(backbone='MobileNetV2', alpha=0.35, weights='imagenet', input_size=64)"
    made = built(call, images((32, 32, 3)))
    features = keras.Model(made.inputs, made.get_layer("pool").output)
    row, column = np.mgrid[0:32, 0:32]
    image = np.stack([row * 8, column * 8, 255 - row * 8], axis=-1)[np.newaxis].astype(np.float32)
    found = np.asarray(features(image))[0]
    assert found.argsort()[-5:].tolist() == FEATURES
    wrong = np.asarray(features(image / 255))[0]
    assert wrong.argsort()[-5:].tolist() != FEATURES, "another scale is seen"


FEATURES = [236, 34, 949, 649, 65]


@pytest.mark.usefixtures("step_by_step")
def test_auxiliary_heads_help_to_train_and_are_not_saved(tmp_path: Path) -> None:
    split = images((32, 32, 3))
    made = built("googlenet", split)
    assert set(made.output) == {"logits", "auxiliary_4a", "auxiliary_4d"}
    heads = {layer.name: layer for layer in made.layers if layer.weights}
    before = {name: layer.get_weights() for name, layer in heads.items()}
    workbench.trainer(split, epochs=1).fit(made)
    changed = {n for n, layer in heads.items() if not np.array_equal(layer.get_weights()[0], before[n][0])}
    assert changed == set(heads), "every layer learns, those of the heads too"
    saved = network.load(network.save(network.main_head(made), tmp_path), tmp_path)
    assert saved.output_shape == (None, 10)
    assert saved.count_params() < 0.7 * made.count_params()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "swish"])
def test_every_activation_can_be_asked_for(name: str) -> None:
    made = built(f"mlp(activation='{name}')", images((8, 8, 1)))
    assert name in {layer.get_config().get("activation") for layer in made.layers} | {"swish"}
    wanted = {"swish": "silu"}.get(name, name)
    assert wanted in {layer.get_config().get("activation") for layer in made.layers}


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("zeros", 0.0),
        ("random_normal", 0.05),
        ("random_normal(0.2)", 0.2),
        ("glorot", (2 / (64 + 400)) ** 0.5),
        ("he", (2 / 64) ** 0.5),
        ("lecun", (1 / 64) ** 0.5),
        ("orthogonal", 1 / 400**0.5),
    ],
)
def test_every_initializer_draws_as_it_should(name: str, spread: float) -> None:
    made = built(f"mlp(initializer='{name}', width=400, depth=1)", images((8, 8, 1)))
    kernel = next(layer for layer in made.layers if isinstance(layer, keras.layers.Dense)).kernel
    assert float(np.asarray(kernel).std()) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(
    ("call", "shape", "says"),
    [
        ("vit(patch=5)", (32, 32, 3), "cannot be cut into patches of 5"),
        ("vit(width=100, heads=3)", (32, 32, 3), "width=100 is not a multiple of heads=3"),
        ("densenet(depth=41)", (32, 32, 3), "depth=41 is not 3n + 4"),
        ("imagenet(backbone='Xception', weights=None, input_size=32)", (32, 32, 3), "at least 71 pixels"),
        ("imagenet(backbone='ResNet50', weights=None, alpha=0.5)", (32, 32, 3), "alpha is for the MobileNets"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(call: str, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(Unsupported) as caught:
        built(call, images(shape))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_custom_cnn_halves_the_image_in_three_ways() -> None:
    split = images((16, 16, 3))
    for pooling in ("max", "average", "stride"):
        made = built(f"custom_cnn(width=4, depth=2, pooling='{pooling}')", split)
        last = [layer for layer in made.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
        assert last[0].input.shape == (None, 4, 4, 8)


def test_a_use_is_not_changed_by_building() -> None:
    use = CATALOG.resolve("architectures", "mlp")
    workbench.build("mlp", images((8, 8, 1)))
    assert use == CATALOG.resolve("architectures", "mlp")
