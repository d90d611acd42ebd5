"""What is made of a trained network, and what that costs: shared trainings, means of weights, temperatures, views."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from scipy.special import log_softmax, softmax

from bench.catalog import Catalog
from bench.work import data, network, training

pytestmark = pytest.mark.slow

CATALOG = Catalog()
CNN = "custom_cnn(width=4, depth=1)"


@pytest.fixture(scope="module")
def split() -> data.Split:
    return workbench.prepare("digits(train_size=200)", validation=0.3)


def job(
    split: data.Split, folder: Path, call: str | keras.Model = CNN, techniques: tuple[str, ...] = ()
) -> training.Job:
    """Return what an `after` door works with: a network, by its call or as it is, trained for three epochs."""
    training.begin(workbench.factory.settings(), 0)
    learn = split.learn
    trainer = workbench.trainer(learn, techniques, epochs=3, learning_rate=0.02, batch_size=32)
    model = workbench.build(call, learn) if isinstance(call, str) else call
    artifact = network.save(trainer.fit(model).network, folder)
    parent = training.Trained(folder / artifact.file, "logits", learn.facts)
    return training.Job((parent,), learn, trainer.settings, 0, folder, trainer)


def after(technique: str, task: training.Job, **given: Any) -> training.Product:
    product: training.Product = CATALOG.load("techniques", technique).after(task, **given)
    return product


def test_the_mean_of_the_last_epochs_is_kept_with_statistics_of_its_own(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path)
    seen: list[list[np.ndarray]] = []
    real = training.Trainer.fit

    def fit(self: training.Trainer, model: Any, **more: Any) -> training.Product:
        see = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(model.get_weights()))
        self.callbacks.append(see)
        return real(self, model, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.Trainer, "fit", fit)
        product = after("swa", task, epochs=3, learning_rate=0.05)
    assert len(seen) == 3
    names = [weight.path.split("/")[-1] for weight in product.network.weights]
    for name, found, *steps in zip(names, product.network.get_weights(), *seen, strict=True):
        mean = np.mean(steps, axis=0)
        if not name.startswith("moving"):
            assert found == pytest.approx(mean, abs=1e-6)
            assert not np.allclose(steps[0], steps[-1])
        else:
            assert found != pytest.approx(mean, rel=1e-3)
    (layer,) = [one for one in product.network.layers if isinstance(one, keras.layers.BatchNormalization)][:1]
    inside = keras.Model(product.network.inputs, layer.input)
    values = inside.predict(split.train.x.astype(np.float32), verbose=0)
    assert np.asarray(layer.moving_mean) == pytest.approx(values.mean(axis=(0, 1, 2)), abs=0.05)
    assert layer.momentum == 0.9


def test_a_temperature_changes_no_answer_and_makes_the_loss_least(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path)
    product = after("temperature_scaling", task)
    temperature = product.figures["temperature"][0]
    x, y = split.validation.x.astype(np.float32), split.validation.y
    before, scaled = (np.asarray(one(x)) for one in (task.parent.network, product.network))
    assert scaled == pytest.approx(before / temperature, rel=1e-4, abs=1e-5)

    def loss(logits: np.ndarray) -> float:
        return float(-log_softmax(logits, axis=1)[np.arange(len(y)), y].mean())

    assert loss(scaled) < loss(before)
    assert loss(scaled) <= min(loss(before / (temperature * factor)) for factor in (0.9, 1.1))


@pytest.mark.parametrize(("how", "views"), [({}, 2), ({"flip": False, "shift": 1}, 5), ({"shift": 2}, 10)])
def test_all_views_answer_together(split: data.Split, tmp_path: Path, how: dict[str, Any], views: int) -> None:
    task = job(split, tmp_path)
    product = after("test_time_augmentation", task, **how)
    x = split.test.x[:20].astype(np.float32)
    by = how.get("shift", 0)
    padded = np.pad(x, ((0, 0), (by, by), (by, by), (0, 0)))
    seen = []
    for mirrored in (padded, padded[:, :, ::-1]) if how.get("flip", True) else (padded,):
        places = {(by, by), (0, by), (2 * by, by), (by, 0), (by, 2 * by)}
        seen += [mirrored[:, top : top + 8, left : left + 8] for top, left in places]
    assert len(seen) == views
    wanted = np.mean([softmax(np.asarray(task.parent.network(view)), axis=1) for view in seen], axis=0)
    assert softmax(np.asarray(product.network(x)), axis=1) == pytest.approx(wanted, abs=1e-5)
    network.save(product.network, tmp_path)


def test_recipes_that_differ_in_what_comes_after_share_their_training(tmp_path: Path) -> None:
    """One architecture, six recipes of which four differ by what is made of the trained network: three trainings."""
    text = workbench.written(
        "[]",
        "[label_smoothing]",
        "[dropout]",
        "[dropout, temperature_scaling]",
        '[dropout, "swa(epochs=1)"]',
        '[dropout, "swa(epochs=1)", temperature_scaling]',
    )
    found = workbench.run(tmp_path, text)
    assert [record.status for record in found] == ["finished"] * 6
    assert [record.node for record in found].count("train") == 3
    assert [record.node for record in found].count("derive") == 3


def test_two_techniques_that_need_the_same_network_train_it_once(tmp_path: Path) -> None:
    other = "mlp(width=4, depth=2)"
    both = f"[\"transfer(source='{other}', mode='full')\", \"distill(teacher='{other}')\"]"
    found = workbench.run(tmp_path, workbench.written(both, f"[\"distill(teacher='{other}', weight=0.5)\"]"))
    assert [(record.cell.architecture.parameters["depth"], record.status) for record in found] == [
        (2, "finished"),
        (1, "finished"),
        (1, "finished"),
    ]


def test_a_teachers_weights_do_not_move_and_hints_count(tmp_path: Path, split: data.Split) -> None:
    learn = split.learn
    saved = network.save(workbench.build("mlp(width=6, depth=1)", learn), tmp_path)
    wise = training.Trained(tmp_path / saved.file, "logits", learn.facts)
    before = [np.array(weight) for weight in wise.network.get_weights()]
    module = CATALOG.load("techniques", "distill")
    trainer = workbench.trainer(learn, epochs=2, learning_rate=0.01)
    model = module.model(workbench.build("mlp(width=4, depth=1)", learn), teacher=[wise, wise], hint=2.0)
    assert model.output["hint"].shape == (None, 12)
    trainer.loss = module.loss(trainer.loss, trainer, teacher=[wise, wise], weight=0.5, hint=2.0)
    weight, missed = trainer.head_losses["hint"]
    x = learn.train.x[:8].astype(np.float32)
    seen = keras.Model(wise.network.inputs, wise.network.layers[-1].input)(x)
    guess = np.zeros((8, 12), np.float32)
    assert weight == 2.0
    assert np.asarray(missed(x, None, guess)) == pytest.approx(np.tile(np.square(seen), 2).mean(axis=1), rel=1e-4)
    product = trainer.fit(model)
    assert all(np.array_equal(a, b) for a, b in zip(before, wise.network.get_weights(), strict=True))
    assert len(network.main_head(product.network).get_weights()) == 4, "the hint's layer is not kept"


def test_every_record_says_how_far_training_and_test_accuracy_lie_apart(tmp_path: Path) -> None:
    text = workbench.written(
        "[]",
        "[quantize]",
        dataset="digits(train_size=60)",
        architecture="mlp(width=32, depth=1)",
        training="epochs: 30, learning_rate: 0.01",
    )
    found = workbench.run(tmp_path, text)
    assert [record.node for record in found] == ["train", "derive"]
    for record in found:
        seen, unseen = (record.value("accuracy", split=part) or 0 for part in ("train", "test"))
        assert seen > unseen, "sixty digits are learned by heart"
        assert record.value("generalization_gap") == pytest.approx(seen - unseen)
        assert record.value("accuracy") == unseen, "the first one is that of the test part"
    assert found[0].data is not None
    first = next(m for m in found[0].measurements if m.split == "train")
    assert first.n == found[0].data.n_train


def test_the_gap_of_a_regression_is_one_of_errors() -> None:
    from bench.work import evaluation

    facts = data.Facts(source="made here", task="regression")
    train = data.Part(np.zeros((2, 1), np.float32), np.array([1.0, 3.0], np.float32))
    test = evaluation.evaluate(
        np.array([[0.0], [0.0]], np.float32),
        data.Split(facts, train, train, data.Part(train.x, np.array([3.0, 3.0], np.float32))),
    ).measurements
    seen, gap = evaluation.overfitting(np.array([[2.0], [2.0]], np.float32), train, facts, test)
    assert (seen.name, seen.split, seen.value) == ("rmse", "train", 1.0)
    assert gap.value == pytest.approx(3.0 - 1.0)
    better, gap = evaluation.overfitting(np.array([[9.0], [9.0]], np.float32), train, facts, test)
    assert gap.value == pytest.approx(3.0 - better.value)
