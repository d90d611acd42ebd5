"""The doors of techniques and diagnostics, each with one that uses it, in the process of the test."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import workbench
from workbench import written as suite

from bench import store
from bench.catalog import Catalog
from bench.records import Record, cell_id
from bench.work import data, network, training, worker
from bench.work.epochs import encoded

pytestmark = pytest.mark.slow

CATALOG = Catalog()
CALLS = {
    "distill": "distill(teacher='mlp(width=16, depth=1)')",
    "transfer": "transfer(source='mlp(width=4, depth=1)', stages=2)",
    "early_stopping": "early_stopping(patience=1)",
    "incremental": "incremental(steps=2)",
    "low_rank": "low_rank(energy=0.3, epochs=1)",
    "prune": "prune(epochs=4)",
    "simplify": "simplify(widths=[3], epochs=1)",
    "tune": "tune(space={'architecture.width': [3, 4]}, trials=1)",
}
"""How a technique is called here; one that is not named works without parameters."""


LONGER = "epochs: 10, batch_size: 16, learning_rate: 0.01"


def of_node(found: list[Record], kind: str = "train") -> list[Record]:
    return [record for record in found if record.node == kind]


class Guarded:
    """A test part that nobody may look at before its time."""

    def __init__(self, part: data.Part) -> None:
        self._part = part
        self.open = False

    def __getattr__(self, name: str) -> Any:
        assert self.open, f"the test part's {name} was touched before evaluation"
        return getattr(self._part, name)

    def __len__(self) -> int:
        return len(self.x)


@pytest.mark.parametrize("technique", CATALOG.names("techniques"))
def test_no_technique_ever_sees_the_test_part(technique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_split, real_answers = worker._split, worker.Answers
    guards: list[Guarded] = []

    def guarded(*arguments: Any) -> data.Split:
        found = real_split(*arguments)
        guards.append(Guarded(found.test))
        return data.Split(found.facts, found.train, found.validation, guards[-1])  # type: ignore[arg-type]

    def answers(*arguments: Any) -> Any:
        guards[-1].open = True
        return real_answers(*arguments)

    monkeypatch.setattr(worker, "_split", guarded)
    monkeypatch.setattr(worker, "Answers", answers)
    call = CALLS.get(technique, technique)
    network = "resnet8(width=4)" if technique == "stochastic_depth" else "mlp(width=4, depth=1)"
    seeds = "[0, 1]" if CATALOG.card("techniques", technique).literals.get("SEEDS") else "[0]"
    found = workbench.run(tmp_path, suite(f'["{call}"]', architecture=network, seeds=seeds))
    assert [record.error for record in found if record.status != "finished"] == []
    assert guards


def test_what_a_technique_is_handed_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "scribble.py").write_text(
        '"""Scribble\n\nWrites.\n"""\n\n\ndef data(learn, rng):\n    learn.train.x[0] = 0\n    return learn\n'
    )
    (record,) = workbench.run(tmp_path, suite("[scribble]"), Catalog([tmp_path]))
    assert record.status == "failed"
    assert record.error is not None
    assert "read-only" in record.error.message


def test_oversampling_balances_the_training_part_alone(tmp_path: Path) -> None:
    text = suite("[oversample]", "[]").replace("train_size=200", "imbalance=10")
    balanced, plain = of_node(workbench.run(tmp_path, text))
    assert balanced.data is not None
    assert plain.data is not None
    counts = balanced.data.class_counts
    assert set(counts["train"]) == {max(plain.data.class_counts["train"])}
    assert counts["validation"] == plain.data.class_counts["validation"]
    assert counts["test"] == plain.data.class_counts["test"]
    learn = workbench.prepare("digits(imbalance=10)", validation=0.1).learn
    door = CATALOG.load("techniques", "oversample").data
    once, again = (door(learn, np.random.default_rng(3)).train for _ in range(2))
    assert np.array_equal(once.x, again.x), "drawn from the fold's generator"
    assert {image.tobytes() for image in once.x} == {image.tobytes() for image in learn.train.x}


@pytest.fixture(scope="module")
def learn() -> data.Learn:
    return workbench.prepare("digits(imbalance=5)", validation=0.1).learn


@pytest.fixture(scope="module")
def batch(learn: data.Learn) -> tuple[Any, Any, Any]:
    """Raw examples, one-hot labels and made-up logits."""
    x = learn.train.x[:40].astype(np.float32)
    return (
        x,
        np.asarray(encoded(learn.train.y, learn.facts))[:40],
        (np.random.default_rng(0).normal(size=(40, 10)) * 3).astype(np.float32),
    )


def losses(learn: data.Learn, batch: tuple[Any, Any, Any], *techniques: str) -> Any:
    return np.asarray(workbench.trainer(learn, techniques).loss(*batch))


def test_class_weights_make_all_classes_weigh_the_same(learn: data.Learn, batch: tuple[Any, Any, Any]) -> None:
    ratio = losses(learn, batch, "class_weight") / losses(learn, batch)
    counts = np.bincount(learn.train.y, minlength=10)
    assert ratio == pytest.approx(len(learn.train) / (10 * counts[batch[1].argmax(axis=1)]), rel=1e-4)
    flat = losses(learn, batch, "class_weight(power=0)")
    assert flat == pytest.approx(losses(learn, batch), rel=1e-6)


def test_smoothed_labels_share_out_their_amount(learn: data.Learn, batch: tuple[Any, Any, Any]) -> None:
    _, y, logits = batch
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    wanted = -((y * 0.8 + 0.02) * logs).sum(axis=1)
    assert losses(learn, batch, "label_smoothing(amount=0.2)") == pytest.approx(wanted, rel=1e-4)


def test_focal_loss_forgets_what_is_known(learn: data.Learn, batch: tuple[Any, Any, Any]) -> None:
    plain = losses(learn, batch)
    assert losses(learn, batch, "focal_loss(gamma=0)") == pytest.approx(plain, rel=1e-5)
    assert losses(learn, batch, "focal_loss(gamma=2)") == pytest.approx((1 - np.exp(-plain)) ** 2 * plain, rel=1e-3)


def test_losses_wrap_each_other_in_the_recipes_order(learn: data.Learn, batch: tuple[Any, Any, Any]) -> None:
    """A technique wraps those before it, so it acts first on the labels: smoothing outside sees weights inside."""
    inside = losses(learn, batch, "class_weight", "label_smoothing")
    outside = losses(learn, batch, "label_smoothing", "class_weight")
    smooth = losses(learn, batch, "label_smoothing")
    counts = np.bincount(learn.train.y, minlength=10)
    weights = len(learn.train) / (10 * counts)
    assert outside / smooth == pytest.approx(weights[batch[1].argmax(axis=1)], rel=1e-4)
    assert inside / smooth == pytest.approx((batch[1] * 0.9 + 0.01) @ weights, rel=1e-4)


def test_the_mean_of_weights_is_what_is_kept(tmp_path: Path) -> None:
    found = workbench.run(tmp_path, suite("[]", '["ema(momentum=0)"]', '["ema(momentum=0.9)"]'))
    plain, last, mean = (record.artifact for record in of_node(found))
    assert plain is not None
    assert last is not None
    assert mean is not None
    assert last.digest == plain.digest, "a mean of the last weights alone is the last weights"
    assert mean.digest != plain.digest


@pytest.mark.parametrize("techniques", [("early_stopping(patience=2)",), ("ema", "early_stopping(patience=2)")])
def test_early_stopping_keeps_the_best_epoch_of_the_validation_part(
    learn: data.Learn, techniques: tuple[str, ...]
) -> None:
    training.begin(workbench.factory.settings(), 0)
    trainer = workbench.trainer(learn, techniques, epochs=25, learning_rate=0.5, batch_size=32)
    model = workbench.build("mlp(width=8, depth=1)", learn)
    product = trainer.fit(model)
    (curve,) = [one for one in product.series if (one.name, one.split) == ("loss", "validation")]
    seen = [value for value in curve.values if value is not None]
    assert len(seen) < 25, "with steps that large it gets no better for long"
    x, y = learn.validation.x.astype(np.float32), np.asarray(encoded(learn.validation.y, learn.facts))
    kept = float(np.mean(np.asarray(trainer.loss(x, y, np.asarray(model(x))))))
    assert kept == pytest.approx(min(seen), rel=1e-3)


def test_a_teacher_is_trained_once_for_all_its_students(tmp_path: Path) -> None:
    call = "distill(teacher='mlp(width=16, depth=1)', weight={})"
    found = workbench.run(tmp_path, suite(f'["{call.format(1.0)}"]', f'["{call.format(0.0)}"]', "[]"))
    teacher, only_teacher, only_labels, plain = of_node(found)
    assert teacher.cell.architecture.parameters["width"] == 16
    assert teacher.artifact is not None
    assert only_teacher.parents == only_labels.parents == (teacher.artifact.digest,)
    assert plain.artifact is not None
    assert only_labels.artifact is not None
    assert only_labels.artifact.digest == plain.artifact.digest, "a teacher that is not listened to changes nothing"
    assert only_teacher.artifact is not None
    assert only_teacher.artifact.digest != plain.artifact.digest


@pytest.mark.parametrize("last", ["prune(epochs=4)", "quantize"])
def test_what_a_student_becomes_knows_its_teacher(tmp_path: Path, last: str) -> None:
    found = workbench.run(tmp_path, suite(f'["distill(teacher=\'mlp(width=16, depth=1)\')", "{last}"]'))
    assert [(one.node, one.status) for one in found] == [("train", "finished")] * 2 + [("derive", "finished")]
    teacher, student, derived = (one.artifact.digest for one in found if one.artifact)
    assert found[2].parents == (student, teacher)
    assert derived != student


def test_the_distance_to_a_teacher_is_that_of_softened_probabilities(
    learn: data.Learn, batch: tuple[Any, Any, Any], tmp_path: Path
) -> None:
    import keras

    model = workbench.build("mlp(width=16, depth=1)", learn)
    artifact = network.save(model, tmp_path)
    wise = training.Trained(tmp_path / artifact.file, "logits", learn.facts)
    door = CATALOG.load("techniques", "distill").loss
    trainer = workbench.trainer(learn)
    found = np.asarray(door(trainer.loss, trainer, teacher=wise, temperature=3.0, weight=0.25)(*batch))
    answers = np.asarray(model(batch[0]))
    soft = [np.asarray(keras.ops.softmax(logits / 3.0, axis=1)) for logits in (answers, batch[2])]
    distance = np.asarray(keras.losses.kl_divergence(*soft))
    assert found == pytest.approx(0.75 * losses(learn, batch) + 0.25 * 9 * distance, rel=1e-3)


def test_stages_go_together_with_the_mean_of_weights(tmp_path: Path) -> None:
    call = "transfer(source='mlp(width=4, depth=1)', stages=2)"
    found = of_node(workbench.run(tmp_path, suite(f'["{call}", "ema(momentum=0.5)"]', training=LONGER)))
    assert [one.error for one in found] == [None, None]
    assert (found[1].value("accuracy") or 0) > 0.4, "what was learned is not lost between stages"


def test_early_stopping_without_a_validation_example_is_refused(tmp_path: Path) -> None:
    (record,) = workbench.run(tmp_path, suite("[early_stopping]").replace("train_size=200", "train_size=40"))
    assert record.status == "unsupported"
    assert record.error is not None
    assert "no example is in it" in record.error.message


def test_an_ensemble_is_one_network_of_all_seeds(tmp_path: Path) -> None:
    import keras

    found = workbench.run(tmp_path, suite('["label_smoothing", ensemble]', seeds="[0, 1, 2]"))
    members, (whole,) = of_node(found), of_node(found, "derive")
    assert whole.seed is None
    assert whole.parents == tuple(one.artifact.digest for one in members if one.artifact)
    artifacts = tmp_path / "home" / "artifacts"
    x = workbench.prepare("digits").test.x[:30].astype(np.float32)
    answers = [
        np.asarray(keras.ops.softmax(network.load(one.artifact, artifacts)(x))) for one in members if one.artifact
    ]
    assert whole.artifact is not None
    together = np.asarray(network.load(whole.artifact, artifacts)(x))
    assert together == pytest.approx(np.log(np.mean(answers, axis=0)), abs=1e-4)
    assert whole.value("parameters") == sum(one.value("parameters") or 0 for one in members)
    assert workbench.run(tmp_path, suite('["label_smoothing", ensemble]', seeds="[0, 1, 2]")) == []
    more = workbench.run(tmp_path, suite('["label_smoothing", ensemble]', seeds="[0, 1, 2, 3]"))
    assert [(one.node, one.seed) for one in more] == [("train", 3), ("derive", None)], "of other seeds, another one"


def test_pruning_trains_on_what_the_recipe_makes_of_the_loss(tmp_path: Path) -> None:
    """A recipe whose loss is always zero moves no weight: all that pruning leaves is as its parent had it."""
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "still.py").write_text(
        '"""Still\n\nNothing to learn.\n"""\n\n\n'
        "def loss(inner, trainer):\n    return lambda x, y, outputs: 0.0 * inner(x, y, outputs)\n"
    )
    found = workbench.run(tmp_path, suite('[still, "prune(epochs=4)"]'), Catalog([tmp_path]))
    (parent,), (pruned,) = of_node(found), of_node(found, "derive")
    assert parent.artifact is not None
    assert pruned.artifact is not None
    before, after = (network.load(one, tmp_path / "home" / "artifacts") for one in (parent.artifact, pruned.artifact))
    for was, now in zip(before.get_weights(), after.get_weights(), strict=True):
        assert np.array_equal(np.asarray(now)[now != 0], np.asarray(was)[now != 0])


WATCHING = '''"""Weights

Their norm, epoch by epoch.
"""

import keras
import numpy as np

from bench.records import Diagnosis, Series


class Watcher(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.norms = []

    def on_epoch_end(self, epoch, logs=None):
        self.norms.append(float(sum(np.square(np.asarray(w)).sum() for w in self.model.trainable_weights)))


def watch(trainer):
    watcher = Watcher()
    trainer.callbacks.append(watcher)
    return lambda: (Series("norm", "epoch", [1.0, 2.0], watcher.norms),)


def diagnose(outcome):
    return Diagnosis("Norm", tuple(one for one in outcome.series if one.name == "norm"))
'''
RAISING = '"""Raising\n\nNever works.\n"""\n\n\ndef diagnose(outcome):\n    raise RuntimeError("no idea")\n'
LOOKING = (
    '"""Looking\n\nCounts layers.\n"""\n\nfrom bench.records import Diagnosis\n\n\n'
    'def diagnose(outcome):\n    return Diagnosis(f"{len(outcome.network.layers)} layers, {len(outcome.split.test)}")\n'
)


@pytest.fixture
def seeing(tmp_path: Path) -> Catalog:
    (tmp_path / "diagnostics").mkdir()
    for name, text in (("weights", WATCHING), ("raising", RAISING), ("looking", LOOKING)):
        (tmp_path / "diagnostics" / f"{name}.py").write_text(text)
    return Catalog([tmp_path])


def test_a_diagnostic_that_watches_changes_no_weight(tmp_path: Path, seeing: Catalog) -> None:
    (alone,) = workbench.run(tmp_path, suite("[]"), seeing)
    watched, seen = workbench.run(tmp_path, suite("[]", more="diagnostics: [weights]"), seeing)
    assert watched.cell_id == alone.cell_id
    assert alone.artifact is not None
    assert watched.artifact is not None
    assert watched.artifact.digest == alone.artifact.digest
    assert seen.status == "finished"
    (norm,) = seen.diagnostics["weights"].series
    assert len(norm.values) == 2
    assert workbench.run(tmp_path, suite("[]", more="diagnostics: [weights]"), seeing) == [], "watched once is enough"


def test_a_new_diagnostic_looks_at_the_old_network_and_costs_only_itself(tmp_path: Path, seeing: Catalog) -> None:
    workbench.run(tmp_path, suite("[]"), seeing)
    found = workbench.run(tmp_path, suite("[]", more="diagnostics: [looking, raising, calibration]"), seeing)
    assert [(one.node, one.status) for one in found] == [
        ("diagnose", "finished"),
        ("diagnose", "failed"),
        ("diagnose", "finished"),
    ]
    assert found[0].diagnostics["looking"].title == "6 layers, 359"
    assert found[1].error is not None
    assert found[1].error.message == "diagnostics/raising.py:8: RuntimeError: no idea"
    assert workbench.run(tmp_path, suite("[]", more="diagnostics: [looking, calibration]"), seeing) == []


def test_a_figure_that_no_record_can_hold_fails_its_node_alone(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "odd.py").write_text(
        '"""Odd\n\nNot a number.\n"""\n\nfrom bench.work.training import Product\n\n\n'
        "def after(job):\n    return Product(job.parent.network, figures={'oddness': (float('nan'), '1')})\n"
    )
    found = workbench.run(tmp_path, suite("[odd]", "[label_smoothing]"), Catalog([tmp_path]))
    assert [(one.node, one.status) for one in found] == [
        ("train", "finished"),
        ("derive", "failed"),
        ("train", "finished"),
    ]
    assert len(store.read(tmp_path / "results").records) == 3


def test_a_search_may_return_another_network_and_its_trials(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "widest.py").write_text(
        '"""Widest\n\nTries two widths.\n"""\n\nfrom bench.records import Table\n'
        "from bench.work.training import Product\n\n\n"
        "def fit(trainer, model):\n"
        "    rows = []\n"
        "    for width in (2, 8):\n"
        "        made = trainer.fit(trainer.build(width=width))\n"
        "        rows.append((width, made.series[0].values[-1]))\n"
        "    return Product(made.network, series=made.series, tables={'trials': Table('T', ('w', 'a'), tuple(rows))})\n"
    )
    (record,) = workbench.run(tmp_path, suite("[widest]"), Catalog([tmp_path]))
    assert record.tables["trials"].rows[1][0] == 8
    assert record.value("parameters") == 64 * 8 + 8 + 8 * 10 + 10
    assert cell_id(record.cell) == record.cell_id
