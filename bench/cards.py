"""What a plugin's file says of itself, read with `ast` and never imported.

Docstring, keyword-only parameters and upper-case literals are all that planning needs, so nothing
heavy is loaded, and no compute spent, to find out that a suite is wrong.
"""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_origin

import msgspec
from msgspec import Struct

from bench import disk
from bench.errors import PluginError, SuiteError, nearest
from bench.query import Query
from bench.records import ArtifactFormat, Use

DOORS = {
    "architectures": {"build": "inputs, outputs", "read": "folder"},
    "datasets": {"load": ""},
    "techniques": {
        "data": "learn, rng",
        "order": "labels, rng",
        "batch": "x, y, seed",
        "model": "model",
        "gradient": "slope, weights",
        "optimizer": "optimizer",
        "loss": "inner, trainer",
        "callbacks": "trainer",
        "fit": "trainer, model",
        "after": "job",
    },
    "optimizers": {"optimizer": "rate, weight_decay"},
    "schedules": {"factor": "progress", "callbacks": "trainer"},
    "losses": {"loss": "y, outputs"},
    "runtimes": {"deploy": "network", "convert": "network, converted"},
    "diagnostics": {"diagnose": "outcome", "watch": "trainer"},
    "meters": {"figures": "before, after, block", "read": ""},
}
"""The functions that make a file a plugin of its kind, with what they are handed before their own parameters.
Diagnostics, meters, runtimes and schedules must have the first, the others any."""
KINDS = tuple(DOORS)

Input = Literal["image", "table", "any"]
Task = Literal["classification", "hierarchical", "regression"]


class Facts(Struct, frozen=True):
    """A plugin's literals for one use of it, whose parameters some of them may depend on."""

    input: Input | None = None
    """The kind of data that it is (datasets) or takes."""
    task: Task | None = None
    """Of a dataset: what is to be learned."""
    tasks: tuple[Task, ...] | None = None
    """Those that it is for; all unless said."""
    handle: str | None = None
    """Of a dataset: where it comes from, with the version."""
    shape: tuple[int, ...] | None = None
    """Of a dataset's examples, where it is published."""
    outputs: int | None = None
    """Of a dataset: width of a network's answer, where it is published."""
    smallest_side: int = 0
    """Of an architecture: pixels that its images must have a side."""
    preparation: Literal["none"] | None = None
    """`none` for an architecture that scales its inputs itself."""
    formats: dict[str, ArtifactFormat] = {}
    """Of an architecture that is read from a file: formats by suffix."""
    paths: tuple[str, ...] = ()
    """Parameters that name a person's own files."""
    no_paths: tuple[str, ...] = ()
    """Values of those that name none."""
    per_channel: tuple[str, ...] = ()
    """Of an architecture: parameters that are one number, or a list with one for each channel (or column)."""
    backends: tuple[str, ...] | None = None
    """Keras backends that it works on; all unless said."""
    takes: tuple[ArtifactFormat, ...] = ("keras",)
    """Of an `after` technique: the networks that it starts from."""
    gives: ArtifactFormat | None = None
    """Of an `after` technique: the network that it makes; `keras` unless said."""
    needs: tuple[Literal["validation", "pretrained"], ...] = ()
    """What a technique or schedule cannot work without: a part of the data, or a network with weights from elsewhere,
    by the architecture's `weights` or its own."""
    seeds: Literal["all", "first"] | None = None
    """`all` for an `after` technique that makes one network out of those of all seeds; `first` for a diagnostic that
    looks at the network of the first seed and fold alone."""
    figures: tuple[str, ...] = ()
    """Of a diagnostic: measurements that findings can be about."""
    agrees: tuple[str, ...] = ()
    """`Cell` parameters whose networks must answer the question of the cell's own dataset."""
    varies: tuple[str, ...] = ()
    """Parameters of a technique that hold the names of a suite's axes, each with the values to try."""
    excludes: dict[str, str] = {}
    """Of a technique: those that no recipe may hold beside it, each with the reason; never by a parameter."""
    refuses: dict[str, str] = {}
    """Of a technique: expressions over its parameters, as in `--only`, under which it cannot work, with the reasons."""
    step: Literal["batch", "epoch"] = "batch"
    """Of an optimizer: what a step is taken on, a batch or the whole training part."""
    accepts: tuple[ArtifactFormat, ...] = ("keras",)
    """Of a runtime: the networks that it runs; of a diagnostic that says so: those that it looks into."""
    converts: dict[ArtifactFormat, str] = {}
    """Of a runtime: suffix of the file that its `convert` makes of a network, by the formats that it does not run."""
    light: bool = False
    """Of a runtime: whether it needs neither Keras nor TensorFlow to run, and so is timed without them."""
    packages: tuple[str, ...] = ()
    """Of a runtime: what it consists of; their versions are part of a timing's identity."""
    backend: str | None = None
    """Of a runtime: the Keras backend that its processes have, whatever the run's is."""
    install: str = ""
    """Of a runtime that bench does not bring: the command that installs it; the first of `packages` is looked for."""


LITERALS = {
    "architectures": "INPUT TASKS BACKENDS SMALLEST_SIDE PREPARATION FORMATS PATHS NO_PATHS PER_CHANNEL",
    "datasets": "INPUT TASK HANDLE SHAPE OUTPUTS PATHS NO_PATHS",
    "techniques": "INPUT TASKS BACKENDS TAKES GIVES NEEDS SEEDS AGREES VARIES EXCLUDES REFUSES PATHS NO_PATHS",
    "optimizers": "BACKENDS STEP",
    "schedules": "BACKENDS NEEDS",
    "losses": "BACKENDS TASKS",
    "runtimes": "BACKENDS ACCEPTS CONVERTS LIGHT PACKAGES BACKEND INSTALL",
    "diagnostics": "INPUT TASKS BACKENDS ACCEPTS SEEDS FIGURES",
    "meters": "",
}
"""The fields of `Facts` that a plugin of each kind may state, in capitals."""
HISTORY = {"ADDED": dict[str, Any], "FORMERLY": dict[str, str], "ALIASES": dict[str, str]}
"""What any plugin may say of its own past, and of other names that people try."""


class Parameter(Struct, frozen=True):
    """A keyword-only parameter of a plugin."""

    name: str
    annotation: str
    default: Any = None
    required: bool = False

    @property
    def names_cells(self) -> bool:
        """Tell whether its value is the call of another cell, or a list of such."""
        return any(isinstance(node, ast.Name) and node.id == "Cell" for node in ast.walk(_parsed(self.annotation)))


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
    """The fields of `Facts` as the file states them."""
    doors: dict[str, tuple[str, ...]]
    """The parameters that each door takes."""
    added: dict[str, Any]
    """Parameters that came later, with the value that keeps the plugin as it was; frozen for ever."""
    formerly: dict[str, str]
    """Names that the plugin had before, each with the call that does the same now; frozen for ever."""
    aliases: dict[str, str]
    """Other names that a person would try, each with the call to write instead."""

    def facts(self, use: Use) -> Facts:
        """Return the literals for one use; one like `{'labels': {'fine': 100}}` goes by the parameter's value."""
        values = self.added | use.parameters
        return _facts(self, tuple((key, msgspec.json.encode(values.get(key))) for key in _deciding(self)))

    def named(self, use: Use) -> str:
        """Return a use as a reader is told of it: by its name, and by the parameters that its literals go by."""
        return str(Use(use.name, {key: use.parameters[key] for key in _deciding(self) if key in use.parameters}))

    def given(self, use: Use, door: str | None = None) -> dict[str, Any]:
        """Return what a use hands to one of the plugin's functions, or to any: those that came later filled in."""
        values = self.added | use.parameters
        names = [parameter.name for parameter in self.parameters] if door is None else self.doors[door]
        return {name: values[name] for name in names}

    def __hash__(self) -> int:
        """Hash the place."""
        return hash((self.kind, self.path))


@cache
def _deciding(card: Card) -> tuple[str, ...]:
    """Return the parameters that literals go by."""
    return tuple({next(iter(value)) for name, value in card.literals.items() if _by_parameter(card, name, value)})


@cache
def _facts(card: Card, deciding: tuple[tuple[str, bytes], ...]) -> Facts:
    given = {key: msgspec.json.decode(value) for key, value in deciding}
    fields = {}
    for name, value in card.literals.items():
        if _by_parameter(card, name, value):
            parameter = next(iter(value))
            chosen = [one for key, one in value[parameter].items() if key == given[parameter]]
            if not chosen:
                continue
            value = chosen[0]
        fields[name.lower()] = value
    return msgspec.convert(fields, Facts)


def _by_parameter(card: Card, name: str, value: Any) -> bool:
    known = {parameter.name for parameter in card.parameters}
    if name in {"FORMATS", "EXCLUDES", "REFUSES"} or not isinstance(value, dict):
        return False
    return len(value) == 1 and next(iter(value)) in known


@cache
def read_card(kind: str, path: Path) -> Card:
    """Read a plugin's file; raise PluginError, with the line, for anything that is not as the contract says."""
    try:
        tree = ast.parse(disk.read(path))
    except OSError as error:
        raise PluginError(f"{path}: cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PluginError(f"{path}: not a Python file: {error}") from error
    title, fields, about = _docstring(ast.get_docstring(tree) or path.stem)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in DOORS[kind]]
    needed = list(DOORS[kind])[: 1 if kind in {"diagnostics", "meters", "runtimes", "schedules"} else None]
    if not any(function.name in needed for function in functions):
        raise PluginError(f"{path}: no function {' or '.join(needed)}; see CONTRIBUTING.md for the contract")
    parameters: dict[str, Parameter] = {}
    doors = {}
    for function in functions:
        _check_handed(function, DOORS[kind][function.name], path)
        own = _parameters(function, path)
        doors[function.name] = tuple(parameter.name for parameter in own)
        for parameter in own:
            if parameters.setdefault(parameter.name, parameter) != parameter:
                raise PluginError(f"{path}: its functions disagree about the parameter '{parameter.name}'")
    literals = dict(_literals(kind, tree, path, parameters))
    if "CONVERTS" in literals and "convert" not in doors and "convert" not in _made_here(tree):
        raise PluginError(f"{path}: CONVERTS says what its function 'convert' makes, and it has none")
    history = {name: literals.pop(name, {}) for name in HISTORY}
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
        literals=literals,
        doors=doors,
        added=history["ADDED"],
        formerly=history["FORMERLY"],
        aliases=history["ALIASES"],
    )


def _made_here(tree: ast.Module) -> set[str]:
    """Return the names that a file imports from elsewhere or assigns."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    assigned = {target.id for target in targets if isinstance(target, ast.Name)}
    return assigned | {alias.asname or alias.name for node in imports for alias in node.names}


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


def _literals(
    kind: str, tree: ast.Module, path: Path, parameters: dict[str, Parameter]
) -> Iterator[tuple[str, dict[str, Any] | Any]]:
    """Yield the literals that the contract knows; the file's other constants are its own business."""
    known = [*LITERALS[kind].split(), *HISTORY]
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(target, ast.Name) or not node.value:
            continue
        name, place = target.id, f"{path}:{node.lineno}"
        if name not in known:
            if name.isupper() and (near := nearest(name, known, cutoff=0.8)):
                raise PluginError(f"{place}: {name} is no literal of {kind}{near} (one's own may begin with '_')")
            continue
        try:
            value = ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise PluginError(f"{place}: {name} must be a plain literal, as the file is not run to read it") from error
        _check_literal(place, name, value, parameters)
        yield name, value


def _check_literal(place: str, name: str, value: Any, parameters: dict[str, Parameter]) -> None:
    """Raise PluginError for a literal of another type than the contract says."""
    if name in HISTORY:
        wanted: Any = HISTORY[name]
    else:
        wanted = next(field.type for field in msgspec.structs.fields(Facts) if field.name == name.lower())
    values = [value]
    if get_origin(wanted) is not dict and isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in parameters or not isinstance(next(iter(value.values())), dict):
            has = ", ".join(parameters) or "none"
            raise PluginError(
                f"{place}: {name} as a dict goes by a parameter, like {{'mode': {{'a': …}}}} (parameters: {has})"
            )
        values = list(next(iter(value.values())).values())
    for one in values:
        try:
            msgspec.convert(one, wanted)
        except msgspec.ValidationError as error:
            raise PluginError(f"{place}: {name} = {one!r}: {str(error)[0].lower()}{str(error)[1:]}") from error
    for key in (key for one in values if name in {"PER_CHANNEL", "VARIES"} for key in one):
        if key not in parameters:
            raise PluginError(f"{place}: {name}: '{key}' is no parameter{nearest(key, parameters)}")
    for expression in value if name == "REFUSES" else ():
        try:
            Query(expression, f"{place}: REFUSES").matches({key: one.default for key, one in parameters.items()})
        except SuiteError as error:
            raise PluginError(str(error)) from error
    if name == "ADDED":
        for key in value:
            if key not in parameters or parameters[key].required:
                fault = "has no default" if key in parameters else f"is no parameter{nearest(key, parameters)}"
                raise PluginError(f"{place}: ADDED: '{key}' {fault}")


def _check_handed(function: ast.FunctionDef, handed: str, path: Path) -> None:
    """Raise PluginError unless a door takes what it is handed, by whatever names."""
    given = [*function.args.posonlyargs, *function.args.args]
    wanted = handed.split(", ") if handed else []
    if len(given) != len(wanted) or function.args.vararg:
        has = ", ".join([*(argument.arg for argument in given), *(["*…"] if function.args.vararg else [])])
        own = "; parameters of its own stand behind a '*'" if len(given) > len(wanted) else ""
        raise PluginError(f"{path}:{function.lineno}: '{function.name}' is handed ({handed}), and takes ({has}){own}")


def _parameters(function: ast.FunctionDef, path: Path) -> list[Parameter]:
    if function.args.kwarg:
        raise PluginError(f"{path}:{function.lineno}: '**{function.args.kwarg.arg}' hides typing errors; name them")
    found = []
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        try:
            value = None if default is None else ast.literal_eval(default)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise PluginError(f"{path}:{argument.lineno}: the default of '{argument.arg}' is not a literal") from error
        annotation = ast.unparse(argument.annotation) if argument.annotation else ""
        found.append(Parameter(argument.arg, annotation, value, required=default is None))
    return found


@cache
def _parsed(annotation: str) -> ast.expr:
    return ast.parse(annotation or "None", mode="eval").body
