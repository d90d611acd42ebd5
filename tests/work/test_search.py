"""Searches: spaces checked at plan time, trials that are never repeated, paths to smaller networks."""

import json
from pathlib import Path
from typing import Any

import pytest
import workbench

from bench.catalog import Catalog
from bench.errors import SuiteError, Unsupported
from bench.planning import suite
from bench.work import data
from bench.work.checkpoint import Checkpoints

pytestmark = pytest.mark.slow

CATALOG = Catalog()
SPACE = {"learning_rate": {"low": 1e-4, "high": 0.05, "log": True}, "architecture.width": [4, 8]}


@pytest.fixture(scope="module")
def learn() -> data.Learn:
    return workbench.prepare("digits(train_size=150)", validation=0.3).learn


def tune(learn: data.Learn, folder: Path | None = None, space: Any = SPACE, **how: Any) -> Any:
    trainer = workbench.trainer(learn, ("dropout(rate=0.1)",), epochs=how.pop("epochs", 2), batch_size=32)
    if folder:
        trainer.checkpoints = Checkpoints(folder, every_s=0)
    return CATALOG.load("techniques", "tune").fit(trainer, trainer.build(), space=space, **how)


@pytest.mark.parametrize("search", ["random", "hyperband", "bayesian", "grid"])
def test_every_trial_is_in_the_table_and_the_best_is_trained(learn: data.Learn, search: str) -> None:
    space = {"architecture.width": [4, 8], "dropout.rate": [0.0, 0.4]} if search == "grid" else SPACE
    product = tune(learn, space=space, search=search, trials=4, epochs=4 if search == "hyperband" else 2)
    trials, importance = product.tables["trials"], product.tables["importance"]
    assert trials.columns == ("trial", *space, "epochs", "validation accuracy")
    assert len(trials.rows) == product.figures["trials"][0] >= 5, "those that were asked for, and the suite's own"
    assert trials.rows[0][1:3] == (None, None)
    best = max(trials.rows, key=lambda row: row[-1])
    column = list(trials.columns).index("architecture.width")
    kernels = [layer for layer in product.network.layers if hasattr(layer, "units")]
    assert kernels[0].units == (best[column] or 128)
    assert product.figures["validation_accuracy"][0] >= product.figures["validation_accuracy_untuned"][0]
    assert {row[0] for row in importance.rows} == set(space)
    assert all(0 <= row[1] <= 1 for row in importance.rows)
    if search == "grid":
        assert len({row[1:3] for row in trials.rows}) == 5, "each point once"


class Killed(Exception):
    """The process ended."""


@pytest.mark.parametrize("search", ["random", "hyperband", "bayesian", "grid"])
def test_a_killed_search_repeats_no_finished_trial(learn: data.Learn, tmp_path: Path, search: str) -> None:
    from bench.blocks.search import Search

    space = {"architecture.width": [4, 8], "dropout.rate": [0.0, 0.4]} if search == "grid" else SPACE
    real, trained = Search._score, []

    def score(self: Search, trainer: Any, *more: Any) -> float:
        trained.append((trainer.settings.learning_rate, more[1] if more else None))
        if len(trained) in kills:
            raise KeyboardInterrupt
        return real(self, trainer, *more)

    def search_on(folder: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Search, "_score", score)
            while True:
                try:
                    return tune(learn, folder, space=space, search=search, trials=4, epochs=3)
                except KeyboardInterrupt:
                    continue

    kills: set[int] = set()
    undisturbed = search_on(tmp_path / "undisturbed")
    whole = len(trained)
    trained.clear()
    kills = {1, 3, 5}
    killed = search_on(tmp_path / "killed")
    assert len(trained) == whole + 3, "only what was being trained is trained again"
    assert killed.tables["trials"].rows == undisturbed.tables["trials"].rows
    assert killed.figures == undisturbed.figures


def test_shorter_trials_go_on_where_they_were(learn: data.Learn, tmp_path: Path) -> None:
    """Of Hyperband's brackets, those that go on to more epochs begin with the weights of the shorter trial."""
    product = tune(learn, tmp_path, search="hyperband", epochs=4)
    rows = product.tables["trials"].rows
    state = json.loads((tmp_path / "search" / "finished.json").read_text())
    assert [row["number"] for row in state] == list(range(len(rows)))
    by_rate: dict[float, list[tuple[float, float]]] = {}
    for row in rows[1:]:
        by_rate.setdefault(row[1], []).append((row[3], row[4]))
    promoted = [scores for scores in by_rate.values() if len(scores) > 1]
    assert promoted
    assert all(short < long for (short, _), (long, _) in promoted)


def test_a_trial_that_diverges_is_a_row_without_a_score(learn: data.Learn) -> None:
    product = tune(learn, space={"learning_rate": [1e30, 0.01]}, search="grid", trials=2)
    scores = {row[1]: row[-1] for row in product.tables["trials"].rows}
    assert scores[1e30] is None
    assert scores[0.01] is not None


def test_a_fault_in_a_trial_is_the_records(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "brittle.py").write_text(
        '"""Brittle\n\nBreaks.\n"""\n\n\ndef model(model, *, width: int = 0):\n'
        "    if width:\n        raise ValueError('mine: no luck')\n    return model\n"
    )
    text = workbench.written("[brittle, \"tune(space={'brittle.width': [1, 2]}, trials=2)\"]", training="epochs: 1")
    (record,) = workbench.run(tmp_path, text, Catalog([tmp_path]))
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.message.endswith("ValueError: mine: no luck")


def test_who_looks_on_sees_the_last_training_alone(learn: data.Learn) -> None:
    import keras

    seen: list[int] = []
    trainer = workbench.trainer(learn, epochs=2, batch_size=32)
    looking = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    trainer.callbacks.append(looking)
    trainer.watching = [looking]
    CATALOG.load("techniques", "tune").fit(trainer, trainer.build(), space=SPACE, trials=2)
    assert seen == [0, 1]


def test_each_training_begins_with_the_whole_learning_rate(learn: data.Learn) -> None:
    """What one training has reduced on its plateau is no business of the next."""
    trainer = workbench.trainer(learn, epochs=4, schedule="reduce_on_plateau(patience=1, by=0.1)", learning_rate=1e-9)
    begun: list[float] = []

    def note(value: float, real: Any = trainer.damping.set) -> None:
        begun.append(value)
        real(value)

    trainer.damping.set = note  # type: ignore[method-assign]
    for _ in range(2):
        trainer.fit(trainer.build())
    assert begun[0] == begun[4] == 1.0
    assert begun[3] < 1.0


def test_the_more_a_setting_matters_the_more_important_it_is() -> None:
    from bench.blocks.search import Trial, importance

    trials = [
        Trial(i, {"a": float(i % 5), "b": float(i * 7 % 3)}, 3, score=0.1 * (i % 5) + 0.001 * (i % 2))
        for i in range(30)
    ]
    for some, measure in ((trials, "random forest"), (trials[:8], "rank correlation")):
        table = importance(some, ["b", "a"])
        assert [row[0] for row in table.rows] == ["a", "b"]
        assert table.rows[0][1] > 0.8
        assert {row[2] for row in table.rows} == {measure}
    assert importance(trials[:2], ["a"]).rows == (("a", None, "too few trials"),)


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ("{}", "tune's space: write"),
        ("{'learning_rat': [1]}", "no axis 'learning_rat'; did you mean 'learning_rate'?"),
        ("{'architecture.widht': [1]}", "'mlp' has no parameter 'widht'; did you mean 'width'?"),
        ("{'droput.rate': [0.1]}", "no axis 'droput.rate'"),
        ("{'dropout.rate': ['much']}", "dropout(rate='much'): should be float"),
        ("{'learning_rate': {'low': 1, 'high': 0.1}}", "low must lie below high"),
        ("{'learning_rate': {'low': 0, 'high': 1, 'log': True}}", "above 0 on a log scale"),
        ("{'learning_rate': {'from': 0}}", "a range has low, high"),
        ("{'learning_rate': 0.1}", "give a list of values, or a range"),
        ("{'optimizer': ['adma']}", "no optimizer 'adma'; did you mean 'adam'?"),
        ("{'epochs': [1, 2]}", "epochs is the same for all trials; set it in the suite"),
        ("{'tune.trials': [1, 2]}", "tune.trials cannot vary: tune does its work before or after"),
        ("{'learning_rate': {'low': 0.1, 'high': 1, 'step': 0}}", "a step is above 0"),
    ],
)
def test_a_space_is_checked_before_anything_is_trained(tmp_path: Path, space: str, says: str) -> None:
    text = f'title: T\ndatasets: [digits]\narchitectures: [mlp]\nrecipes:\n  r: [dropout, "tune(space={space})"]\n'
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(SuiteError) as caught:
        suite.read(tmp_path / "s.yaml", CATALOG)
    assert says in str(caught.value)
    assert "s.yaml:5" in str(caught.value)


def test_the_path_to_a_smaller_network_is_told(tmp_path: Path) -> None:
    text = workbench.written(
        '["simplify(depths=[1], widths=[32, 16, 1], tolerance=0.1)"]',
        dataset="digits",
        architecture="mlp(width=64, depth=2)",
        training="epochs: 8, batch_size: 32, learning_rate: 0.01",
    )
    large, small = workbench.run(tmp_path, text)
    path = small.tables["path"]
    assert path.columns == ("step", "change", "parameters", "FLOPs", "validation accuracy", "kept")
    kept = [row for row in path.rows if row[-1]]
    assert kept[0][1] == "as trained"
    assert kept[0][2] == large.value("parameters")
    assert [row[3] for row in kept] == sorted((row[3] for row in kept), reverse=True), "ever fewer operations"
    assert kept[-1][2] == small.value("parameters") < (large.value("parameters") or 0) / 2
    assert all(row[4] >= kept[0][4] - 0.1 for row in kept)
    assert not path.rows[-1][-1], "one unit is too few"


def test_a_simplification_of_nothing_is_refused(learn: data.Learn) -> None:
    door = CATALOG.load("techniques", "simplify").after
    with pytest.raises(Unsupported, match="name what to try"):
        door(None)
