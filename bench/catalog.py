"""The plugins: read with `ast` for planning, imported only where the work is done.

A plugin is a file in one of the five folders below, here or in a person's own folder; its file
name is its name. What the planner must know stands in the file as docstring, keyword-only
parameters and upper-case literals, so nothing is imported, and no compute spent, to find out
that a suite is wrong.
"""

import ast
import importlib.util
import inspect
import os
import sys
from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from bench.errors import PluginError, nearest
from bench.planning.fingerprints import PACKAGE, code_of, listing
from bench.records import Activation, DataOptions, Initializer, Use

DOORS = {
    "architectures": ("build", "read"),
    "datasets": ("load",),
    "techniques": ("data", "batch", "model", "loss", "callbacks", "fit", "after"),
    "runtimes": ("deploy",),
    "diagnostics": ("diagnose",),
}
"""The functions that make a file a plugin of its kind."""

KINDS = tuple(DOORS)
OPTIONS = {field.name: field for field in msgspec.structs.fields(DataOptions)}
"""What every dataset can be asked for, beside its own parameters."""

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "list": list,
    "tuple": tuple,
    "Activation": Activation,
    "Initializer": Initializer,
}
"""What annotations of parameters may name; others accept anything."""


class Parameter(Struct, frozen=True):
    """A keyword-only parameter of a plugin."""

    name: str
    annotation: str
    default: Any = None
    required: bool = False


OPTION_PARAMETERS = (
    Parameter("train_size", "int | None", None),
    Parameter("imbalance", "float", 1.0),
    Parameter("label_noise", "float", 0.0),
)
"""`OPTIONS` as a reader sees them."""


class Card(Struct, frozen=True):
    """What a plugin's file says of itself."""

    kind: str
    name: str
    path: Path
    title: str
    about: str
    """The docstring's body as Markdown, without the fields below."""
    paper: str | None
    source: str | None
    licence: str | None
    expect: str | None
    parameters: tuple[Parameter, ...]
    literals: dict[str, Any]
    doors: tuple[str, ...]

    def literal(self, name: str, use: Use, default: Any = None) -> Any:
        """Return an upper-case literal; one like `{'labels': {'fine': 100}}` goes by the parameter's value."""
        value = self.literals.get(name, default)
        if isinstance(value, dict) and len(value) == 1 and (parameter := next(iter(value))) in use.parameters:
            return value[parameter].get(use.parameters[parameter], default)
        return value


class Catalog:
    """All plugins, the shipped ones and those of `folders`; a later folder may not redefine a name."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Remember where to look; nothing is read before it is asked for."""
        for folder in folders:
            if not folder.is_dir():
                raise PluginError(f"{folder}: no such folder of plugins; it should hold {', '.join(KINDS)}")
        self.folders = tuple(folder.absolute() for folder in folders)

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
            aliases = self._aliases(kind)
            cure = f"; write {aliases[name]}" if name in aliases else nearest(name, [*self._paths[kind], *aliases])
            own = "" if self.folders else "; for your own: --plugins DIR"
            raise PluginError(f"no {kind[:-1]} '{name}'{cure} (bench list {kind}{own})")
        return _read_card(kind, path)

    def _aliases(self, kind: str) -> dict[str, str]:
        """Return other names that a person would try, each with the call to write instead."""
        found: dict[str, str] = {}
        for path in self._paths[kind].values():
            found |= _read_card(kind, path).literals.get("ALIASES", {})
        return found

    def resolve(self, kind: str, text: str) -> Use:
        """Turn a call as written into a `Use` with every default filled in and every value of its type."""
        name, given = parse_call(text)
        card = self.card(kind, name)
        options = OPTIONS if kind == "datasets" else {}
        known = [*(parameter.name for parameter in card.parameters), *options]
        for key in given:
            if key not in known:
                has = f"has {', '.join(known)}" if known else "takes none"
                raise PluginError(f"'{name}' has no parameter '{key}'{nearest(key, known)} ({name} {has})")
        values = {}
        for parameter in card.parameters:
            if parameter.name in given:
                values[parameter.name] = _coerce(name, parameter, given[parameter.name])
            elif parameter.required:
                raise PluginError(f"'{name}' needs the parameter '{parameter.name}': {name}({parameter.name}=…)")
            else:
                values[parameter.name] = _coerce(name, parameter, parameter.default)
        for key, option in options.items():
            if key in given and (value := _convert(name, key, given[key], option.type)) != option.default:
                values[key] = value
        use = Use(name=name, parameters=values)
        for key, path in self.paths(kind, use).items():
            if not os.path.exists(path):  # noqa: PTH110 (pathlib's raises on names that are too long)
                raise PluginError(f"{name}({key}={path!r}): no such file or folder here ({Path.cwd()})")
        return use

    def variant(self, kind: str, use: Use) -> str:
        """Return a use with the parameters that are not the defaults, or an empty string if all are."""
        defaults = {parameter.name: parameter.default for parameter in self.card(kind, use.name).parameters}
        told = {key: value for key, value in use.parameters.items() if key not in defaults or defaults[key] != value}
        return str(Use(use.name, told)) if told else ""

    def code(self, kind: str, name: str) -> dict[str, str]:
        """Return the fingerprints of a plugin's file and of the modules of bench that it imports."""
        return code_of(f"{kind}/{name}", self.card(kind, name).path)

    def paths(self, kind: str, use: Use) -> dict[str, str]:
        """Return a person's own files that a use names, by parameter; None and the words in `NO_PATHS` name none."""
        literals = self.card(kind, use.name).literals
        named = {key: use.parameters[key] for key in literals.get("PATHS", ())}
        return {key: str(path) for key, path in named.items() if path not in (None, *literals.get("NO_PATHS", ()))}

    def files(self, kind: str, use: Use) -> dict[str, str]:
        """Return the fingerprints of a person's own files that a use names, from their names, sizes and times."""
        return {f"files/{path}": listing(Path(path)) for path in self.paths(kind, use).values()}

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
        hint = (
            "; write one call a line, in quotes if it holds ' #' or ': '" if text.count("(") != text.count(")") else ""
        )
        raise PluginError(f"cannot read the call '{text}'{hint}") from error
    if isinstance(tree, ast.Name):
        return tree.id, {}
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise PluginError(f"'{text}' is not a plugin call like resnet20(width=16)")
    if tree.args or any(keyword.arg is None for keyword in tree.keywords):
        raise PluginError(f"'{text}': name every parameter: {tree.func.id}(name=value)")
    values: dict[str, Any] = {}
    for keyword in tree.keywords:
        assert keyword.arg is not None
        try:
            value = ast.literal_eval(keyword.value)
            # Complex numbers, sets, bytes and infinities are Python literals but not JSON.
            values[keyword.arg] = msgspec.json.decode(msgspec.json.encode(_plain(value)))
        except (ValueError, TypeError, RecursionError, MemoryError) as error:
            given = ast.unparse(keyword.value)
            cure = f"; text needs quotes: {keyword.arg}='{given}'" if isinstance(keyword.value, ast.Name) else ""
            raise PluginError(
                f"'{text}': {keyword.arg} must be a plain number, text, list or dict; got {given}{cure}"
            ) from error
    return tree.func.id, values


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
    return _convert(plugin, parameter.name, value, _type_of(parameter.annotation), parameter.annotation)


def _convert(plugin: str, name: str, value: Any, wanted: Any, annotation: str = "") -> Any:
    try:
        return msgspec.to_builtins(msgspec.convert(value, wanted))
    except msgspec.ValidationError as error:
        fault = str(error).replace("`", "")
        choices = get_args(wanted) if get_origin(wanted) is Literal else ()
        near = (
            nearest(value, [choice for choice in choices if isinstance(choice, str)]) if isinstance(value, str) else ""
        )
        if len(choices) > 12:
            fault = f"not one of its {len(choices)} choices{near}"
        elif choices:
            fault = f"should be {', '.join(map(repr, choices))}{near}"
        elif wanted is Initializer:
            fault = f"should be {Initializer.__metadata__[0].title}"  # type: ignore[attr-defined]
        elif annotation:
            fault = f"should be {annotation}"
        raise PluginError(f"{plugin}({name}={value!r}): {fault[0].lower()}{fault[1:]}") from error


@cache
def _type_of(annotation: str) -> Any:
    """Build the type that an annotation names, without evaluating it; what is not known accepts anything."""

    def build(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=None):
                return None
            case ast.Name(id=name):
                return _TYPES.get(name, Any)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return Union[build(left), build(right)]  # noqa: UP007 (a type made at run time)
            case ast.Subscript(value=ast.Name(id="Literal")):
                items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                return Literal[tuple(ast.literal_eval(item) for item in items)]
            case ast.Subscript(value=ast.Name(id="list"), slice=item):
                return list[build(item)]  # type: ignore[misc]
            case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
                if isinstance(items[-1], ast.Constant) and items[-1].value is ...:
                    return tuple[build(items[0]), ...]  # type: ignore[misc]
                return tuple[tuple(build(item) for item in items)]  # type: ignore[misc]
        return Any

    return build(ast.parse(annotation, mode="eval").body) if annotation else Any


@cache
def _read_card(kind: str, path: Path) -> Card:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"{path}: not a Python file: {error}") from error
    title, fields, about = _docstring(ast.get_docstring(tree) or path.stem)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in DOORS[kind]]
    if not functions:
        raise PluginError(f"{path}: no function {' or '.join(DOORS[kind])}; see CONTRIBUTING.md for the contract")
    parameters: dict[str, Parameter] = {}
    for function in functions:
        for parameter in _parameters(function, path):
            if parameters.setdefault(parameter.name, parameter) != parameter:
                raise PluginError(f"{path}: its functions disagree about the parameter '{parameter.name}'")
    return Card(
        kind=kind,
        name=path.stem,
        path=path,
        title=title,
        about=about,
        paper=fields.get("paper"),
        source=fields.get("source"),
        licence=fields.get("licence"),
        expect=fields.get("expect"),
        parameters=tuple(parameters.values()),
        literals=_literals(tree),
        doors=tuple(function.name for function in functions),
    )


def _docstring(text: str) -> tuple[str, dict[str, str], str]:
    """Split a docstring into title, the fields `Paper:`, `Source:`, `Licence:`, `Expect:`, and the rest."""
    title, _, body = text.partition("\n")
    fields: dict[str, str] = {}
    rest = []
    for paragraph in inspect.cleandoc(body).split("\n\n"):
        name, colon, value = paragraph.strip().partition(":")
        if colon and name in {"Paper", "Source", "Licence", "Expect"}:
            fields[name.lower()] = " ".join(value.split())
        else:
            rest.append(paragraph)
    return title.strip().rstrip("."), fields, "\n\n".join(rest).strip()


def _literals(tree: ast.Module) -> dict[str, Any]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue  # a computed constant is the plugin's own business
    return found


def _parameters(function: ast.FunctionDef, path: Path) -> list[Parameter]:
    if function.args.kwarg:
        raise PluginError(f"{path}:{function.lineno}: '**{function.args.kwarg.arg}' hides typing errors; name them")
    found = []
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        try:
            value = None if default is None else ast.literal_eval(default)
        except ValueError as error:
            raise PluginError(f"{path}:{argument.lineno}: the default of '{argument.arg}' is not a literal") from error
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        found.append(Parameter(argument.arg, annotation, value, required=default is None))
    return found
