"""Whether the parts of a cell can go together at all, from the literals in their files."""

from pathlib import Path

from bench.catalog import OPTIONS, Card
from bench.records import ArtifactFormat, Cell, Use

EVALUATED_ON: dict[ArtifactFormat, str] = {"keras": "keras_predict", "litert": "litert", "onnx": "onnxruntime"}
"""The runtime on which an artifact's accuracy is taken, by its format."""


def is_trained(architecture: Card) -> bool:
    """Tell whether an architecture is built and trained; the others are read from a file."""
    return "build" in architecture.doors


def first_format(architecture: Card, use: Use) -> ArtifactFormat:
    """Return the format of an architecture's network before any technique; KeyError for a file of no known one."""
    if is_trained(architecture):
        return "keras"
    formats: dict[str, ArtifactFormat] = architecture.literals["FORMATS"]
    return formats[Path(use.parameters["path"]).suffix.lower()]


def unsupported(cell: Cell, dataset: Card, architecture: Card, techniques: tuple[Card, ...], backend: str) -> str:
    """Return why a cell's parts cannot go together, or an empty string if they can."""
    data_input = dataset.literals.get("INPUT", "image")
    for card in (architecture, *techniques):
        wants = card.literals.get("INPUT", "any")
        if wants not in {"any", data_input}:
            return f"{card.name} takes {wants} data, {dataset.name} is {data_input} data"
        tasks = card.literals.get("TASKS")
        task = dataset.literal("TASK", cell.dataset)
        if tasks and task not in tasks:
            return f"{card.name} is for {' and '.join(tasks)}, {dataset.name} is {task}"
        if backend not in card.literals.get("BACKENDS", (backend,)):
            return f"{card.name} needs the Keras backend {' or '.join(card.literals['BACKENDS'])}, this is {backend}"
    return (
        _unsupported_data(cell, dataset, architecture)
        or _unsupported_file(cell, architecture, techniques)
        or _unsupported_order(cell, architecture, techniques)
    )


def _unsupported_data(cell: Cell, dataset: Card, architecture: Card) -> str:
    task, loss = dataset.literal("TASK", cell.dataset, "classification"), cell.training.loss
    if loss != "auto" and (loss == "crossentropy") is (task == "regression"):
        return f"the loss {loss} is for {'classes' if loss == 'crossentropy' else 'values'}, {dataset.name} is {task}"
    options = [name for name in OPTIONS if name in cell.dataset.parameters and name != "train_size"]
    if options and task == "regression":
        return f"{options[0]} is about classes, {dataset.name} is regression"
    shape = dataset.literal("SHAPE", cell.dataset)
    return too_small(cell, architecture, shape) if shape else ""


def too_small(cell: Cell, architecture: Card, shape: tuple[int, ...]) -> str:
    """Return that an architecture needs larger images than these (height, width, channels), or an empty string."""
    smallest = architecture.literal("SMALLEST_SIDE", cell.architecture, 0)
    if len(shape) < 3 or min(shape[:2]) >= smallest:
        return ""
    has = min(shape[:2])
    return f"{architecture.name} needs images of at least {smallest} pixels a side, {cell.dataset.name} has {has}"


def _unsupported_file(cell: Cell, architecture: Card, techniques: tuple[Card, ...]) -> str:
    if is_trained(architecture):
        return ""
    formats, path = architecture.literals["FORMATS"], Path(cell.architecture.parameters["path"])
    if path.suffix.lower() not in formats:
        return f"{path}: {architecture.name} reads {', '.join(formats)}"
    training = [card.name for card in techniques if "after" not in card.doors]
    return f"{architecture.name} is not trained, and {training[0]} acts on training" if training else ""


def _unsupported_order(cell: Cell, architecture: Card, techniques: tuple[Card, ...]) -> str:
    fits = [card.name for card in techniques if "fit" in card.doors]
    if len(fits) > 1:
        return f"{' and '.join(fits)} both take over the training; a recipe may hold one of them"
    form, last = str(first_format(architecture, cell.architecture)), ""
    for card in techniques:
        if "after" not in card.doors:
            if last:
                return f"{card.name} acts on training and must come before {last}, which acts on the trained network"
            continue
        takes = card.literals.get("TAKES", ("keras",))
        if form not in takes:
            return (
                f"{card.name} takes {' or '.join(takes)} networks, {last or architecture.name} leaves a {form} network"
            )
        form, last = card.literals.get("GIVES", "keras"), card.name
    return ""
