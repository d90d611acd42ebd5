"""What a cell is, and that growth leaves it alone: parameters that came later, renamed plugins, cells inside cells."""

import json
from pathlib import Path
from typing import Any

import factory
import msgspec
import pytest

from bench import store, upgrades
from bench.cards import KINDS
from bench.catalog import Catalog
from bench.dataset_record import DatasetRecord
from bench.errors import PluginError, SuiteError
from bench.planning import identity, suite
from bench.planning.proof import Proof
from bench.records import (
    SCHEMA,
    DataOptions,
    Record,
    Training,
    Use,
    cell_id,
)
from bench.suite_record import SuiteRecord

CATALOG = Catalog()
ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def test_what_was_added_and_renamed_is_frozen_for_ever() -> None:
    """An entry may be added here with the plugin that states it; none is ever changed or taken away."""
    cards = [card for kind in KINDS for card in CATALOG.cards(kind)]
    found: dict[str, Any] = {
        f"{card.kind}/{card.name}": {"ADDED": card.added, "FORMERLY": card.formerly}
        for card in cards
        if card.added or card.formerly
    }
    for name, struct in (("training", Training), ("data options", DataOptions)):
        fields = [field for field in msgspec.structs.fields(struct) if field.default is not msgspec.NODEFAULT]
        found[name] = {"ADDED": {field.name: field.default for field in fields}}
    assert found == json.loads((GOLDEN / "history.json").read_text())


def test_a_field_is_added_with_a_new_schema_alone() -> None:
    """If this fails, raise SCHEMA, tell bench.upgrades, and write the new golden file."""
    found = [fields_alone(msgspec.json.schema(kind)) for kind in (Record, SuiteRecord, DatasetRecord, Proof)]
    golden = json.loads((GOLDEN / f"schema-{SCHEMA}.json").read_text())
    assert json.loads(json.dumps(found)) == golden


def fields_alone(schema: Any) -> Any:
    """Return a schema without texts and ranges, which may change as they please."""
    loose = {"description", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    loose |= {"minLength", "maxLength", "minItems", "maxItems"}
    if isinstance(schema, dict):
        return {
            key: fields_alone(value)
            for key, value in schema.items()
            if key not in loose or not isinstance(value, (str, int, float))
        }
    return [fields_alone(one) for one in schema] if isinstance(schema, list) else schema


def test_every_committed_record_is_found_under_a_cell_of_its_suite() -> None:
    headers, problems = store.headers(ROOT / "results")
    assert not problems
    for name in {header.suite for header in headers}:
        cells = {row.cell_id for row in suite.read(ROOT / "suites" / f"{name}.yaml", CATALOG).cells}
        recorded = {header.cell_id for header in headers if header.suite == name}
        assert recorded <= cells, name


def test_a_parameter_that_came_later_is_no_part_of_the_cell_while_it_changes_nothing() -> None:
    plain = CATALOG.resolve("architectures", "mlp(width=8)")
    assert plain == CATALOG.resolve("architectures", "mlp(width=8, initializer='glorot', dropout=0, batch_norm=False)")
    assert plain.parameters.keys() == {"width", "depth", "activation"}
    assert CATALOG.resolve("architectures", "mlp(dropout=0.5)").parameters["dropout"] == 0.5
    assert CATALOG.given("architectures", plain)["initializer"] == "glorot", "the worker is told nonetheless"


LATER = "ADDED = {'slope': 1.0}\ndef build(inputs, outputs, *, width: int = 4, slope: float = 2.0): ...\n"


def own(folder: Path, text: str, name: str = "mine") -> Catalog:
    (folder / "architectures").mkdir(parents=True, exist_ok=True)
    (folder / "architectures" / f"{name}.py").write_text(text)
    return Catalog([folder])


def test_what_came_later_is_filled_from_added_and_never_from_the_default(tmp_path: Path) -> None:
    catalog = own(tmp_path, LATER)
    before = Use("mine", {"width": 4})
    assert catalog.given("architectures", before)["slope"] == 1.0
    assert catalog.resolve("architectures", "mine").parameters == {"width": 4, "slope": 2.0}
    assert catalog.resolve("architectures", "mine(slope=1)") == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ADDED = {'slope': WIDTH}\n", "mine.py:1: ADDED must be a plain literal"),
        ("ADDED = {'slop': 1.0}\n", "ADDED: 'slop' is no parameter; did you mean 'slope'"),
        ("ADDED = ['slope']\n", "mine.py:1: ADDED = \\['slope'\\]: expected `object`, got `array`"),
        ("SMALEST_SIDE = 4\n", "mine.py:1: SMALEST_SIDE is no literal of architectures; did you mean 'SMALLEST_SIDE'"),
        ("SMALLEST_SIDE = '4'\n", "mine.py:1: SMALLEST_SIDE = '4': expected `int`, got `str`"),
        ("INPUT: str = 'picture'\n", "mine.py:1: INPUT = 'picture': invalid enum value 'picture'"),
        ("INPUT = {'slope': 'image'}\n", "mine.py:1: INPUT as a dict goes by a parameter"),
        ("INPUT = {'slope': {1.0: 'photo'}}\n", "INPUT = 'photo': invalid enum value"),
        ("\n", None),
        ("STAGES = {3: 'a'}\nTABLE = open\n", None),
    ],
)
def test_a_literal_that_is_misspelt_or_of_another_type_is_named_with_its_line(
    tmp_path: Path, text: str, says: str | None
) -> None:
    catalog = own(tmp_path, text + "def build(inputs, outputs, *, slope: float = 1.0): ...\n")
    if says is None:
        assert catalog.card("architectures", "mine").literals == {}
        return
    with pytest.raises(PluginError, match=says):
        catalog.card("architectures", "mine")


def test_a_name_that_a_plugin_had_before_is_still_understood(tmp_path: Path) -> None:
    assert CATALOG.resolve("architectures", "resnet20(width=8)") == CATALOG.resolve(
        "architectures", "resnet(depth=20, width=8)"
    )
    with pytest.raises(PluginError, match=r"'resnet20' has no parameter 'depth'; it is resnet\(depth=20\) now"):
        CATALOG.resolve("architectures", "resnet20(depth=3)")


def test_records_of_a_renamed_plugin_are_handed_out_under_the_present_id(tmp_path: Path) -> None:
    text = "def build(inputs, outputs, *, width: int = 4): ...\n"
    before = own(tmp_path / "before", text, "small_net")
    after = own(
        tmp_path / "after",
        "FORMERLY = {'small_net': 'net(size=\"small\")'}\n"
        "def build(inputs, outputs, *, size: str = 'large', width: int = 4): ...\n",
        "net",
    )
    of = msgspec.structs.replace(factory.cell(), architecture=before.resolve("architectures", "small_net(width=9)"))
    now = msgspec.structs.replace(of, architecture=after.resolve("architectures", "small_net(width=9)"))
    assert now.architecture == Use("net", {"size": "small", "width": 9})
    assert identity.former_ids(after, now) == (cell_id(of),)
    large = msgspec.structs.replace(of, architecture=after.resolve("architectures", "net"))
    assert identity.former_ids(after, large) == ()
    row = msgspec.structs.replace(factory.suite_cell(now), formerly=(cell_id(of),))
    store.write_suite(tmp_path / "results", factory.suite_record([row]))
    store.write(tmp_path / "results", factory.record(of))
    (record,) = store.read(tmp_path / "results").records
    assert record.cell_id == cell_id(now)


def cell_of(*techniques: str, recipes: dict[str, list[str]] | None = None, **fields: Any) -> Any:
    made = factory.cell(**fields)
    made = msgspec.structs.replace(made, techniques=tuple(CATALOG.resolve("techniques", call) for call in techniques))
    return identity.complete(CATALOG, made, recipes or {})


def test_a_teacher_is_a_cell_inside_the_cell() -> None:
    student = cell_of("distill(teacher='mlp(width=256)')", epochs=7)
    (teacher,) = student.techniques[0].cells()["teacher"]
    assert teacher.architecture == CATALOG.resolve("architectures", "mlp(width=256)")
    assert (teacher.dataset, teacher.training, teacher.techniques) == (student.dataset, student.training, ())
    assert cell_id(student) != cell_id(cell_of("distill(teacher='mlp(width=255)')", epochs=7))
    assert str(student.techniques[0]).startswith("distill(teacher=\"mlp(width=256, depth=2, activation='relu')\"")
    text = msgspec.json.encode(student)
    assert msgspec.json.decode(text, type=type(student)) == student


def test_a_teacher_may_differ_in_all_that_a_cell_has() -> None:
    call = "cell(architecture='lenet5', recipe='shifted', dataset='mnist', epochs=3, optimizer='sgd(momentum=0.5)')"
    (named,) = cell_of(f'distill(teacher="{call}")', recipes={"shifted": ["augment(shift=1)"]}).techniques
    (teacher,) = named.cells()["teacher"]
    assert (teacher.dataset.name, teacher.source) == ("mnist", "hojjatk/mnist-dataset/versions/1")
    assert [use.name for use in teacher.techniques] == ["augment"]
    assert (teacher.training.epochs, teacher.training.optimizer.parameters["momentum"]) == (3, 0.5)
    assert teacher.training.learning_rate == factory.settings().learning_rate


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("cell(recipe='a')", "the recipe 'a' names itself: a → a"),
        ("cell(recipe='b')", "the recipe 'a' names itself: a → b → a"),
        ("cell(recipe='z')", "no recipe 'z'"),
        ("cell(architecture='lenett')", "no architecture 'lenett'; did you mean 'lenet5'"),
        ("cell(epoch=3)", "a cell has no 'epoch'; did you mean 'epochs'"),
        ("cell(epochs='many')", "epochs: expected int, got str"),
        ("cell(recipe='b', techniques=['dropout'])", "name a recipe or techniques, not both"),
        ("mlp(", "cannot read the call"),
        ("cell(techniques=5)", "techniques must be a list of calls in quotes"),
        ("cell(techniques='dropout')", "techniques must be a list of calls in quotes"),
        ("cell(dataset=5)", "dataset must be a call in quotes"),
        ("cell(recipe=['a'])", "recipe must be a call in quotes"),
        ("cell(optimizer=5)", "optimizer must be a call in quotes"),
        ("mlp(width=3, width=4)", "width is said twice"),
    ],
)
def test_a_cell_that_cannot_be_meant_is_refused_with_the_recipes_line(tmp_path: Path, call: str, says: str) -> None:
    recipes = {"a": [f'distill(teacher="{call}")'], "b": ["distill(teacher=\"cell(recipe='a')\")"]}
    text = {"title": "T", "datasets": ["digits"], "architectures": ["mlp"], "recipes": recipes, "seeds": [0]}
    (tmp_path / "mine.yaml").write_text(json.dumps(text))
    with pytest.raises(SuiteError) as error:
        suite.read(tmp_path / "mine.yaml", CATALOG)
    assert says in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'mine.yaml'}:")


def test_students_of_a_renamed_teacher_are_found(tmp_path: Path) -> None:
    text = "def build(inputs, outputs): ...\n"
    before, after = own(tmp_path / "a", text, "old"), own(tmp_path / "b", "FORMERLY = {'old': 'new'}\n" + text, "new")

    def student(catalog: Catalog) -> Any:
        made = factory.cell()
        use = catalog.resolve("techniques", "distill(teacher='old')")
        return identity.complete(catalog, msgspec.structs.replace(made, techniques=(use,)), {})

    assert cell_id(student(before)) in identity.former_ids(after, student(after))


def test_a_teachers_settings_stay_as_they_were_resolved(tmp_path: Path) -> None:
    (tmp_path / "optimizers").mkdir()
    (tmp_path / "optimizers" / "opt.py").write_text(
        "ADDED = {'k': 0.0}\ndef optimizer(rate, weight_decay, *, k: float = 0.5): ...\n"
    )
    catalog = Catalog([tmp_path])
    made = factory.cell(optimizer=catalog.resolve("optimizers", "opt(k=0.0)"))
    use = catalog.resolve("techniques", 'distill(teacher="cell(epochs=3)")')
    found = identity.complete(catalog, msgspec.structs.replace(made, techniques=(use,)), {})
    (teacher,) = found.techniques[0].cells()["teacher"]
    assert teacher.training == msgspec.structs.replace(made.training, epochs=3)


def test_an_ensemble_of_other_seeds_is_another_cell(tmp_path: Path) -> None:
    def ids(seeds: str) -> list[str]:
        text = "title: T\ndatasets: [digits]\narchitectures: [mlp]\nrecipes: {a: [ensemble], b: []}\nseeds: "
        (tmp_path / "mine.yaml").write_text(text + seeds)
        return [row.cell_id for row in suite.read(tmp_path / "mine.yaml", CATALOG).cells]

    (three, plain), (two, same) = ids("[0, 1, 2]"), ids("[0, 1]")
    assert three != two
    assert plain == same


def test_a_momentum_beside_the_optimizer_goes_to_those_that_have_one(tmp_path: Path) -> None:
    text = "title: T\ndatasets: [digits]\narchitectures: [mlp]\ntraining:\n  momentum: 0.8\n  optimizer: "

    def optimizers(written: str) -> list[str]:
        (tmp_path / "mine.yaml").write_text(text + written)
        return [str(row.cell.training.optimizer) for row in suite.read(tmp_path / "mine.yaml", CATALOG).cells]

    assert optimizers("[sgd, adam]") == ["sgd(momentum=0.8, nesterov=True)", "adam"]
    with pytest.raises(SuiteError, match="momentum is said twice"):
        optimizers("sgd(momentum=0.1)")


def test_a_schema_1_cell_is_found_where_todays_suites_look_for_it() -> None:
    old: dict[str, Any] = json.loads((GOLDEN / "record-schema-1.json").read_text())
    old["cell"]["architecture"] = {"name": "resnet32", "parameters": {"width": 8, "initializer": "he"}}
    old["cell"]["training"] |= {"optimizer": "sgd", "momentum": 0.5, "schedule": "cosine"}
    where = Path("old.json")
    record = upgrades.decode(json.dumps(old).encode(), Record, str(where))
    assert record.cell.architecture == Use("resnet", {"depth": 32, "width": 8})
    assert record.cell.training.optimizer == CATALOG.resolve("optimizers", "sgd(momentum=0.5)")
    assert record.cell.training.schedule == Use("cosine")
    assert record.cell_id == cell_id(record.cell)
    old["cell"]["training"]["optimizer"] = "adam"
    other = upgrades.decode(json.dumps(old | {"x": 1}).encode(), Record, str(where))
    assert other.cell.training.optimizer == Use("adam"), "which never used a momentum"
