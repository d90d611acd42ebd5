"""Whether the parts of a cell can go together at all, from the literals in their files."""

from pathlib import Path

from bench.cards import Card
from bench.catalog import OPTIONS, Catalog
from bench.query import Query
from bench.records import ArtifactFormat, Cell, Use

EVALUATED_ON: dict[ArtifactFormat, str] = {
    "keras": "keras_predict",
    "litert": "litert",
    "onnx": "onnxruntime",
    "openvino": "openvino",
}
"""The runtime on which an artifact's accuracy is taken, by its format."""

Part = tuple[Card, Use]
"""A plugin with the use that a cell makes of it."""


def is_trained(architecture: Card) -> bool:
    """Tell whether an architecture is built and trained; the others are read from a file."""
    return "build" in architecture.doors


def is_seeded(catalog: Catalog, cell: Cell) -> bool:
    """Tell whether a cell has a network for each seed; not one that is read from a file or made of all seeds."""
    if not is_trained(catalog.card("architectures", cell.architecture.name)):
        return False
    return not any(catalog.card("techniques", use.name).facts(use).seeds for use in cell.techniques)


def format_of(catalog: Catalog, cell: Cell) -> ArtifactFormat:
    """Return the format of a cell's network; KeyError for a file of no known one."""
    given = [catalog.card("techniques", use.name).facts(use).gives for use in cell.techniques]
    formats = [form for form in given if form]
    return formats[-1] if formats else _first_format(catalog.card("architectures", cell.architecture.name), cell)


def _first_format(architecture: Card, cell: Cell) -> ArtifactFormat:
    """Return the format of an architecture's network before any technique."""
    if is_trained(architecture):
        return "keras"
    formats = architecture.facts(cell.architecture).formats
    return formats[_suffix(Path(cell.architecture.parameters["path"]))]


def _suffix(path: Path) -> str:
    """Return the ending that a file's format goes by; a folder has none, whatever its name."""
    return "" if path.is_dir() else path.suffix.lower()


def unsupported(catalog: Catalog, cell: Cell, backend: str) -> str:
    """Return why a cell's parts cannot go together, or an empty string if they can."""
    dataset = catalog.card("datasets", cell.dataset.name)
    architecture = catalog.card("architectures", cell.architecture.name)
    techniques = [(catalog.card("techniques", use.name), use) for use in cell.techniques]
    training = cell.training
    parts: list[Part] = [(architecture, cell.architecture), *techniques]
    parts += [(catalog.card("losses", training.loss.name), training.loss)]
    parts += [(catalog.card("optimizers", training.optimizer.name), training.optimizer)]
    parts += [(catalog.card("schedules", training.schedule.name), training.schedule)]
    for card, use in parts:
        if reason := _unsupported_part(card, use, dataset, cell, backend):
            return reason
    return (
        _unsupported_data(cell, dataset, architecture)
        or _unsupported_file(cell, architecture, techniques)
        or _unsupported_order(cell, architecture, techniques)
        or _unsupported_cells(catalog, cell, techniques, backend)
    )


TAKEOVERS = {"fit": "both take over the training", "order": "both pick the examples of an epoch"}
"""Doors that one technique of a recipe may open, with what two of them would do."""


def excluded(catalog: Catalog, technique: Card) -> dict[str, str]:
    """Return the techniques that no recipe may hold beside one, with the reason; each goes for both."""
    found = dict(_excludes(technique))
    for other in catalog.cards("techniques"):
        if other.name == technique.name:
            continue
        shared = [why for door, why in TAKEOVERS.items() if door in technique.doors and door in other.doors]
        for why in (*shared, *(reason for name, reason in _excludes(other).items() if name == technique.name)):
            found.setdefault(other.name, why)
    return dict(sorted(found.items()))


def _excludes(technique: Card) -> dict[str, str]:
    return technique.literals.get("EXCLUDES", {})  # type: ignore[no-any-return]


def _unsupported_part(card: Card, use: Use, dataset: Card, cell: Cell, backend: str) -> str:
    facts, data, name = card.facts(use), dataset.facts(cell.dataset), card.named(use)
    kind = data.input or "image"
    if facts.input not in {None, "any", kind}:
        return f"{name} takes {facts.input} data, {dataset.name} is {kind} data"
    task = data.task or "classification"
    if facts.tasks is not None and task not in facts.tasks:
        return f"{name} is for {' and '.join(facts.tasks)}, {dataset.name} is {task}"
    if facts.backends is not None and backend not in facts.backends:
        return f"{name} needs the Keras backend {' or '.join(facts.backends)}, this is {backend}"
    if card.kind == "techniques":
        for expression, reason in facts.refuses.items():
            if Query(expression, f"techniques/{card.name}: REFUSES").matches(card.given(use)):
                return f"{card.name}: {reason}"
        for other in cell.techniques:
            if other.name in _excludes(card):
                return f"{card.name} and {other.name} do not go together: {_excludes(card)[other.name]}"
    if "pretrained" in facts.needs and not (
        use.parameters.get("weights") or cell.architecture.parameters.get("weights")
    ):
        return (
            f"{card.name} has nothing to start from: name a source='…', a file of weights='…', "
            "or an architecture that comes with weights, such as imagenet(…)"
        )
    if "validation" in facts.needs and not cell.training.validation:
        return f"{card.name} selects on the validation part, and there is none: set training.validation, e.g. to 0.1"
    return ""


def _unsupported_data(cell: Cell, dataset: Card, architecture: Card) -> str:
    facts = dataset.facts(cell.dataset)
    options = [name for name in OPTIONS if name in cell.dataset.parameters and name != "train_size"]
    if options and facts.task == "regression":
        return f"{options[0]} is about classes, {dataset.name} is regression"
    if not facts.shape:
        return ""
    return _of_other_channels(cell, architecture, facts.shape) or too_small(cell, architecture, facts.shape)


def _of_other_channels(cell: Cell, architecture: Card, shape: tuple[int, ...]) -> str:
    given, what = architecture.given(cell.architecture), "channel" if len(shape) == 3 else "column"
    for name in architecture.facts(cell.architecture).per_channel:
        if isinstance(given[name], list) and len(given[name]) not in {1, shape[-1]}:
            has = f"{cell.dataset.name} {shape[-1]} {what}{'s' * (shape[-1] > 1)}"
            return f"{name} has {len(given[name])} numbers, {has}; give one, or one for each {what}"
    return ""


def too_small(cell: Cell, architecture: Card, shape: tuple[int, ...]) -> str:
    """Return that an architecture needs larger images than these (height, width, channels), or an empty string."""
    smallest = architecture.facts(cell.architecture).smallest_side
    if len(shape) < 3 or min(shape[:2]) >= smallest:
        return ""
    has = min(shape[:2])
    return f"{architecture.name} needs images of at least {smallest} pixels a side, {cell.dataset.name} has {has}"


def _unsupported_file(cell: Cell, architecture: Card, techniques: list[Part]) -> str:
    if is_trained(architecture):
        return ""
    formats, path = architecture.facts(cell.architecture).formats, Path(cell.architecture.parameters["path"])
    if _suffix(path) not in formats:
        return f"{path}: {architecture.name} reads {', '.join(form or 'SavedModel folders' for form in formats)}"
    training = [card.name for card, _ in techniques if "after" not in card.doors]
    return f"{architecture.name} is not trained, and {training[0]} acts on training" if training else ""


def _unsupported_order(cell: Cell, architecture: Card, techniques: list[Part]) -> str:
    for door, does in TAKEOVERS.items():
        found = [card.name for card, _ in techniques if door in card.doors]
        if len(found) > 1:
            return f"{' and '.join(found)} {does}; a recipe may hold one of them"
    form, last, of_all_seeds = str(_first_format(architecture, cell)), "", ""
    for card, use in techniques:
        if "after" not in card.doors:
            if last:
                return f"{card.name} acts on training and must come before {last}, which acts on the trained network"
            continue
        facts = card.facts(use)
        if form not in facts.takes:
            return (
                f"{card.name} takes {' or '.join(facts.takes)} networks, "
                f"{last or architecture.name} leaves one of format {form}"
            )
        if facts.seeds and (of_all_seeds or not is_trained(architecture)):
            return f"{card.name} takes the networks of all seeds, {of_all_seeds or architecture.name} leaves one"
        of_all_seeds = card.name if facts.seeds else of_all_seeds
        form, last = facts.gives or "keras", card.name
    return ""


def _unsupported_cells(catalog: Catalog, cell: Cell, techniques: list[Part], backend: str) -> str:
    """Return why a cell that a technique names cannot stand for what it is to be, such as a teacher."""
    own = catalog.card("datasets", cell.dataset.name).facts(cell.dataset)
    for card, use in techniques:
        for parameter, named in use.cells().items():
            for other in named:
                where = f"{card.name}'s {parameter} {other.architecture.name}"
                if reason := unsupported(catalog, other, backend):
                    return f"{where} cannot work: {reason}"
                if (form := format_of(catalog, other)) != "keras":
                    return f"{where} is of format {form}; only a Keras network can be asked while training"
                facts = catalog.card("datasets", other.dataset.name).facts(other.dataset)
                if parameter not in card.facts(use).agrees or other.dataset == cell.dataset:
                    continue
                if (facts.task or "classification") != (own.task or "classification"):
                    return f"{where} has learned {facts.task}, {cell.dataset.name} is {own.task}"
                if facts.outputs and own.outputs and facts.outputs != own.outputs:
                    return f"{where} has {facts.outputs} outputs, {cell.dataset.name} needs {own.outputs}"
    return ""
