"""Techniques that change the graph, the price of weights or the length of steps; on every backend."""

from pathlib import Path
from typing import Any

import epoch_cases
import keras
import numpy as np
import pytest
import workbench
from conftest import ROOT
from keras import layers, ops
from regularization_cases import PLAIN, build

from bench.blocks.rewiring import Wiring
from bench.errors import Unsupported
from bench.work import data, network

pytestmark = pytest.mark.slow

CATALOG = workbench.CATALOG


@pytest.fixture(scope="module")
def learn() -> data.Learn:
    return workbench.prepare("digits(train_size=100)", validation=0.2).learn


def door(technique: str) -> Any:
    """Return the `model` door of a technique."""
    return CATALOG.load("techniques", technique).model


def answers(model: keras.Model, x: Any, *, training: bool = False) -> Any:
    outputs = model(np.asarray(x, np.float32), training=training)
    return np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)


def of_kind(model: keras.Model, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def kernels(model: keras.Model) -> list[Any]:
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    return [np.asarray(layer.kernel) for layer in model.layers if isinstance(layer, kinds)]


def price(model: keras.Model) -> float:
    return float(sum(np.asarray(loss) for loss in model.losses))


def reloaded(model: keras.Model, folder: Path) -> keras.Model:
    return network.load(network.save(network.main_head(model), folder), folder)


# Prices of weights


@pytest.mark.parametrize("architecture", ["mlp(width=4)", "mobilenet_v2(width=0.25)"])
def test_a_price_is_the_sum_over_all_kernels(architecture: str, learn: data.Learn) -> None:
    absolute = sum(np.abs(kernel).sum() for kernel in kernels(build(architecture, learn)))
    squared = sum(np.square(kernel).sum() for kernel in kernels(build(architecture, learn)))
    assert price(build(architecture, learn)) == 0
    assert price(build(architecture, learn, "l1(amount=0.01)")) == pytest.approx(0.01 * absolute, rel=1e-5)
    assert price(build(architecture, learn, "l2(amount=0.02)")) == pytest.approx(0.02 * squared, rel=1e-5)
    net = build(architecture, learn, "l1(amount=0.01)", "l2(amount=0.02)")
    assert price(net) == pytest.approx(0.01 * absolute + 0.02 * squared, rel=1e-5)


def test_a_price_is_added_to_that_of_the_architecture(learn: data.Learn) -> None:
    model = build("resnet8(width=4)", learn, "l2(amount=0.01)", "l1(amount=0.02)")
    squared = [np.square(kernel).sum() for kernel in kernels(model)]
    absolute = sum(np.abs(kernel).sum() for kernel in kernels(model))
    own = 1e-4 * sum(squared[:-1])  # of the convolutions alone
    assert price(model) == pytest.approx(own + 0.01 * sum(squared) + 0.02 * absolute, rel=1e-5)


def test_attention_has_a_price_and_biases_normalization_and_embeddings_have_none(learn: data.Learn) -> None:
    model = build("vit(width=8, depth=1, heads=2)", learn, "l2")
    priced = {variable.name for variable in model.variables if variable.regularizer}
    assert priced == {"kernel"}
    assert {variable.name for variable in model.trainable_variables} - priced == {"bias", "gamma", "beta", "embeddings"}
    assert len([variable for variable in model.variables if variable.regularizer]) == 4 + 2 + 1 + 1


def test_another_penalty_is_not_lost_in_silence() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, kernel_regularizer=keras.regularizers.OrthogonalRegularizer())(inputs))
    with pytest.raises(Unsupported, match="has a OrthogonalRegularizer already"):
        door("l2")(model, amount=0.1)
    with pytest.raises(Unsupported, match="no kernel"):
        door("l1")(keras.Model(inputs, layers.Rescaling(2.0)(inputs)), amount=0.1)


def test_a_saved_network_knows_nothing_of_prices(learn: data.Learn, tmp_path: Path) -> None:
    plain, priced = build("mlp(width=4)", learn), build("mlp(width=4)", learn, "l1", "l2")
    assert price(priced) > 0
    assert network.digest(priced) == network.digest(plain)
    assert price(reloaded(priced, tmp_path)) == 0


def test_the_reported_losses_hold_the_price_as_keras_reports_them(learn: data.Learn) -> None:
    def reported(*techniques: str, rate: float = 0.0, keras_fits: bool = False) -> dict[str | None, float]:
        model = build("mlp(width=4, depth=1)", learn, *techniques)
        trainer = workbench.trainer(learn, optimizer="sgd", epochs=2, learning_rate=rate, batch_size=32)
        trainer.callbacks += [epoch_cases.SeesBatches()] if keras_fits else []
        return {one.split: one.values[-1] or 0.0 for one in trainer.fit(model).series if one.name == "loss"}

    wanted = 0.05 * sum(np.square(kernel).sum() for kernel in kernels(build("mlp(width=4, depth=1)", learn)))
    plain, priced = reported(), reported("l2(amount=0.05)")
    for split in ("train", "validation"):
        assert priced[split] - plain[split] == pytest.approx(wanted, rel=1e-4), split
    ours, theirs = (reported("l2(amount=0.05)", rate=0.1, keras_fits=by) for by in (False, True))
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert ours["train"] < priced["train"]


# Batch normalization


def test_hidden_dense_layers_are_normalized_before_their_activation(learn: data.Learn) -> None:
    model = build("mlp(width=4, depth=2)", learn, "batch_norm")
    kinds = [type(layer).__name__ for layer in model.layers]
    hidden = ["Dense", "BatchNormalization", "Activation"]
    assert kinds == ["InputLayer", "Rescaling", "Flatten", *hidden, *hidden, "Dense"]
    assert [layer.momentum for layer in of_kind(model, layers.BatchNormalization)] == [0.9, 0.9]
    x = learn.train.x[:50]
    h = x.reshape(50, -1) / 255
    *hidden_layers, last = of_kind(model, layers.Dense)
    for layer, normalization in zip(hidden_layers, of_kind(model, layers.BatchNormalization), strict=True):
        h = h @ np.asarray(layer.kernel) + np.asarray(layer.bias)
        mean, variance = h.mean(axis=0), h.var(axis=0)
        h = np.maximum((h - mean) / np.sqrt(variance + normalization.epsilon), 0)
        normalization.wanted = 0.1 * mean, 0.9 + 0.1 * variance
    wanted = h @ np.asarray(last.kernel) + np.asarray(last.bias)
    assert answers(model, x, training=True) == pytest.approx(wanted, abs=1e-3)
    for normalization in of_kind(model, layers.BatchNormalization):
        mean, variance = normalization.wanted
        assert np.asarray(normalization.moving_mean) == pytest.approx(mean, abs=1e-4)
        assert np.asarray(normalization.moving_variance) == pytest.approx(variance, abs=1e-4)


def fused() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, activation="tanh", name="convolution")(inputs)
    x = layers.Dense(5, activation="relu", name="hidden")(layers.Flatten(name="flat")(x))
    return keras.Model(inputs, layers.Dense(4, name="last")(x), name="fused")


def test_an_activation_that_a_layer_holds_moves_behind_the_normalization() -> None:
    before = fused()
    convolution, hidden, last = (before.get_layer(name) for name in ("convolution", "hidden", "last"))
    model = door("batch_norm")(before, momentum=0.5)
    assert [layer.name for layer in model.layers][1:] == [
        *("convolution", "convolution_batch_norm", "convolution_activation", "flat"),
        *("hidden", "hidden_batch_norm", "hidden_activation", "last"),
    ]
    assert model.get_layer("convolution") is convolution, "the layers are the same, and so are their weights"
    assert convolution.get_config()["activation"] == hidden.get_config()["activation"] == "linear"
    rng = np.random.default_rng(0)
    for name in ("convolution_batch_norm", "hidden_batch_norm"):
        layer = model.get_layer(name)
        layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    x = rng.normal(size=(7, 6, 6, 2)).astype(np.float32)
    y = ops.tanh(model.get_layer("convolution_batch_norm")(convolution(x), training=False))
    y = hidden(ops.reshape(y, (7, -1)))
    y = last(ops.relu(model.get_layer("hidden_batch_norm")(y, training=False)))
    assert answers(model, x) == pytest.approx(np.asarray(y), abs=1e-5)


def test_what_is_normalized_already_is_left_alone(learn: data.Learn) -> None:
    with pytest.raises(Unsupported, match="custom_cnn has no hidden layer that is not normalized already"):
        build("custom_cnn(width=4, depth=1)", learn, "batch_norm")
    for architecture in ("perceptron", "resnet(width=4)", "densenet(depth=10)"):
        with pytest.raises(Unsupported, match="no hidden layer"):
            build(architecture, learn, "batch_norm")
    names = {layer.name for layer in build("resnet8(width=4)", learn).layers}
    model = build("resnet8(width=4)", learn, "batch_norm")
    new = [layer.name for layer in model.layers if layer.name not in names]
    assert new == ["conv2d_5_batch_norm", "conv2d_8_batch_norm"], "the shortcuts alone have none"
    bare = build("custom_cnn(width=4, depth=1, batch_norm=False)", learn, "batch_norm")
    assert [type(layer).__name__ for layer in bare.layers][2:8] == ["Conv2D", "BatchNormalization", "Activation"] * 2


def test_a_gate_is_no_hidden_layer() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, name="hidden")(inputs))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(2, 1, activation="relu", name="squeeze")(gate)
    gate = layers.Conv2D(4, 1, activation="sigmoid", name="excite")(gate)
    x = layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate]))
    wiring = Wiring(keras.Model(inputs, layers.Dense(10)(x)))
    assert [wiring.calls[i].layer.name for i in wiring.hidden()] == ["hidden"]


# Dropout inside


def test_dropout_inside_changes_training_alone(learn: data.Learn) -> None:
    architecture = "custom_cnn(width=4, depth=1, batch_norm=False)"
    plain, model = build(architecture, learn), build(architecture, learn, "dropout(rate=0.0, inside=0.3)")
    x = learn.train.x[:20]
    assert [layer.name for layer in of_kind(model, layers.Dropout)] == ["activation_dropout", "activation_1_dropout"]
    for mine, theirs in zip(plain.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    assert np.array_equal(answers(model, x), answers(plain, x))
    once, again = (answers(model, x, training=True) for _ in range(2))
    assert np.abs(once - again).max() > 1e-3
    assert np.array_equal(answers(plain, x, training=True), answers(plain, x))


def test_dropout_inside_leaves_out_its_share_of_each_activation(learn: data.Learn) -> None:
    model = build("custom_cnn(width=4, depth=1, batch_norm=False, activation='sigmoid')", learn, "dropout(inside=0.3)")
    *inside, last = of_kind(model, layers.Dropout)
    assert (last.name, last.rate) == ("dropout_before_logits", 0.25)
    assert [layer.rate for layer in inside] == [0.3, 0.3]
    seen = keras.Model(model.inputs, [layer.output for layer in inside])(
        learn.train.x[:50].astype(np.float32), training=True
    )
    for values in seen:
        assert np.mean(np.asarray(values) == 0) == pytest.approx(0.3, abs=0.02)


def test_dropout_without_inside_is_what_it_always_was(learn: data.Learn) -> None:
    """So that networks of before are found again, bit for bit: a layer before the logits, the inputs as a list."""
    for rate in (0.25, 0.0):
        model = build("mlp(width=4)", learn)
        last = model.layers[-1]
        x = last(layers.Dropout(rate, name="dropout_before_logits")(last.input))
        before = network.digest(keras.Model(model.inputs, x, name="mlp"))
        assert network.digest(build("mlp(width=4)", learn, f"dropout(rate={rate})")) == before


def test_a_network_without_hidden_activations_has_no_inside(learn: data.Learn) -> None:
    with pytest.raises(Unsupported, match="perceptron has no hidden layer with an activation"):
        build("perceptron", learn, "dropout(inside=0.1)")


# Stochastic depth


def one_block(*, shortcut_first: bool = True) -> keras.Model:
    inputs = keras.Input((4, 4, 2))
    branch = layers.Conv2D(2, 3, padding="same", name="branch")(inputs)
    x = layers.Add(name="sum")([inputs, branch] if shortcut_first else [branch, inputs])
    return keras.Model(inputs, layers.Dense(10, name="last")(layers.GlobalAveragePooling2D()(x)), name="one_block")


@pytest.mark.parametrize("shortcut_first", [True, False])
def test_an_example_skips_a_branch_wholly_or_not_at_all(shortcut_first: bool) -> None:
    keras.utils.set_random_seed(0)
    plain = one_block(shortcut_first=shortcut_first)
    model = door("stochastic_depth")(plain, rate=0.4)
    (skipping,) = of_kind(model, layers.Dropout)
    assert (skipping.name, skipping.noise_shape) == ("sum_skipped", (None, 1, 1, 1))
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    branch = np.asarray(plain.get_layer("branch")(x))
    last = plain.get_layer("last")
    without, with_it = (np.asarray(last((x + part).mean(axis=(1, 2))))[0] for part in (0, branch / 0.6))
    drawn = answers(model, np.repeat(x, 4000, axis=0), training=True)
    skips = np.abs(drawn - without).max(axis=1) < 1e-4
    assert np.abs(drawn[~skips] - with_it).max() < 1e-4, "there is nothing in between"
    assert skips.mean() == pytest.approx(0.4, abs=0.03)
    close = 0.05 * float(np.abs(with_it - without).max())
    assert drawn.mean(axis=0) == pytest.approx(answers(model, x)[0], abs=close)
    assert np.array_equal(answers(model, x), answers(plain, x))


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [("resnet8(width=4)", 3), ("resnet(width=4)", 9), ("vit(width=8, depth=2, heads=2)", 4), ("cct(width=8)", 4)],
)
def test_deeper_branches_are_skipped_more_often(architecture: str, blocks: int, learn: data.Learn) -> None:
    """The positions of a transformer's tokens are added likewise, and are no branch."""
    model = build(architecture, learn, "stochastic_depth(rate=0.6)")
    skipping = [layer for layer in of_kind(model, layers.Dropout) if layer.name.endswith("_skipped")]
    assert [layer.rate for layer in skipping] == pytest.approx([0.6 * (i + 1) / blocks for i in range(blocks)])
    rank = 3 if "heads" in architecture or "cct" in architecture else 4
    assert {layer.noise_shape for layer in skipping} == {(None, *[1] * (rank - 1))}
    assert len(of_kind(model, layers.Add)) >= blocks


def test_branches_that_are_left_out_already_get_the_rates() -> None:
    inputs = keras.Input((4, 4, 2))
    x = inputs
    for _ in range(2):
        y = layers.Conv2D(2, 3, padding="same")(x)
        x = x + layers.Dropout(0.9, noise_shape=(None, 1, 1, 1))(y)
    model = door("stochastic_depth")(keras.Model(inputs, x), rate=0.4)
    assert [layer.rate for layer in of_kind(model, layers.Dropout)] == [0.2, 0.4]


def test_a_network_without_branches_has_none_to_skip(learn: data.Learn) -> None:
    for architecture in ("mlp", "densenet(depth=10)"):
        with pytest.raises(Unsupported, match="no residual branches"):
            build(architecture, learn, "stochastic_depth")


# All that is put into a graph


@pytest.mark.parametrize(
    ("architecture", "techniques"),
    [
        ("mlp(width=4)", ("batch_norm", "dropout(inside=0.1)", "dropout", "l2")),
        ("resnet8(width=4)", ("batch_norm", "stochastic_depth", "dropout(inside=0.1)")),
        ("googlenet", ("batch_norm", "dropout(inside=0.1)")),
        ("vit(width=8, depth=1, heads=2)", ("stochastic_depth", "dropout(inside=0.1)", "batch_norm")),
    ],
)
def test_changes_add_up_and_the_result_is_saved_and_loaded(
    architecture: str, techniques: tuple[str, ...], learn: data.Learn, tmp_path: Path
) -> None:
    model = build(architecture, learn, *techniques)
    names = [operation.name for operation in model.operations]
    assert names == [operation.name for operation in build(architecture, learn, *techniques).operations]
    assert any(name.endswith("_batch_norm") for name in names)
    assert "dropout_before_logits" in names
    assert ("dropout_before_logits_1" in names) == ("dropout" in techniques)
    assert any(name.endswith("_skipped") for name in names) == ("stochastic_depth" in techniques)
    assert isinstance(model.output, dict) == (architecture == "googlenet")
    found, x = reloaded(model, tmp_path), learn.train.x[:5]
    assert answers(found, x) == pytest.approx(answers(model, x), abs=1e-5)
    modules = {layer["module"] for layer in found.get_config()["layers"]}
    assert all(module.split(".")[0] == "keras" for module in modules if module), "it loads without this package"
    assert not of_kind(found, keras.Model)


# Clipped gradients


def step(gradients: list[Any], by: str, limit: float) -> list[Any]:
    variables = [keras.Variable(np.zeros_like(one)) for one in gradients]
    clip = CATALOG.load("techniques", "gradient_clipping").optimizer
    clip(keras.optimizers.SGD(1.0), by=by, limit=limit).apply([ops.convert_to_tensor(g) for g in gradients], variables)
    return [-np.asarray(variable) for variable in variables]


def test_a_long_gradient_is_shortened_and_keeps_its_direction() -> None:
    gradients = [np.array([3.0, 0.0], np.float32), np.array([[-4.0]], np.float32)]
    first, second = step(gradients, "norm", 0.5)
    assert first == pytest.approx([0.3, 0.0])
    assert second == pytest.approx(np.array([[-0.4]]))
    assert step(gradients, "norm", 6.0)[0] == pytest.approx([3.0, 0.0])
    first, second = step(gradients, "value", 3.5)
    assert first == pytest.approx([3.0, 0.0])
    assert second == pytest.approx(np.array([[-3.5]]))


def test_a_limit_that_keras_would_not_heed_is_refused() -> None:
    clip = CATALOG.load("techniques", "gradient_clipping").optimizer
    with pytest.raises(Unsupported, match="positive limits"):
        clip(keras.optimizers.SGD(), limit=0.0)
    with pytest.raises(Unsupported, match="heeds one limit"):
        clip(clip(keras.optimizers.SGD(), by="value"), by="norm")


def test_a_training_takes_no_longer_steps(learn: data.Learn) -> None:
    def length(*techniques: str) -> float:
        model = build("mlp(width=4, depth=1)", learn)
        before = model.get_weights()
        workbench.trainer(learn, techniques, **PLAIN, learning_rate=1.0, batch_size=1000).fit(model)
        moved = [a - b for a, b in zip(model.get_weights(), before, strict=True)]
        return float(np.sqrt(sum(np.square(one).sum() for one in moved)))

    assert length() > 0.1
    assert length("gradient_clipping(limit=0.01)") == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_all_of_them_train_on_every_backend(backend: str) -> None:
    told = workbench.told_on(backend, ROOT / "tests" / "regularization_cases.py")
    assert told["backend"] == backend
    for case, (moved, *values) in told["losses"].items():
        assert moved > 1e-5, case
        assert len(values) == 8, case
        assert np.isfinite(values).all(), case
    assert max(told["shrunk"]) < 1e-6, "the price alone makes kernels a tenth smaller, and leaves biases alone"
    found, wanted = told["price"]
    assert found == pytest.approx(wanted, rel=1e-4)
