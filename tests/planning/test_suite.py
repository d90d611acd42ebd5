"""Suites are checked to the last key before any compute; every error names file, line and cure."""

from pathlib import Path

import pytest
from conftest import ROOT

from bench.catalog import Catalog
from bench.errors import SuiteError
from bench.planning import plan, suite, suite_file

CATALOG = Catalog()
MINIMAL = "title: T\ndatasets: [digits]\narchitectures: [mlp]\n"


def read(folder: Path, text: str) -> suite.Suite:
    path = folder / "mine.yaml"
    path.write_text(text)
    return suite.read(path, CATALOG)


@pytest.mark.parametrize("path", sorted((ROOT / "suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_suite_is_read(path: Path) -> None:
    found = suite.read(path, CATALOG)
    assert found.cells
    assert found.written.expect.duration
    assert found.written.about


def test_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, MINIMAL)
    assert [cell.recipe for cell in found.cells] == ["baseline"]
    assert found.baseline == "baseline"
    assert found.written.seeds == (0, 1, 2)
    assert found.cells[0].cell.training.epochs == 10


def test_a_list_in_training_is_one_more_axis(tmp_path: Path) -> None:
    found = read(tmp_path, MINIMAL + "training:\n  learning_rate: [1e-3, 0.01]\n  epochs: 3\n")
    assert [cell.cell.training.learning_rate for cell in found.cells] == [0.001, 0.01]
    assert [cell.label for cell in found.cells] == [
        "mlp · baseline · learning_rate=0.001",
        "mlp · baseline · learning_rate=0.01",
    ]


def test_rules_leave_out_cells_and_keep_the_reason(tmp_path: Path) -> None:
    text = (
        MINIMAL + "recipes: {baseline: [], dropped: [dropout]}\nexclude:\n- {when: recipe=dropped, reason: too slow}\n"
    )
    found = read(tmp_path, text)
    assert [cell.recipe for cell in found.cells] == ["baseline"]
    assert [(row.label, row.reason) for row in found.exclusions] == [("mlp · dropped", "too slow")]
    text = (
        MINIMAL
        + "recipes: {baseline: [], dropped: [dropout]}\ninclude:\n- {when: recipe=dropped, reason: of interest}\n"
    )
    assert [cell.recipe for cell in read(tmp_path, text).cells] == ["dropped"]


BAD = [
    (MINIMAL + "datsets: [digits]", 4, "unknown key 'datsets'; did you mean 'datasets'?"),
    (MINIMAL + "training:\n  epoch: 3", 5, "unknown key 'epoch'; did you mean 'epochs'?"),
    (MINIMAL + "measure:\n  runtime: [litert]", 5, "unknown key 'runtime'; did you mean 'runtimes'?"),
    (MINIMAL + "measure:\n  profile: quick", 5, "measure.profile: no 'quick' (known: smoke, standard, rigorous)"),
    (MINIMAL + "training:\n  precision: float31", 5, "(known: float32, mixed_bfloat16, mixed_float16)"),
    (
        MINIMAL + "training:\n  precision: [float32, float31]",
        5,
        "no 'float31'; did you mean 'float32'? (known: float32,",
    ),
    (
        MINIMAL + "findings:\n- statement: x\n  compare: a\n  against: b\n  expect: more",
        8,
        "(known: higher, lower, equal)",
    ),
    (MINIMAL + "findings:\n- statment: x", 5, "unknown key 'statment'; did you mean 'statement'?"),
    (
        "title: T\ndatasets: [digits]\narchitectures:\n  - mlp\n  - resnet2\n",
        5,
        "no architecture 'resnet2'; did you mean",
    ),
    ("title: T\ndatasets: [digit]\narchitectures: [mlp]\n", 2, "no dataset 'digit'; did you mean 'digits'?"),
    (MINIMAL + "recipes:\n  a: []\n  b: [dropot]\n", 6, "no technique 'dropot'; did you mean 'dropout'?"),
    (MINIMAL + "recipes:\n  a: [dropout(rat=1)]\n", 5, "no parameter 'rat'; did you mean 'rate'?"),
    (MINIMAL + "recipes:\n  a: ['dropout(rate=''x'')']\n", 5, "should be float"),
    (MINIMAL + "training:\n  epochs: many", 5, "expected `int | array | null`, got `str`"),
    (MINIMAL + "training:\n  epochs: 0", 5, ">= 1"),
    (MINIMAL + "training:\n  epochs: []", 5, "length >= 1"),
    (MINIMAL + "training:\n  optimizer: adm", 5, "no optimizer 'adm'; did you mean 'adam'"),
    (MINIMAL + "seeds: []", 4, "length >= 1"),
    (MINIMAL + "seeds: [0, 0]", 4, "holds 0 twice"),
    (MINIMAL + "seeds: [-1]", 4, ">= 0"),
    ("title: T\narchitectures: [mlp]\ndatasets: []\n", 3, "length >= 1"),
    ("title: T\narchitectures: [mlp]\n", 1, "the key 'datasets' is missing"),
    ("title: T\ndatasets: [digits]\narchitectures: [mlp, mlp()]\n", 3, "'mlp()' is there twice"),
    (MINIMAL + "recipes:\n  a: []\n  a: [dropout]\n", 6, "'a' is there twice"),
    (MINIMAL + "recipes:\n  a: []\n  b: []\n", 6, "'a' and 'b' are the same"),
    (MINIMAL + "baseline: plain", 4, "no recipe 'plain'"),
    (MINIMAL + "exclude:\n- when: architecture=mlp\n  reason: all of it", 4, "exclude every cell"),
    (MINIMAL + "exclude:\n- when: architecture=lenet5\n  reason: none", 5, "no cell of the grid matches"),
    (MINIMAL + "exclude:\n- when: archi=lenet5\n  reason: none", 5, "no field 'archi'; did you mean 'architecture'?"),
    (
        MINIMAL + "findings:\n- {statement: s, compare: recipe=x, against: recipe=baseline}",
        5,
        "no run of the suite matches",
    ),
    (MINIMAL + "about: *a", 4, "broken YAML"),
    (MINIMAL + "about: &a text", 4, "anchors"),
    (MINIMAL + "about: !!python/object/apply:os.system [true]", 4, "the tag"),
    (MINIMAL + "about: [1,\nseeds: {", 5, "broken YAML"),
    (
        "title: T\ndatasets: [digits]\narchitectures: [custom_cnn(width=3, depth=1), mlp]\n",
        3,
        "one call a line, in quotes",
    ),
    ("- title", 1, "a suite is a mapping"),
    (MINIMAL + "seeds: [.inf]", 4, "not a number"),
    (MINIMAL + "training: {learning_rate: 1e999}", 4, "not a finite number"),
    (MINIMAL + "title: again", 4, "'title' is there twice"),
]


@pytest.mark.parametrize(("text", "line", "says"), BAD, ids=[row[2][:40] for row in BAD])
def test_bad_input_is_one_line_with_file_line_and_cure(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'mine.yaml'}:{line}: "), message
    assert says in message
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_a_suite_that_is_not_there(workplace: Path) -> None:
    with pytest.raises(SuiteError, match="did you mean 'digits'"):
        suite.find("digit")


def test_the_schema_knows_every_key() -> None:
    schema = suite_file.schema()
    fields = schema["$defs"]["SuiteFile"]["properties"]
    assert {
        "title",
        "datasets",
        "architectures",
        "recipes",
        "training",
        "seeds",
        "folds",
        "include",
        "exclude",
    } <= fields.keys()
    assert schema["$defs"]["SuiteFile"]["additionalProperties"] is False


def test_a_path_is_known_by_its_name_where_that_is_enough(tmp_path: Path) -> None:
    for name in ("a/net.keras", "b/net.keras", "b/other.tflite"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    calls = [f"model_file(path='{tmp_path}/{name}')" for name in ("a/net.keras", "b/other.tflite", "b/net.keras")]

    def labels(*calls: str) -> list[str]:
        listed = "".join(f'  - "{call}"\n' for call in calls)
        return [cell.label for cell in read(tmp_path, f"title: T\ndatasets: [digits]\narchitectures:\n{listed}").cells]

    assert labels(*calls[:2]) == [
        "model_file(path='net.keras') · baseline",
        "model_file(path='other.tflite') · baseline",
    ]
    assert labels(calls[0], calls[2]) == [f"{calls[0]} · baseline", f"{calls[2]} · baseline"]


def test_a_percentile_with_too_few_calls_is_refused_with_the_number_that_it_needs(tmp_path: Path) -> None:
    text = MINIMAL + "measure:\n  profile: PROFILE\n  percentiles: [95, 99.9]\n  batch_sizes: [SIZES]\n"

    def measured(profile: str, sizes: str) -> suite.Suite:
        return read(tmp_path, text.replace("PROFILE", profile).replace("SIZES", sizes))

    for profile, sizes, says in (
        ("standard", "1", "standard makes 662 at batch size 1; take a lower one, or profile: rigorous"),
        ("standard", "1, 64", "standard makes 165 at batch size 64; take a lower one"),
        ("rigorous", "1, 64", "rigorous makes 6,144 at batch size 64; take a lower one, or batch_sizes: [1]"),
        ("smoke", "1", "smoke makes 64 at batch size 1; take a lower one, or profile: standard"),
    ):
        with pytest.raises(SuiteError, match=r"mine\.yaml:6: p9.* timed calls, the profile ") as caught:
            measured(profile, sizes)
        assert str(caught.value).endswith(says)
    (spec, *_) = measured("rigorous", "1").measures
    assert spec.percentiles == (95.0, 99.9)


def test_a_suite_that_names_no_runtime_times_each_format_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.onnx").touch()
    usual = [spec.name for spec in read(tmp_path, MINIMAL).measures]
    assert usual == ["keras_predict", "tf_function", "litert"]
    text = MINIMAL.replace("[mlp]", "[mlp, \"model_file(path='mine.onnx')\"]")
    assert [spec.name for spec in read(tmp_path, text).measures] == [*usual, "onnxruntime"]
    named = plan.make(
        read(tmp_path, text + "measure: {runtimes: [litert]}\n"), CATALOG, tmp_path / "results", tmp_path / "artifacts"
    )
    (note,) = named.notes
    assert note == "no runtime of the suite runs onnx networks, which are not timed; add one: onnxruntime, openvino"
