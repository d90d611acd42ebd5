"""What makes a cell the same cell: calls resolved, cells inside cells, names that plugins had before."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import msgspec

from bench.catalog import CALLS, Catalog, parse_call
from bench.errors import PluginError, nearest
from bench.records import Cell, Training, Use, cell_id

Recipes = Mapping[str, Sequence[str]]
OF_SEEDS = "seeds"
"""Stands among the parameters of a technique that takes the networks of all seeds: which these are."""


def source_of(catalog: Catalog, dataset: Use) -> str:
    """Return a dataset's handle and version, or its name where it has none."""
    return catalog.card("datasets", dataset.name).facts(dataset).handle or dataset.name


def training_of(catalog: Catalog, written: Mapping[str, Any]) -> Training:
    """Return training settings as a cell holds them; raise PluginError for a value that does not fit.

    A suite that is older than the optimizers' own parameters may say `momentum` beside them; it
    goes to an optimizer that has one.
    """
    values = {key: value for key, value in written.items() if key != "momentum"}
    for key, kind in CALLS.items():
        values[key] = catalog.resolve(kind, values[key])
    momentum, use = written.get("momentum"), values["optimizer"]
    if momentum is not None and "momentum" in use.parameters:
        if "momentum" in parse_call(written["optimizer"])[1]:
            raise PluginError(f"momentum is said twice: in {written['optimizer']} and beside it")
        values["optimizer"] = Use(use.name, use.parameters | {"momentum": float(momentum)})
    return catalog.training(values)


def complete(
    catalog: Catalog, cell: Cell, recipes: Recipes, inside: tuple[str, ...] = (), seeds: Sequence[int] = ()
) -> Cell:
    """Return a cell with every cell that its techniques name, such as a teacher, resolved within it.

    A cell is named by the call of its architecture, all else being equal but for the recipe, which
    is empty; or by `cell(architecture=…, recipe=…, techniques=[…], dataset=…, epochs=…)`, each of
    these and of the training settings optional. `inside` are the recipes being resolved, `seeds`
    those of the suite, which are part of what a technique of all seeds makes.
    """

    def value_of(value: Any) -> Any:
        if isinstance(value, str):
            return _plain(_named(catalog, cell, value, recipes, inside, seeds))
        return [value_of(item) for item in value] if isinstance(value, list) else value

    techniques = []
    for use in cell.techniques:
        named = [p.name for p in catalog.card("techniques", use.name).parameters if p.names_cells]
        resolved = {key: value_of(use.parameters[key]) for key in named if key in use.parameters}
        facts = catalog.card("techniques", use.name).facts(use)
        if facts.seeds:
            resolved[OF_SEEDS] = list(seeds)
        for key in facts.varies:
            _check_space(catalog, cell, use, use.parameters[key])
        techniques.append(Use(use.name, use.parameters | resolved))
    return msgspec.structs.replace(cell, techniques=tuple(techniques))


def _check_space(catalog: Catalog, cell: Cell, use: Use, space: Any) -> None:
    """Raise PluginError unless a space names axes of the cell, each with values that it takes."""
    where = f"{use.name}'s space"
    if not isinstance(space, dict) or not space:
        raise PluginError(f"{where}: write {{'learning_rate': {{'low': 0.0001, 'high': 0.01, 'log': True}}, …}}")
    for name, values in space.items():
        if reason := _unsearchable(catalog, name):
            raise PluginError(f"{where}: {name} {reason}")
        if isinstance(values, dict):
            if not {"low", "high"} <= values.keys() <= {"low", "high", "log", "step"}:
                raise PluginError(f"{where}: {name}: a range has low, high and, if you like, log or step")
            if not all(isinstance(values[end], (int, float)) for end in ("low", "high")):
                raise PluginError(f"{where}: {name}: low and high must be numbers")
            if not values.get("step", 1) > 0:
                raise PluginError(f"{where}: {name}: a step is above 0")
            if not values["low"] < values["high"] or (values.get("log") and values["low"] <= 0):
                raise PluginError(f"{where}: {name}: low must lie below high, and above 0 on a log scale")
            values = [values["low"], values["high"]]
        if not isinstance(values, list) or not values:
            raise PluginError(f"{where}: {name}: give a list of values, or a range {{'low': …, 'high': …}}")
        for value in values:
            try:
                catalog.varied(cell, {name: value})
            except PluginError as error:
                raise PluginError(f"{where}: {error}") from error


def _unsearchable(catalog: Catalog, name: str) -> str:
    """Return why an axis is nothing that one training of a search may have otherwise than another."""
    if name in {"epochs", "precision", "validation"}:
        return "is the same for all trials; set it in the suite"
    owner, _, key = name.partition(".")
    if owner not in catalog.names("techniques"):
        return ""
    card = catalog.card("techniques", owner)
    if {"data", "fit", "after"} & card.doors.keys():
        return f"cannot vary: {owner} does its work before or after the trials"
    if any(parameter.name == key and parameter.names_cells for parameter in card.parameters):
        return "cannot vary: it names a network, which is trained before"
    return ""


def _named(
    catalog: Catalog, cell: Cell, text: str, recipes: Recipes, inside: tuple[str, ...], seeds: Sequence[int]
) -> Cell:
    name, given = parse_call(text)
    if name != "cell":
        given = {"architecture": text}
    settings = {key: given.pop(key) for key in list(given) if key in Training.__struct_fields__}
    known = ("architecture", "recipe", "techniques", "dataset")
    for key in given:
        if key not in known:
            every = (*known, *Training.__struct_fields__)
            raise PluginError(f"'{text}': a cell has no '{key}'{nearest(key, every)} (it has {', '.join(every)})")
    for key in ("architecture", "recipe", "dataset", *CALLS):
        if not isinstance((given | settings).get(key, ""), str):
            raise PluginError(f"'{text}': {key} must be a call in quotes")
    recipe, calls = given.get("recipe"), given.get("techniques", [])
    if not isinstance(calls, list) or not all(isinstance(call, str) for call in calls):
        raise PluginError(f"'{text}': techniques must be a list of calls in quotes")
    if recipe is not None:
        if recipe not in recipes:
            raise PluginError(f"'{text}': no recipe '{recipe}'{nearest(str(recipe), recipes)}")
        if recipe in inside:
            circle = " → ".join((*inside[inside.index(recipe) :], recipe))
            raise PluginError(f"'{text}': the recipe '{recipe}' names itself: {circle}")
        if calls:
            raise PluginError(f"'{text}': name a recipe or techniques, not both")
        calls, inside = recipes[recipe], (*inside, recipe)
    training = cell.training
    if settings:
        training = catalog.with_settings(training, settings)
    dataset = catalog.resolve("datasets", given["dataset"]) if "dataset" in given else cell.dataset
    found = Cell(
        dataset=dataset,
        source=source_of(catalog, dataset),
        architecture=(
            catalog.resolve("architectures", given["architecture"]) if "architecture" in given else cell.architecture
        ),
        techniques=tuple(catalog.resolve("techniques", call) for call in calls),
        training=training,
    )
    return complete(catalog, found, recipes, inside, seeds)


def _plain(cell: Cell) -> dict[str, Any]:
    """Return a cell as it stands among a technique's parameters."""
    return {"cell": msgspec.json.decode(msgspec.json.encode(cell))}


def former_ids(catalog: Catalog, cell: Cell) -> tuple[str, ...]:
    """Return the ids that a cell had while plugins of it had other names."""
    return tuple(cell_id(form) for form in _forms(catalog, cell)[1:])


def _forms(catalog: Catalog, cell: Cell) -> list[Cell]:
    """Return a cell under all names that its plugins ever had, the present ones first."""
    training = cell.training
    uses = [("datasets", cell.dataset), ("architectures", cell.architecture)]
    uses += [(CALLS[key], getattr(training, key)) for key in CALLS]
    uses += [("techniques", use) for use in cell.techniques]
    forms = []
    for chosen in product(*(_forms_of(catalog, kind, use) for kind, use in uses)):
        dataset, architecture, optimizer, schedule, loss, *techniques = chosen
        forms.append(
            msgspec.structs.replace(
                cell,
                dataset=dataset,
                architecture=architecture,
                techniques=tuple(techniques),
                training=msgspec.structs.replace(training, optimizer=optimizer, schedule=schedule, loss=loss),
            )
        )
    return forms


def _forms_of(catalog: Catalog, kind: str, use: Use) -> list[Use]:
    """Return a use under all names, of the cells within it, too."""
    named = use.cells()
    inner = [[_forms(catalog, cell) for cell in cells] for cells in named.values()]
    found = []
    for chosen in product(*(product(*forms) for forms in inner)):
        values = {}
        for key, cells in zip(named, chosen, strict=True):
            plain = [_plain(cell) for cell in cells]
            values[key] = plain if isinstance(use.parameters[key], list) else plain[0]
        form = Use(use.name, use.parameters | values)
        found += [form, *catalog.former_uses(kind, form)]
    return found
