"""Transfer and what it stands on: a network's blocks, frozen parts, features computed once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import workbench

from bench.catalog import Catalog
from bench.errors import DataError, Unsupported
from bench.work import data, network, training

pytestmark = pytest.mark.slow

CATALOG = Catalog()
CNN = "custom_cnn(width=4, depth=2)"


@pytest.fixture(scope="module")
def learn() -> data.Learn:
    return workbench.prepare("digits(train_size=120)", validation=0.2).learn


@pytest.fixture
def lender(learn: data.Learn, tmp_path: Path) -> training.Trained:
    artifact = network.save(workbench.build(CNN, learn), tmp_path)
    return training.Trained(tmp_path / artifact.file, "logits", learn.facts)


def module() -> Any:
    return CATALOG.load("techniques", "transfer")


def transferred(learn: data.Learn, lender: training.Trained, mode: str, epochs: int = 2, **more: Any) -> Any:
    """Return a network before and after a transfer: its weights by layer, and the network."""
    training.begin(workbench.factory.settings(), 0)
    model = module().model(workbench.build(CNN, learn), source=lender)
    before = {layer.name: [np.array(w) for w in layer.get_weights()] for layer in model.layers}
    module().fit(workbench.trainer(learn, epochs=epochs, batch_size=32, learning_rate=0.01), model, mode=mode, **more)
    return before, model


def moved(before: dict[str, Any], model: Any) -> list[str]:
    """Return the layers whose trainable or other weights changed, in order."""
    return [
        layer.name
        for layer in model.layers
        if any(not np.array_equal(a, b) for a, b in zip(before[layer.name], layer.get_weights(), strict=True))
    ]


@pytest.mark.parametrize(
    ("call", "sizes"),
    [
        ("mlp(width=4, depth=2)", [1, 1, 1]),
        (CNN, [2, 2, 2, 2, 1]),  # a convolution with its normalization; the answer
        (
            "resnet8",
            [2, 4, 5, 5, 1],
        ),  # the first convolution; residual blocks, two of them with a shortcut of their own
    ],
)
def test_a_network_falls_apart_into_blocks(learn: data.Learn, call: str, sizes: list[int]) -> None:
    from bench.blocks import anatomy

    model = workbench.build(call, learn)
    found = anatomy.blocks(model)
    assert [len(block) for block in found] == sizes
    learning = [layer for layer in model.layers if layer.weights]
    assert sorted(layer.name for block in found for layer in block) == sorted(layer.name for layer in learning)


def test_all_layers_but_the_last_are_lent(learn: data.Learn, lender: training.Trained) -> None:
    model = module().model(workbench.build(CNN, learn), source=lender)
    given, lent = lender.network.get_weights(), model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(lent[:-2], given[:-2], strict=True))
    assert not np.array_equal(lent[-2], given[-2]), "the last layer starts anew"
    with pytest.raises(Unsupported, match="has no layer in common"):
        module().model(workbench.build("custom_cnn(width=3, depth=1, batch_norm=False)", learn), source=lender)


def test_only_what_is_awake_learns_and_the_rest_stays_bit_by_bit(learn: data.Learn, lender: training.Trained) -> None:
    from bench.blocks import anatomy

    names = [[layer.name for layer in block] for block in anatomy.blocks(workbench.build(CNN, learn))]
    before, model = transferred(learn, lender, "features", cached=False)
    names = [[layer.name for layer in block] for block in anatomy.blocks(model)]
    assert moved(before, model) == names[-1]
    before, model = transferred(learn, lender, "selective", blocks=1)
    names = [[layer.name for layer in block] for block in anatomy.blocks(model)]
    assert moved(before, model) == [names[-2][0], names[-1][0]], "a lent normalization keeps its statistics"
    before, model = transferred(learn, lender, "full")
    assert moved(before, model) == [layer.name for layer in model.layers if layer.weights]
    assert all(layer.trainable for layer in model.layers), "the network is left as any other"


def test_stages_wake_ever_more_blocks_at_rates_of_their_own(learn: data.Learn, lender: training.Trained) -> None:
    model = module().model(workbench.build(CNN, learn), source=lender)
    trainer = workbench.trainer(learn, epochs=3, learning_rate=0.01)
    seen: list[tuple[int, float]] = []
    real = training.Trainer.fit

    def fit(self: training.Trainer, network: Any, **more: Any) -> training.Product:
        kernels = [layer for layer in network.layers if layer.trainable and hasattr(layer, "kernel")]
        seen.append((len(kernels), self.settings.learning_rate))
        return real(self, network, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Trainer, "fit", fit)
        product = module().fit(trainer, model, mode="progressive", stages=3, rates=[1.0, 0.5, 0.1])
    assert [one.points for one in product.series] == [[1.0, 2.0, 3.0]] * 4, "curves go on where they were"
    assert seen == [(1, 0.01), (3, 0.005), (5, 0.001)]


def test_the_learning_rate_falls_towards_the_input(learn: data.Learn) -> None:
    """With plain gradient descent of one step, each weight moves by its rate times the same gradient."""
    steps = []
    for mode in ("full", "discriminative"):
        training.begin(workbench.factory.settings(), 0)
        model = workbench.build("mlp(width=4, depth=2)", learn)
        before = [np.array(weight) for weight in model.trainable_weights]
        how = {"optimizer": "gradient_descent", "learning_rate": 0.1, "epochs": 1}
        module().fit(workbench.trainer(learn, **how), model, mode=mode, decay=0.5)
        steps.append([np.array(now) - was for now, was in zip(model.trainable_weights, before, strict=True)])
    for full, slower, distance in zip(*steps, [2, 2, 1, 1, 0, 0], strict=True):
        assert slower == pytest.approx(full * 0.5**distance, rel=1e-3, abs=1e-7)


def test_features_computed_once_teach_the_same(learn: data.Learn, lender: training.Trained, tmp_path: Path) -> None:
    _, alone = transferred(learn, lender, "features", epochs=3, cached=False)
    _, once = transferred(learn, lender, "features", epochs=3)
    for a, b in zip(alone.get_weights(), once.get_weights(), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_features_are_kept_by_digest(learn: data.Learn, lender: training.Trained, tmp_path: Path) -> None:
    from bench.blocks import features

    def train(folder: Path) -> list[float]:
        training.begin(workbench.factory.settings(), 0)
        import keras

        keras.utils.clear_session()
        model = module().model(workbench.build(CNN, learn), source=lender)
        trainer = workbench.trainer(learn, epochs=2, learning_rate=0.01)
        trainer.features = folder
        product = features.on_features(trainer, model, views=0)
        return [value or 0.0 for value in product.series[0].values]

    computed = train(tmp_path)
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2, "of the training and the validation part"
    assert train(tmp_path) == computed
    assert sorted(tmp_path.glob("*.npz")) == files, "the same digest"
    for file in files:
        with np.load(file) as known:
            np.savez(file, features=np.zeros_like(known["features"]), seconds=7.0)
    assert train(tmp_path) != computed, "they are read"


def test_views_are_augmented_and_of_one_example_each(learn: data.Learn, lender: training.Trained) -> None:
    from bench.blocks import anatomy, features

    model = workbench.build(CNN, learn)
    trainer = workbench.trainer(learn, ("augment(shift=1)",), epochs=1)
    import keras

    frozen = keras.Model(model.inputs, anatomy.head(model)[0])
    views = features._views(trainer, frozen, 3)
    assert views.shape == (len(learn.train), 3, 8)
    assert not np.allclose(views[:, 0], views[:, 1])
    plain = frozen.predict(learn.train.x.astype(np.float32), verbose=0)
    assert not np.allclose(views[:, 0], plain)
    still = features._views(workbench.trainer(learn, ("augment(shift=0, flip=False)",), epochs=1), frozen, 2)
    assert still[:, 1] == pytest.approx(plain, abs=1e-4)
    with pytest.raises(Unsupported, match="an augmentation mixes several; write views=0"):
        features._views(workbench.trainer(learn, ("mixup",), epochs=1), frozen, 2)


def test_the_answer_and_not_an_auxiliary_head_is_trained(learn: data.Learn, lender: training.Trained) -> None:
    import keras

    from bench.blocks import anatomy

    training.begin(workbench.factory.settings(), 0)
    model = module().model(workbench.build(CNN, learn), source=lender)
    early = keras.layers.Dense(10, name="early")(keras.layers.Flatten()(model.layers[3].output))
    heads = keras.Model(model.inputs, {"logits": model.output, "early": early})
    assert anatomy.blocks(heads)[-1] == [model.layers[-1], heads.get_layer("early")]
    before = np.array(model.layers[-1].kernel)
    module().fit(workbench.trainer(learn, epochs=1, learning_rate=0.01), heads, mode="features")
    assert not np.array_equal(before, np.array(model.layers[-1].kernel))


def test_nothing_to_start_from_is_refused_by_the_plan(tmp_path: Path) -> None:
    from bench.planning import plan, suite

    def reason(architecture: str, call: str) -> str:
        text = (
            f'title: T\ndatasets: [digits]\narchitectures: ["{architecture}"]\nrecipes: {{r: ["{call}"]}}\nseeds: [0]\n'
        )
        (tmp_path / "s.yaml").write_text(text)
        read = suite.read(tmp_path / "s.yaml", CATALOG)
        (run,) = plan.make(read, CATALOG, tmp_path / "results", tmp_path / "artifacts").runs
        return run.reason if run.status == "unsupported" else ""

    assert reason("mlp", "transfer").startswith("transfer has nothing to start from: name a source=")
    assert not reason("mlp", "transfer(source='mlp(width=4)')")
    assert not reason("imagenet(backbone='MobileNetV2')", "transfer")
    assert reason("imagenet(backbone='MobileNetV2', weights=None)", "transfer")


def test_weights_may_come_from_a_file(learn: data.Learn, tmp_path: Path) -> None:
    source = workbench.build(CNN, learn)
    source.save(tmp_path / "mine.keras")
    model = module().model(workbench.build(CNN, learn), weights=str(tmp_path / "mine.keras"))
    given, lent = source.get_weights(), model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(given[:-2], lent[:-2], strict=True))
    assert not np.array_equal(given[-2], lent[-2]), "the last layer starts anew"
    (tmp_path / "broken.keras").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"broken\.keras: no network that Keras can read"):
        module().model(workbench.build(CNN, learn), weights=str(tmp_path / "broken.keras"))


def test_a_file_of_weights_is_part_of_the_plan(tmp_path: Path) -> None:
    from bench.planning import plan, suite

    file = tmp_path / "mine.keras"
    file.write_bytes(b"one")
    recipes = f"{{r: [\"transfer(weights='{file}')\"]}}"
    text = f"title: T\ndatasets: [digits]\narchitectures: [mlp]\nrecipes: {recipes}\nseeds: [0]\n"
    (tmp_path / "s.yaml").write_text(text)

    def code() -> dict[str, str]:
        read = suite.read(tmp_path / "s.yaml", CATALOG)
        made = plan.make(read, CATALOG, tmp_path / "results", tmp_path / "artifacts")
        return next(iter(made.steps.values())).node.code

    first = code()
    assert f"file:{file}" in first
    file.write_bytes(b"another")
    assert code() != first
