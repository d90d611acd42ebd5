"""Whether the parts of a cell can go together at all, from the literals in their files."""

from bench.catalog import Card
from bench.records import ArtifactFormat, Cell

EVALUATED_ON: dict[ArtifactFormat, str] = {"keras": "keras_predict", "litert": "litert"}
"""The runtime on which an artifact's accuracy is taken, by its format."""


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
    shape = dataset.literal("SHAPE", cell.dataset)
    smallest = architecture.literal("SMALLEST_SIDE", cell.architecture)
    if shape and smallest and min(shape[:2]) < smallest:
        has = min(shape[:2])
        return f"{architecture.name} needs images of at least {smallest} pixels a side, {dataset.name} has {has}"
    return _unsupported_order(techniques)


def _unsupported_order(techniques: tuple[Card, ...]) -> str:
    fits = [card.name for card in techniques if "fit" in card.doors]
    if len(fits) > 1:
        return f"{' and '.join(fits)} both take over the training; a recipe may hold one of them"
    form, last = "keras", None
    for card in techniques:
        if "after" not in card.doors:
            if last:
                return f"{card.name} acts on training and must come before {last}, which acts on the trained network"
            continue
        takes = card.literals.get("TAKES", ("keras",))
        if form not in takes:
            return f"{card.name} takes {' or '.join(takes)} networks, {last} leaves a {form} network"
        form, last = card.literals.get("GIVES", "keras"), card.name
    return ""
