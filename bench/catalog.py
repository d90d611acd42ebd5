"""The catalogue: plugins by name, calls of them checked and resolved, files imported where the work is done.

A plugin is a file in one of the folders `KINDS` here, or in a person's own folder; its file name
is its name. See `bench.cards` for what a file says of itself.
"""

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec.structs import replace

from bench.cards import KINDS, Card, Parameter, read_card
from bench.errors import PluginError, nearest
from bench.limits import NotNegative, Positive, Rate, Several, Share
from bench.records import Activation, Cell, DataOptions, Initializer, Momentum, Training, Use

PACKAGE = Path(__file__).parent
OPTIONS = {field.name: field for field in msgspec.structs.fields(DataOptions)}
"""What every dataset can be asked for, beside its own parameters."""

CALLS = {"optimizer": "optimizers", "schedule": "schedules", "loss": "losses"}
"""Training settings that are calls of plugins, with the kind of each."""

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "list": list,
    "tuple": tuple,
    "Activation": Activation,
    "Cell": str,
    "Initializer": Initializer,
    "Momentum": Momentum,
    "NotNegative": NotNegative,
    "Positive": Positive,
    "Rate": Rate,
    "Several": Several,
    "Share": Share,
    "Any": Any,
}
"""What annotations of parameters may name. A cell is written as a quoted call."""

OPTION_PARAMETERS = (
    Parameter("train_size", "int | None", None),
    Parameter("imbalance", "float", 1.0),
    Parameter("label_noise", "float", 0.0),
)
"""`OPTIONS` as a reader sees them."""


class Catalog:
    """All plugins, the shipped ones and those of `folders`; a later folder may not redefine a name."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Remember where to look; nothing is read before it is asked for."""
        for folder in folders:
            if not folder.is_dir():
                raise PluginError(f"{folder}: no such folder of plugins; it should hold {', '.join(KINDS)}")
        self.folders = tuple(folder.absolute() for folder in folders if folder.resolve() != PACKAGE.resolve())

    def __eq__(self, other: object) -> bool:
        """Compare the folders that are looked in."""
        return isinstance(other, Catalog) and self.folders == other.folders

    def __hash__(self) -> int:
        """Hash the folders that are looked in."""
        return hash(self.folders)

    @cached_property
    def _paths(self) -> dict[str, dict[str, Path]]:
        found: dict[str, dict[str, Path]] = {kind: {} for kind in KINDS}
        for kind in KINDS:
            for folder in (PACKAGE, *self.folders):
                for path in sorted((folder / kind).glob("[a-z]*.py")):
                    if path.stem in found[kind]:
                        raise PluginError(f"{path}: {kind} already has a '{path.stem}'; give the file another name")
                    found[kind][path.stem] = path
        return found

    def names(self, kind: str) -> list[str]:
        """Return the names of the plugins of one kind, sorted."""
        return sorted(self._paths[kind])

    def cards(self, kind: str) -> list[Card]:
        """Return the cards of one kind, sorted by name."""
        return [self.card(kind, name) for name in self.names(kind)]

    def card(self, kind: str, name: str) -> Card:
        """Return one plugin's card; raise PluginError with the nearest name if there is none."""
        path = self._paths[kind].get(name)
        if path is None:
            aliases = {alias: call for card in self.cards(kind) for alias, call in card.aliases.items()}
            cure = f"; write {aliases[name]}" if name in aliases else nearest(name, [*self._paths[kind], *aliases])
            own = "" if self.folders else "; for your own: --plugins DIR"
            raise PluginError(f"no {_singular(kind)} '{name}'{cure} (bench list {kind}{own})")
        return read_card(kind, path)

    def resolve(self, kind: str, text: str) -> Use:
        """Turn a call as written into a `Use` with every default filled in and every value of its type.

        A name that the plugin had before stands for what it has become. A parameter that came
        later is left out where it has the value that changes nothing.
        """
        name, given = parse_call(text)
        name, given = self._renamed(kind, name, given)
        card = self.card(kind, name)
        options = OPTIONS if kind == "datasets" else {}
        known = [*(parameter.name for parameter in card.parameters), *options]
        for key in given:
            if key not in known:
                has = f"has {', '.join(known)}" if known else "takes none"
                raise PluginError(f"'{name}' has no parameter '{key}'{nearest(key, known)} ({name} {has})")
        values = {}
        for parameter in card.parameters:
            if parameter.required and parameter.name not in given:
                raise PluginError(f"'{name}' needs the parameter '{parameter.name}': {name}({parameter.name}=…)")
            value = _coerce(name, parameter, given.get(parameter.name, parameter.default))
            if parameter.name not in card.added or value != _coerce(name, parameter, card.added[parameter.name]):
                values[parameter.name] = value
        for key, option in options.items():
            if key in given and (value := _convert(name, key, given[key], option.type)) != option.default:
                values[key] = value
        use = Use(name=name, parameters=values)
        for key, path in self.paths(kind, use).items():
            if not os.path.exists(path):  # noqa: PTH110 (pathlib's raises on names that are too long)
                raise PluginError(f"{name}({key}={path!r}): no such file or folder here ({Path.cwd()})")
        return use

    def _renamed(self, kind: str, name: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return a call under the present name of its plugin."""
        call = None if name in self._paths[kind] else self._former_names(kind).get(name)
        if call is None:
            return name, given
        now, fixed = parse_call(call)
        for key in fixed.keys() & given.keys():
            raise PluginError(f"'{name}' has no parameter '{key}'; it is {call} now: write {now}({key}=…)")
        return now, fixed | given

    @cache  # noqa: B019 (catalogues are few and live as long as the process)
    def _former_names(self, kind: str) -> dict[str, str]:
        return {name: call for card in self.cards(kind) for name, call in card.formerly.items()}

    def former_uses(self, kind: str, use: Use) -> list[Use]:
        """Return what a use was called before its plugin was renamed or merged."""
        found = []
        for name, call in self.card(kind, use.name).formerly.items():
            fixed = self.resolve(kind, call).parameters
            said = parse_call(call)[1].keys()
            if all(use.parameters.get(key) == fixed.get(key) for key in said):
                found.append(Use(name, {key: value for key, value in use.parameters.items() if key not in said}))
        return found

    def variant(self, kind: str, use: Use) -> str:
        """Return a use with the parameters that are not the defaults, or an empty string if all are."""
        defaults = {parameter.name: parameter.default for parameter in self.card(kind, use.name).parameters}
        told = {key: value for key, value in use.parameters.items() if key not in defaults or defaults[key] != value}
        return str(Use(use.name, told)) if told else ""

    def given(self, kind: str, use: Use, door: str | None = None) -> dict[str, Any]:
        """Return what a use hands to a function of its plugin, or to any; see `Card.given`."""
        return self.card(kind, use.name).given(use, door)

    def plain(self, dataset: Use) -> Use:
        """Return a dataset as it is published, without the options that each takes."""
        own = self.given("datasets", dataset)
        return Use(dataset.name, {key: value for key, value in dataset.parameters.items() if key in own})

    def training(self, values: Mapping[str, Any]) -> Training:
        """Return training settings, all of them given; raise PluginError for a value that does not fit."""
        try:
            return msgspec.convert(msgspec.to_builtins(values), Training)
        except msgspec.ValidationError as error:
            fault, _, place = str(error).replace("`", "").partition(" - at $.")
            raise PluginError(f"{place}: {fault[0].lower()}{fault[1:]}") from error

    def with_settings(self, training: Training, settings: Mapping[str, Any]) -> Training:
        """Return training settings with some of them changed, as a suite writes them; the others stay as they were."""
        changed = {key: self.resolve(CALLS[key], value) if key in CALLS else value for key, value in settings.items()}
        return self.training({name: getattr(training, name) for name in training.__struct_fields__} | changed)

    def varied(self, cell: Cell, values: Mapping[str, Any]) -> Cell:
        """Return a cell with other values, by the names of a suite's axes; raise PluginError for what it has not.

        `learning_rate` and every other training setting go by their names, parameters by those of
        what they belong to: `optimizer.momentum`, `architecture.width`, `dropout.rate`.
        """
        for name, value in values.items():
            owner, dot, key = name.partition(".")
            places = [i for i, use in enumerate(cell.techniques) if use.name == owner]
            if not dot and name in Training.__struct_fields__:
                cell = replace(cell, training=self.with_settings(cell.training, {name: value}))
            elif dot and owner in CALLS:
                use = self._with(CALLS[owner], getattr(cell.training, owner), key, value)
                cell = replace(cell, training=replace(cell.training, **{owner: use}))
            elif dot and owner == "architecture":
                cell = replace(cell, architecture=self._with("architectures", cell.architecture, key, value))
            elif dot and places:
                uses = list(cell.techniques)
                uses[places[0]] = self._with("techniques", uses[places[0]], key, value)
                cell = replace(cell, techniques=tuple(uses))
            else:
                owners = [f"{one}.…" for one in ("architecture", *CALLS, *(use.name for use in cell.techniques))]
                known = [*Training.__struct_fields__, *owners]
                raise PluginError(f"no axis '{name}'{nearest(name, known)} (known: {', '.join(known)})")
        return cell

    def _with(self, kind: str, use: Use, key: str, value: Any) -> Use:
        """Return a use with another value of one parameter, left out where it is the one that changes nothing."""
        card = self.card(kind, use.name)
        known = {parameter.name: parameter for parameter in card.parameters}
        if key not in known:
            has = f"has {', '.join(known)}" if known else "takes none"
            raise PluginError(f"'{use.name}' has no parameter '{key}'{nearest(key, known)} ({use.name} {has})")
        others = {name: given for name, given in use.parameters.items() if name != key}
        value = _coerce(use.name, known[key], value)
        if key in card.added and value == _coerce(use.name, known[key], card.added[key]):
            return Use(use.name, others)
        return Use(use.name, others | {key: value})

    def paths(self, kind: str, use: Use) -> dict[str, str]:
        """Return a person's own files that a use names, by parameter; None and the words in `NO_PATHS` name none."""
        facts = self.card(kind, use.name).facts(use)
        named = {key: use.parameters.get(key) for key in facts.paths}
        return {key: str(path) for key, path in named.items() if path not in (None, *facts.no_paths)}

    def load(self, kind: str, name: str) -> ModuleType:
        """Import a plugin. Heavy: for the worker alone."""
        path = self.card(kind, name).path
        module_name = f"bench.{kind}.{name}" if path.parent.parent == PACKAGE else f"bench_plugins.{kind}.{name}"
        if module_name in sys.modules:
            return sys.modules[module_name]
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[module_name]  # or the next node would find half a module
            raise
        return module


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Split `name(key=value, …)` into name and literal values; raise PluginError for anything else."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        is_cut = text.count("(") != text.count(")")
        hint = "; write one call a line, in quotes if it holds ', ', ' #' or ': '" if is_cut else ""
        raise PluginError(f"cannot read the call '{text}'{hint}") from error
    if isinstance(tree, ast.Name):
        return tree.id, {}
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise PluginError(f"'{text}' is not a plugin call like resnet(depth=20)")
    if tree.args or any(keyword.arg is None for keyword in tree.keywords):
        raise PluginError(f"'{text}': name every parameter: {tree.func.id}(name=value)")
    values: dict[str, Any] = {}
    for keyword in tree.keywords:
        assert keyword.arg is not None
        if keyword.arg in values:
            raise PluginError(f"'{text}': {keyword.arg} is said twice")
        try:
            value = ast.literal_eval(_Fractions().visit(keyword.value))
            # Complex numbers, sets, bytes and infinities are Python literals but not JSON.
            values[keyword.arg] = msgspec.json.decode(msgspec.json.encode(_plain(value)))
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            given = ast.unparse(keyword.value)
            cure = f"; text needs quotes: {keyword.arg}='{given}'" if isinstance(keyword.value, ast.Name) else ""
            raise PluginError(
                f"'{text}': {keyword.arg} must be a plain number, text, list or dict; got {given}{cure}"
            ) from error
    return tree.func.id, values


class _Fractions(ast.NodeTransformer):
    """Works out `1/255`, which says more than the number that it is."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Replace a quotient of two numbers by its value."""
        sides = [ast.literal_eval(side) for side in (node.left, node.right)]
        if not isinstance(node.op, ast.Div) or not all(type(side) in {int, float} for side in sides) or not sides[1]:
            raise ValueError("not a quotient of numbers")
        return ast.copy_location(ast.Constant(sides[0] / sides[1]), node)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        raise ValueError("not a finite number")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_text(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(type(value).__name__)


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("keys of a dict must be text")
    return key


def _coerce(plugin: str, parameter: Parameter, value: Any) -> Any:
    if value is None and parameter.default is None and not parameter.required:
        return None
    try:
        wanted = _type_of(parameter.annotation)
    except KeyError as error:
        fault = f"annotated as {parameter.annotation}, which a plan cannot check: it knows {', '.join(_TYPES)}, Literal"
        raise PluginError(f"{plugin}: its parameter '{parameter.name}' is {fault}; write the type out") from error
    return _convert(plugin, parameter.name, value, wanted, parameter.annotation)


def _convert(plugin: str, name: str, value: Any, wanted: Any, annotation: str = "") -> Any:
    try:
        return msgspec.to_builtins(msgspec.convert(value, wanted))
    except msgspec.ValidationError as error:
        fault = str(error).replace("`", "")
        choices = _choices(wanted)
        words = _words(wanted)
        near = (
            nearest(value, [choice for choice in choices if isinstance(choice, str)]) if isinstance(value, str) else ""
        )
        if len(choices) > 12:
            fault = f"not one of its {len(choices)} choices{near}"
        elif choices:
            fault = f"should be {' or '.join(map(repr, choices))}{near}"
        elif words or annotation:
            fault = f"should be {words or annotation}"
            if isinstance(value, str) and re.fullmatch(r"[-+\d.e/ ]+", value):
                fault += "; write it without quotes"
        raise PluginError(f"{plugin}({name}={value!r}): {fault[0].lower()}{fault[1:]}") from error


def described(annotation: str) -> str:
    """Return an annotation for a reader: in words where it names one of this project's ranges."""
    return _words(_TYPES.get(annotation)) or annotation


def _words(wanted: Any) -> str | None:
    return next((meta.description for meta in getattr(wanted, "__metadata__", ())), None)


def _choices(wanted: Any) -> tuple[Any, ...]:
    """Return the values that a type lists, None among them."""
    kinds = get_args(wanted) if get_origin(wanted) is Union else (wanted,)
    listed = [kind for kind in kinds if kind is not type(None)]
    if not all(get_origin(kind) is Literal for kind in listed):
        return ()
    return (*(value for kind in listed for value in get_args(kind)), *([None] if type(None) in kinds else []))


@cache
def _type_of(annotation: str) -> Any:
    """Build the type that an annotation names, without evaluating it; raise KeyError for a name that is not known."""

    def build(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Name(id=name):
                return _TYPES[name]
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return Union[build(left), build(right)]  # noqa: UP007 (a type made at run time)
            case ast.Subscript(value=ast.Name(id="Literal")):
                items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                if not all(isinstance(item, ast.Constant) for item in items):
                    return Any
                return Literal[tuple(ast.literal_eval(item) for item in items)]
            case ast.Subscript(value=ast.Name(id="list"), slice=item):
                return list[build(item)]  # type: ignore[misc]
            case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)) if items:
                if isinstance(items[-1], ast.Constant) and items[-1].value is ...:
                    return tuple[build(items[0]), ...]  # type: ignore[misc]
                return tuple[tuple(build(item) for item in items)]  # type: ignore[misc]
        return Any

    return build(ast.parse(annotation, mode="eval").body) if annotation else Any


def _singular(kind: str) -> str:
    return "loss" if kind == "losses" else kind[:-1]
