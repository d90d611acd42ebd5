"""Combinations that cannot work are refused at plan time, each with its reason."""

from pathlib import Path

import factory
import msgspec
import pytest

from bench.catalog import Catalog
from bench.planning import plan, suite
from bench.planning.compatibility import format_of, unsupported
from bench.records import Cell

CATALOG = Catalog()


def planned(place: Path, catalog: Catalog = CATALOG, backend: str = "tensorflow", **parts: str) -> plan.Plan:
    fields = {"title": "T", "datasets": "[digits]", "architectures": "[mlp]", "recipes": "{r: []}"} | parts
    (place / "mine.yaml").write_text("\n".join(f"{key}: {value}" for key, value in fields.items()))
    return plan.make(
        suite.read(place / "mine.yaml", catalog), catalog, place / "results", place / "artifacts", backend=backend
    )


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"architectures": "[lenet5]"}, "lenet5 needs images of at least 28 pixels a side, digits has 8"),
        ({"recipes": "{r: [prune, dropout]}"}, "dropout acts on training and must come before prune"),
        ({"recipes": "{r: [quantize, prune]}"}, "prune takes keras networks, quantize leaves one of format litert"),
        ({"recipes": "{r: [ensemble, ensemble]}"}, "ensemble takes the networks of all seeds, ensemble leaves one"),
        (
            {"recipes": "{r: [\"transfer(source='mlp')\", \"transfer(source='mlp(width=3)')\"]}"},
            "transfer and transfer both take over the training; a recipe may hold one of them",
        ),
        (
            {"recipes": "{r: [early_stopping]}", "training": "{validation: 0}"},
            "early_stopping selects on the validation part, and there is none: set training.validation",
        ),
        (
            {"recipes": "{r: [\"distill(teacher=\\\"cell(dataset='mnist', architecture='mlp')\\\")\"]}"},
            None,
        ),
        (
            {"recipes": '{r: ["distill(teacher=\\"cell(dataset=\'wine\')\\")"]}'},
            "distill's teacher mlp has 3 outputs, digits needs 10",
        ),
        (
            {"recipes": '{r: ["distill(teacher=\\"cell(dataset=\'wine_quality\')\\")"]}'},
            "distill's teacher mlp has learned regression, digits is classification",
        ),
        (
            {"recipes": "{r: [\"distill(teacher='lenet5')\"]}"},
            "distill's teacher lenet5 cannot work: lenet5 needs images of at least 28 pixels a side, digits has 8",
        ),
        (
            {"recipes": '{r: ["distill(teacher=\\"cell(techniques=[\'quantize\'])\\")"]}'},
            "distill's teacher mlp is of format litert; only a Keras network can be asked while training",
        ),
        ({"training": "{loss: mse}"}, "mse is for regression, digits is classification"),
        ({"datasets": "[wine_quality]", "recipes": "{r: [oversample]}"}, "oversample is for classification and"),
    ],
)
def test_what_cannot_go_together_is_said_at_plan_time(tmp_path: Path, parts: dict[str, str], says: str | None) -> None:
    made = planned(tmp_path, **parts)
    if says is None:
        assert {run.status for run in made.runs} == {"new"}
        return
    assert {run.status for run in made.runs} == {"unsupported"}
    assert says in made.runs[0].reason


def test_what_a_plugin_needs_may_depend_on_a_parameter(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    (tmp_path / "techniques" / "shrink.py").write_text(
        '"""Shrink\n\nOne way or the other.\n"""\n\n'
        "BACKENDS = {'scheme': {'small': ('tensorflow',)}}\nGIVES = {'scheme': {'small': 'litert', 'same': 'keras'}}\n"
        "\n\n"
        "def after(job, *, scheme: str = 'small'): ...\n"
    )
    catalog = Catalog([tmp_path])
    text = "{small: [shrink], same: [\"shrink(scheme='same')\"]}"
    runs = {run.recipe: run for run in planned(tmp_path, catalog, "jax", recipes=text, seeds="[0]").runs}
    assert runs["small"].status == "unsupported"
    assert "shrink(scheme='small') needs the Keras backend tensorflow, this is jax" in runs["small"].reason
    assert runs["same"].status == "new"


@pytest.mark.parametrize(("architecture", "status"), [("\"model_file(path='m.onnx')\"", "new"), ("mlp", "unsupported")])
def test_a_runtime_needs_a_backend_only_for_what_it_converts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, status: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.onnx").touch()
    made = planned(
        tmp_path, backend="jax", architectures=f"[{architecture}]", measure="{runtimes: [onnxruntime]}", seeds="[0]"
    )
    (timing,) = [step for step in made.steps.values() if step.node.measure]
    assert timing.status == status, timing.reason
    assert status == "new" or timing.reason == "onnxruntime needs the Keras backend tensorflow or torch"


def test_a_teacher_is_one_node_for_all_who_ask_it(tmp_path: Path) -> None:
    calls = ["distill(teacher='mlp(width=9)')", "distill(teacher='mlp(width=9)', weight=0.5)"]
    text = f'{{plain: [], hard: ["{calls[0]}"], soft: ["{calls[1]}"]}}'
    made = planned(tmp_path, recipes=text, seeds="[0, 1]")
    trained = [step.node for step in made.steps.values() if step.node.kind == "train"]
    assert len(trained) == 2 * 4, "three rows and one teacher, for two seeds"
    (teacher,) = {name for node in trained for name in node.parents if name.endswith("-s0")}
    assert [node.parents for node in trained if node.seed == 0].count((teacher,)) == 2


def test_an_ensemble_has_all_seeds_as_parents_and_none_of_its_own(tmp_path: Path) -> None:
    made = planned(tmp_path, recipes="{r: [ensemble], s: [ensemble, quantize]}", seeds="[0, 1, 2]")
    assert [(run.recipe, run.seed) for run in made.runs] == [("r", None), ("s", None)]
    whole = made.steps[made.runs[0].id].node
    assert len(whole.parents) == 3
    assert made.steps[made.runs[1].id].node.parents == (whole.id,)


@pytest.fixture
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put files of networks into the working folder; nothing is in them, as planning does not look inside."""
    monkeypatch.chdir(tmp_path)
    for name in ("m.keras", "m.h5", "m.onnx", "m.pt", "M.TFLITE"):
        Path(name).touch()


def cell_of(dataset: str, architecture: str, *techniques: str, **training: str) -> Cell:
    return msgspec.structs.replace(
        factory.cell(**training),
        dataset=CATALOG.resolve("datasets", dataset),
        architecture=CATALOG.resolve("architectures", architecture),
        techniques=tuple(CATALOG.resolve("techniques", call) for call in techniques),
    )


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(
    ("dataset", "architecture", "techniques", "says"),
    [
        ("wine", "lenet5", (), "lenet5 takes image data, wine is table data"),
        ("wine", "mlp", ("quantize(scheme='qat')",), "quantize(scheme='qat') takes image data, wine is table data"),
        ("wine", "mlp", ("quantize",), ""),
        ("wine_quality(label_noise=0.1)", "mlp", (), "label_noise is about classes, wine_quality is"),
        ("digits", "model_file(path='m.pt')", (), "m.pt: model_file reads .keras"),
        ("digits", "model_file(path='m.keras')", ("dropout",), "model_file is not trained, and dropout acts"),
        ("digits", "model_file(path='M.TFLITE')", ("quantize",), "quantize takes keras networks, model_file"),
        ("digits", "model_file(path='m.keras')", ("ensemble",), "ensemble takes the networks of all seeds, model_file"),
        ("digits", "model_file(path='m.keras')", ("quantize",), ""),
        (
            "digits",
            "model_file(path='m.onnx', scale=[1, 2])",
            (),
            "scale has 2 numbers, digits 1 channel; give one, or",
        ),
        (
            "wine",
            "model_file(path='m.h5', offset=[1, 2])",
            (),
            "offset has 2 numbers, wine 13 columns; give one, or one",
        ),
        ("cifar10", "model_file(path='m.h5', scale=[0.1, 0.2, 0.3], offset=[0.5])", (), ""),
        ("digits", "mlp", ("prune(by='tfmot', epochs=0)",), "prune: tensorflow-model-optimization prunes while it"),
        ("digits", "mlp", ("prune(by='tfmot', structured=True)",), "prune: tensorflow-model-optimization prunes no"),
        ("digits", "mlp", ("prune(structured=True, schedule='constant')",), "prune: channels go at once, before it"),
        ("digits", "mlp", ("prune(pattern='2:4', sparsity=0.8)",), "prune: the pattern sets half of the weights to"),
        ("digits", "mlp", ("prune(pattern='2:4')", "quantize"), ""),
        ("digits(label_noise=0.1)", "mlp", ("dropout", "prune", "quantize"), ""),
        ("wine_quality(train_size=100)", "mlp", (), ""),
    ],
)
def test_parts_that_do_not_fit_are_named(
    dataset: str, architecture: str, techniques: tuple[str, ...], says: str
) -> None:
    found = unsupported(CATALOG, cell_of(dataset, architecture, *techniques), "tensorflow")
    assert found.startswith(says)
    assert bool(found) is bool(says)


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize(
    ("call", "wanted"),
    [("mlp", "keras"), ("model_file(path='m.h5')", "keras"), ("model_file(path='m.onnx')", "onnx")],
)
def test_the_format_of_a_network_is_known_from_its_file_name(call: str, wanted: str) -> None:
    assert format_of(CATALOG, cell_of("digits", call)) == wanted
