"""Training with rounding in it: all that weighs is rounded while it learns, and in the file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from keras import layers
from test_after import after, job

from bench.blocks.fusing import fused
from bench.errors import Unsupported
from bench.schedules import cosine
from bench.work import data, stored
from bench.work.training import Trained

pytestmark = pytest.mark.slow

CNN = "custom_cnn(width=8, depth=2)"


@pytest.fixture(scope="module")
def split() -> data.Split:
    return workbench.prepare("digits(train_size=200)", validation=0.1)


def of_many_kinds() -> keras.Model:
    """Return a network of random weights in which layers follow on others in many ways."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Activation("relu")(layers.Conv2D(4, 3, name="alone")(inputs))
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", name="normalized")(x)))
    x = layers.Activation("relu", name="of_a_sum")(layers.Add()([x, y]))
    x = layers.Flatten()(layers.ReLU(max_value=6.0)(layers.DepthwiseConv2D(3, name="capped")(x)))
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(16, use_bias=False, name="both")(x)))
    x = layers.Activation("tanh")(layers.BatchNormalization(scale=False, center=False)(layers.Dense(12, name="one")(x)))
    twice = layers.Dense(12, name="twice")
    x = layers.ReLU()(twice(layers.ReLU()(twice(x))))
    shared = layers.Dense(12, name="shared")(x)
    x = layers.Concatenate()([layers.ReLU()(shared), shared])
    network = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    random = np.random.default_rng(0)
    weights = [
        random.uniform(-1, 1, one.shape) if one.ndim > 1 else random.uniform(0.2, 1, one.shape)
        for one in network.get_weights()
    ]
    network.set_weights(weights)
    return network


def test_layers_that_become_part_of_others_leave_the_answers_alone() -> None:
    whole = of_many_kinds()
    small = fused(whole)
    x = np.random.default_rng(1).normal(size=(50, 8, 8, 1))
    assert np.abs(whole(x) - small(x)).max() < 1e-5
    assert len(np.unique(np.asarray(whole(x)).argmax(axis=1))) > 2, "it says something"
    ends = {layer.name: layer.activation.__name__ for layer in small.layers if hasattr(layer, "activation")}
    assert {name for name, end in ends.items() if end == "relu"} == {"alone", "both", "of_a_sum"}
    assert {"one", "twice", "shared", "capped", "normalized"} <= {name for name, end in ends.items() if end == "linear"}
    kinds = [type(layer).__name__ for layer in small.layers]
    assert kinds.count("BatchNormalization") == 1, "that of the convolution, which tensorflow-model-optimization knows"
    assert np.array_equal(whole(x), of_many_kinds()(x)), "the network that was handed over is what it was"


def test_a_normalization_of_another_axis_stays() -> None:
    inputs = keras.Input((4, 4))
    network = keras.Model(inputs, layers.BatchNormalization(axis=1)(layers.Dense(4)(inputs)))
    assert [type(layer).__name__ for layer in fused(network).layers].count("BatchNormalization") == 1


def test_what_has_no_twin_is_refused_in_words(split: data.Split, tmp_path: Path) -> None:
    inputs, twice = keras.Input((8, 8, 1)), layers.Dense(64, name="twice")
    shared = keras.Model(inputs, layers.Dense(10)(twice(twice(layers.Flatten()(inputs)))))
    with pytest.raises(Unsupported, match="calls twice more than once, which its twin cannot"):
        after("cluster", job(split, tmp_path, shared))
    single = keras.Model(inputs, layers.Dense(1)(layers.Flatten()(inputs)))
    single.save(tmp_path / "single.keras")
    task = replace(job(split, tmp_path, CNN), parents=(Trained(tmp_path / "single.keras", "logits", split.facts),))
    with pytest.raises(Unsupported, match="has 1 output; one for each class is needed"):
        after("quantize", task, scheme="qat")


def test_a_network_of_mixed_precision_is_rounded_as_one_of_float32(split: data.Split, tmp_path: Path) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        task = job(split, tmp_path, CNN)
        before = np.asarray(task.parent.network(split.test.x[:50].astype("float32")))
        graph = stored.read(after("quantize", task, scheme="qat", epochs=1).network)
        assert np.isfinite(before).all()
        assert graph is not None
        assert {kernel.values.dtype for kernel in graph.kernels.values()} == {np.dtype(np.int8)}
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    "call", ["mlp(width=32)", "mlp(width=32, batch_norm=True)", "custom_cnn(width=8, depth=2, batch_norm=False)"]
)
def test_every_kernel_is_rounded_while_it_learns_and_in_the_file(
    call: str, split: data.Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.blocks import tfmot

    seen: list[Any] = []
    real = tfmot._trained
    monkeypatch.setattr(tfmot, "_trained", lambda job, network, *how: seen.append(network) or real(job, network, *how))
    product = after("quantize", job(split, tmp_path, call), scheme="qat", epochs=1)
    wrapped = [layer for layer in seen[0].layers if hasattr(getattr(layer, "layer", None), "kernel")]
    assert len(wrapped) >= 3
    assert all(layer._weight_vars for layer in wrapped), "each has a kernel that is rounded as it trains"
    graph = stored.read(product.network)
    assert graph is not None
    assert {kernel.values.dtype for kernel in graph.kernels.values()} == {np.dtype(np.int8)}


def test_the_rate_of_training_by_tfmot_is_the_schedules(split: data.Split, tmp_path: Path) -> None:
    from bench.blocks.tfmot import _Rate

    task = job(split, tmp_path, CNN)
    task.trainer.factor = cosine.factor
    rate = _Rate(task, 0.01, 10)
    assert float(rate(0)) == pytest.approx(0.01)
    assert float(rate(5)) == pytest.approx(0.005)
    assert float(rate(10)) == pytest.approx(0.0, abs=1e-9)


def test_bare_operations_stay_where_rounding_is_trained_with(split: data.Split, tmp_path: Path) -> None:
    """As the padding in a ResNet's shortcuts, which tf_keras has no layer for."""
    inputs = keras.Input((8, 8, 1))

    def convolution(x: Any, maps: int, stride: int) -> Any:
        x = keras.layers.Conv2D(maps, 3, strides=stride, padding="same", use_bias=False)(x)
        return keras.layers.BatchNormalization()(x)

    x = keras.layers.ReLU()(convolution(keras.layers.Rescaling(1 / 16)(inputs), 4, 1))
    for maps in (8, 16):
        short = keras.ops.pad(keras.layers.MaxPooling2D(1, 2)(x), (*[(0, 0)] * 3, (maps // 4, maps // 4)))
        x = keras.layers.ReLU()(keras.layers.Add()([short, convolution(x, maps, 2)]))
    x = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    task = job(split, tmp_path, keras.Model(inputs, x))
    assert "Pad" in {type(operation).__name__ for operation in task.parent.network.operations}
    product = after("quantize", task, scheme="qat", epochs=1)
    graph = stored.read(product.network)
    assert graph is not None
    kinds = [operation.kind for operation in graph.operations]
    assert kinds.count("PAD") == 2
    assert kinds.count("QUANTIZE") == kinds.count("DEQUANTIZE") == 1, "all between the first and the last are integers"
