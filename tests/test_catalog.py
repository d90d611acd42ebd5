"""Plugins are read without being imported, and calls are checked against them."""

import os
import sys
from pathlib import Path

import pytest

from bench.cards import DOORS, KINDS
from bench.catalog import OPTION_PARAMETERS, OPTIONS, Catalog, parse_call
from bench.errors import PluginError
from bench.files import contents
from bench.planning.fingerprints import code_of, fingerprint
from bench.records import Use

CATALOG = Catalog()
PLUGINS = [(kind, name) for kind in KINDS for name in CATALOG.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_plugin_has_a_card_that_a_reader_can_use(kind: str, name: str) -> None:
    card = CATALOG.card(kind, name)
    assert len(card.title) > 5
    if kind not in {"schedules", "losses"}:
        assert len(card.about) > 80, "say what it does"
    assert set(card.doors) <= set(DOORS[kind])
    assert all(parameter.annotation for parameter in card.parameters)
    if kind in {"architectures", "techniques"}:
        assert card.expect, "state the figure to expect, and where it comes from"
    if kind == "datasets":
        assert card.source
        assert card.licence
        known = {"HANDLE", "INPUT", "TASK"} | ({"PATHS"} if "PATHS" in card.literals else {"SHAPE", "OUTPUTS"})
        assert known <= card.literals.keys()


def test_no_plugin_is_imported_to_be_listed() -> None:
    before = set(sys.modules)
    for kind in KINDS:
        Catalog().cards(kind)
    assert not {name for name in set(sys.modules) - before if name.startswith(("keras", "tensorflow", "sklearn"))}


def test_a_call_gets_its_defaults_and_types() -> None:
    use = CATALOG.resolve("techniques", "prune(learning_rate=1)")
    assert use == Use("prune", {"sparsity": 0.5, "epochs": 2, "learning_rate": 1.0, "by": "keras"})
    assert isinstance(use.parameters["learning_rate"], float)
    assert CATALOG.resolve("techniques", "prune") == CATALOG.resolve("techniques", "prune()")


@pytest.mark.parametrize(
    ("kind", "call", "says"),
    [
        ("architectures", "resnett", "did you mean 'resnet'"),
        ("architectures", "custom_cnn(widht=3)", "no parameter 'widht'; did you mean 'width'"),
        ("architectures", "custom_cnn(width='a')", "width='a'): should be int"),
        ("architectures", "custom_cnn(width=True)", "should be int"),
        ("techniques", "quantize(scheme='int4')", "should be 'int8' or 'int16x8' or"),
        ("techniques", "prune(schedule='linear')", "should be 'constant' or 'polynomial'"),
        ("techniques", "prune(pattern='4:2')", "should be '2:4' or None"),
        ("techniques", "prune(sparsity=80)", "should be a share between 0 and 1, like 0.5"),
        ("techniques", "prune(sparsity='0.8')", "; write it without quotes"),
        ("techniques", "quantize(examples=0)", "should be a whole number from 1 on"),
        ("techniques", "cluster(clusters=1)", "should be a whole number from 2 on"),
        ("techniques", "fine_tune(learning_rate=-1)", "should be a number above 0"),
        ("runtimes", "litert(threads=-1)", "should be a whole number from 0 on"),
        ("architectures", "model_file(path='m.onnx', scale='1/255')", "; write it without quotes"),
        ("architectures", "custom_cnn(3)", "name every parameter"),
        ("architectures", "custom_cnn(**{})", "name every parameter"),
        ("architectures", "custom_cnn(width=", "cannot read the call"),
        ("architectures", "__import__('os').system('true')", "is not a plugin call"),
        ("techniques", "dropout(rate=1e400)", "plain number"),
        ("techniques", "dropout(rate=0.1, rate=0.2)", "rate is said twice"),
        ("techniques", "dropout(rate=1j)", "plain number"),
        ("techniques", "dropout(rate=open('x'))", "plain number"),
        ("diagnostics", "calibration(x=1)", "has bins"),
        ("runtimes", "litert(x=1)", "has threads, delegate"),
        ("datasets", "digits(trainsize=1)", "did you mean 'train_size'"),
        ("datasets", "digits(train_size=0)", "expected int >= 1"),
        ("datasets", "digits(label_noise=1.5)", "expected float < 1.0"),
        ("datasets", "digits(imbalance=0.5)", "expected float >= 1.0"),
        ("datasets", "csv(path='no.csv', target='y')", "no such file"),
        ("architectures", "resnet50", "write imagenet(backbone='ResNet50')"),
        ("architectures", "vgg19", "write vgg16(depth=19)"),
        ("architectures", "densenet121", "write imagenet(backbone='DenseNet121')"),
        ("architectures", "efficientnet_b0", "write imagenet(backbone='EfficientNetB0')"),
        ("architectures", "efficientnet_v2_b0", "write imagenet(backbone='EfficientNetV2B0')"),
        ("architectures", "inception_v3", "write imagenet(backbone='InceptionV3')"),
        ("architectures", "imagenet(backbone='ResNet5')", "did you mean 'ResNet50'"),
        ("architectures", "mlp(activation='rleu')", "did you mean 'relu'?"),
        ("architectures", "mlp(activation=relu)", "text needs quotes: activation='relu'"),
        ("architectures", "mlp(initializer='random_normal(x)')", "random_normal(0.01)"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(kind: str, call: str, says: str) -> None:
    with pytest.raises(PluginError) as caught:
        CATALOG.resolve(kind, call)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_of_a_call_are_json_values() -> None:
    assert parse_call("a(b=[1, 2.5], c={'d': None}, e=(1,), f=-1)") == (
        "a",
        {"b": [1, 2.5], "c": {"d": None}, "e": [1], "f": -1},
    )


def own_plugin(folder: Path, text: str, kind: str = "architectures", name: str = "mine") -> Catalog:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / kind / f"{name}.py").write_text(text)
    return Catalog([folder])


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (
            "techniques",
            "REFUSES = {'nosuch=1': 'w'}\ndef batch(x, y, seed, *, rate: float = 0.1): ...",
            "no field 'nosuch'",
        ),
        (
            "techniques",
            "REFUSES = {'rate=': 'w'}\ndef batch(x, y, seed, *, rate: float = 0.1): ...",
            "cannot read 'rate='",
        ),
        (
            "techniques",
            "VARIES = ('nosuch',)\ndef fit(trainer, model, *, tries: int = 2): ...",
            "'nosuch' is no parameter",
        ),
        (
            "architectures",
            "PER_CHANNEL = ('by',)\ndef build(inputs, outputs, *, width: int = 2): ...",
            "'by' is no parameter",
        ),
    ],
)
def test_a_literal_about_parameters_that_there_are_not_is_an_error_with_its_line(
    tmp_path: Path, kind: str, text: str, says: str
) -> None:
    with pytest.raises(PluginError, match=rf"mine\.py:\d+: .*{says}"):
        own_plugin(tmp_path, f'"""Mine."""\n{text}\n', kind).card(kind, "mine")


def test_a_person_can_add_plugins_of_their_own(tmp_path: Path) -> None:
    catalog = own_plugin(tmp_path, '"""Mine."""\ndef build(inputs, outputs, *, depth: int = 2): ...\n')
    assert catalog.resolve("architectures", "mine(depth=3)") == Use("mine", {"depth": 3})


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("architectures", "def build(inputs, outputs, **options): ...\n", "'**options' hides typing errors"),
        ("architectures", "def bild(inputs, outputs): ...\n", "no function build"),
        ("architectures", "def build(:\n", "not a Python file"),
        ("runtimes", "CONVERTS = {'keras': '.x'}\ndef deploy(network): ...\n", "what its function 'convert' makes"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_named(tmp_path: Path, kind: str, text: str, says: str) -> None:
    with pytest.raises(PluginError, match=r"mine\.py") as caught:
        own_plugin(tmp_path, text, kind).cards(kind)
    assert says in str(caught.value)


def test_a_plugin_whose_parameter_no_plan_can_check_is_named(tmp_path: Path) -> None:
    text = "Mode = str\ndef build(inputs, outputs, *, mode: Mode = 'a'): ...\n"
    with pytest.raises(PluginError, match="its parameter 'mode' is annotated as Mode, which a plan cannot check"):
        own_plugin(tmp_path, text).resolve("architectures", "mine(mode='b')")


def test_a_name_is_never_redefined(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="already has a 'mlp'"):
        own_plugin(tmp_path, "def build(inputs, outputs): ...\n", name="mlp").cards("architectures")


def test_a_literal_can_depend_on_a_parameter(tmp_path: Path) -> None:
    text = "OUTPUTS = {'labels': {'fine': 100, 'coarse': 20}}\ndef load(*, labels: str = 'fine'): ...\n"
    catalog = own_plugin(tmp_path, text, "datasets")
    use = catalog.resolve("datasets", "mine(labels='coarse')")
    assert catalog.card("datasets", "mine").facts(use).outputs == 20


def test_comments_and_docstrings_do_not_change_the_code(tmp_path: Path) -> None:
    first, second, third = tmp_path / "a.py", tmp_path / "b.py", tmp_path / "c.py"
    first.write_text('"""One."""\n\n\ndef f(x):\n    """Say."""\n    return x  # so\n')
    second.write_text('"""Two\nlines."""\n# a comment\ndef f(x):\n    return x\n')
    third.write_text("def f(x):\n    return -x\n")
    assert fingerprint(first) == fingerprint(second) != fingerprint(third)


def test_code_includes_what_is_imported_from_bench_but_not_the_plumbing() -> None:
    code = code_of(CATALOG.card("techniques", "prune"))
    assert {"techniques/prune", "work/twin", "work/training", "work/data"} <= code.keys()
    assert not {"records", "errors", "cards", "catalog", "store"} & code.keys()
    assert code_of(CATALOG.card("datasets", "digits")).keys() == {"datasets/digits", "work/data"}


def test_options_of_datasets_count_only_where_they_are_used() -> None:
    assert CATALOG.resolve("datasets", "digits(label_noise=0, imbalance=1)") == CATALOG.resolve("datasets", "digits")
    used = CATALOG.resolve("datasets", "digits(label_noise=0.1, train_size=90)")
    assert used.parameters == {"train_size": 90, "label_noise": 0.1}
    assert {p.name: p.default for p in OPTION_PARAMETERS} == {name: o.default for name, o in OPTIONS.items()}


def test_a_persons_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    use, cache = CATALOG.resolve, tmp_path / "cache.json"
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "mine.csv").write_text("a,b\n1,2\n")
    os.utime(tmp_path / "there" / "mine.csv", (1, 1))
    here, there = (contents.fingerprint(tmp_path / place, cache) for place in ("here", "there"))
    assert here == there
    (tmp_path / "here" / "mine.csv").write_text("a,b\n1,3\n")
    assert contents.fingerprint(tmp_path / "here" / "mine.csv", cache) != contents.fingerprint(
        tmp_path / "there" / "mine.csv", cache
    )
    assert contents.of_use(CATALOG, "datasets", use("datasets", "digits"), cache) == {}


def test_contents_are_read_once_while_size_and_time_stay(tmp_path: Path) -> None:
    file, cache = tmp_path / "mine.csv", tmp_path / "cache.json"
    file.write_text("a,b\n")
    before, state = contents.fingerprint(file, cache), file.stat()
    file.write_text("c,d\n")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert contents.fingerprint(file, cache) == before, "remembered"
    cache.write_text("{")
    assert contents.fingerprint(file, cache) != before, "a broken cache is no cache"
