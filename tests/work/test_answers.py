"""What plugins answer is looked at where it comes back: one line with the plugin, the door and what was wanted."""

import re
from pathlib import Path

import pytest
import workbench
from conftest import ROOT

from bench.cards import DOORS
from bench.catalog import Catalog
from bench.errors import DataError, PluginError

WRONG = {
    "data": (
        "def data(learn, rng):\n    return learn.train",
        "must return a bench.work.data.Learn, such as it was given",
    ),
    "model": ("def model(model):\n    return None", "must return a Keras network; got nothing"),
    "optimizer": ("def optimizer(optimizer):\n    return 'adam'", "must return a Keras optimizer; got str 'adam'"),
    "loss": ("def loss(inner, trainer):\n    return 0.5", "must return a function of (x, y, outputs); got float 0.5"),
    "callbacks": ("def callbacks(trainer):\n    return None", "must return a list of Keras callbacks; got nothing"),
    "batch": ("def batch(x, y, seed):\n    return x", "must return the pair (x, y) to train on; got"),
    "fit": ("def fit(trainer, model):\n    return model", "must return a bench.work.training.Product"),
}


def own(folder: Path, kind: str, text: str) -> Catalog:
    (folder / kind).mkdir(parents=True)
    (folder / kind / f"mine{abs(hash(folder))}.py").write_text(f'"""Mine"""\n\n\n{text}\n')
    return Catalog([folder])


def name(folder: Path) -> str:
    """A name of its own for each plugin, as modules are imported once a process."""
    return f"mine{abs(hash(folder))}"


@pytest.mark.parametrize("door", WRONG)
def test_a_technique_that_answers_wrongly_is_named(tmp_path: Path, door: str) -> None:
    text, says = WRONG[door]
    catalog = own(tmp_path, "techniques", text)
    learn = workbench.prepare("digits").learn
    cell = workbench.recipe("mlp", (name(tmp_path),), catalog=catalog, epochs=1)

    def train() -> None:
        cell.learn(learn, 0)
        network = cell.build(learn)
        trainer = cell.trainer(learn, 0, lambda *_: None)
        next(cell.doors("fit"), trainer.fit)(*((trainer,) if door == "fit" else ()), network)

    with pytest.raises(PluginError) as caught:
        train()
    assert f"techniques/{name(tmp_path)}: its '{door}' {says}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "from keras import layers\ndef build(inputs, outputs):\n    return layers.Flatten()(inputs)",
            "got shape (None, 64)",
        ),
        ("def build(inputs, outputs):\n    return None", "got NoneType"),
        ("def build(inputs, outputs):\n    return {'head': inputs}", "logits, or a dict with 'logits' in it"),
    ],
)
def test_an_architecture_that_answers_wrongly_is_named(tmp_path: Path, text: str, says: str) -> None:
    catalog = own(tmp_path, "architectures", text)
    with pytest.raises(PluginError) as caught:
        workbench.build(name(tmp_path), workbench.prepare("digits").learn, catalog=catalog)
    assert f"architectures/{name(tmp_path)}: its 'build' must return" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("None", "must return a bench.work.data.Dataset; got NoneType"),
        ("Dataset(x=[[1.0]], y=np.zeros(1), classes=('a', 'b'), source='s')", "its x must be a NumPy array; got list"),
    ],
)
def test_a_dataset_that_answers_wrongly_is_named(tmp_path: Path, answer: str, says: str) -> None:
    text = "import numpy as np\nfrom bench.work.data import Dataset\nHANDLE = 'h'\ndef load():\n    return " + answer
    with pytest.raises(DataError, match=says):
        workbench.load(name(tmp_path), own(tmp_path, "datasets", text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def data(learn): ...", r"'data' is handed \(learn, rng\), and takes \(learn\)"),
        ("def batch(x, y, seed, width=3): ...", r"takes \(x, y, seed, width\); parameters of its own stand behind a"),
        ("def model(*all): ...", r"'model' is handed \(model\), and takes \(\*…\)"),
    ],
)
def test_a_door_that_cannot_be_called_is_refused_by_the_plan(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        own(tmp_path, "techniques", text).card("techniques", name(tmp_path))


RAISES = {
    "batch": """
def batch(x, y, seed):
    raise ValueError("mine: " + "no luck " * 200)
""",
    "loss": """
def loss(inner, trainer):
    return lambda x, y, outputs: [][0]
""",
    "model": """
import keras

class Odd(keras.layers.Layer):
    def call(self, x, training=None):
        if training:
            raise ValueError("mine: odd")
        return x

def model(model):
    return keras.Model(model.inputs, Odd()(model.output))
""",
    "callbacks": """
import keras

class Odd(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise RuntimeError("\\udc80 half a character")

def callbacks(trainer):
    return [Odd()]
""",
}
CAUSES = {
    "batch": ("ValueError", "mine: no luck"),
    "loss": ("IndexError", "list index out of range"),
    "model": ("ValueError", "mine: odd"),
    "callbacks": ("RuntimeError", "\\udc80 half a character"),
}


@pytest.mark.slow
def test_what_a_plugin_raises_is_told_as_it_was_said(tmp_path: Path) -> None:
    for door, text in RAISES.items():
        (tmp_path / "techniques").mkdir(exist_ok=True)
        (tmp_path / "techniques" / f"raises_{door}.py").write_text(f'"""Mine"""\n\n{text}\n')
    recipes = ", ".join(f"{door}: [raises_{door}]" for door in RAISES)
    text = (
        f"title: T\ndatasets: [digits]\narchitectures: [perceptron]\nrecipes: {{{recipes}}}\ntraining: {{epochs: 1}}\n"
    )
    made = workbench.run(tmp_path, text + "seeds: [0]\nmeasure: {runtimes: []}\n", Catalog([tmp_path]))
    told = {one.cell.techniques[0].name.removeprefix("raises_"): one.error for one in made}
    for door, (kind, message) in CAUSES.items():
        error = told[door]
        assert error is not None
        assert error.type == kind
        assert error.message.startswith(f"techniques/raises_{door}.py:")
        assert f": {kind}: {message}" in error.message
        assert len(error.message) < 400
        assert f"raises_{door}.py" in (error.traceback or "")


@pytest.mark.slow
def test_the_guides_example_of_every_door_works(tmp_path: Path) -> None:
    (text,) = re.findall(r'```python\n("""All doors.*?)```', (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "all_doors.py").write_text(text)
    catalog = Catalog([tmp_path])
    assert set(catalog.card("techniques", "all_doors").doors) == set(DOORS["techniques"])
    suite = "title: T\ndatasets: [digits]\narchitectures: [mlp]\nrecipes: {all: [all_doors]}\n"
    suite += "training: {epochs: 2}\nseeds: [0]\nmeasure: {runtimes: []}\n"
    made = workbench.run(tmp_path, suite, catalog)
    assert [(one.node, one.status) for one in made] == [("train", "finished"), ("derive", "finished")]
    assert made[1].value("more_epochs") == 1
