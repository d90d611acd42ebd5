"""The catalogue's pages: one of each plugin, one of each kind, from the plugins' cards."""

from msgspec import Struct

from bench.cards import KINDS, Card
from bench.catalog import OPTION_PARAMETERS, Catalog
from bench.dataset_record import DatasetRecord
from bench.planning.compatibility import excluded
from bench.records import Use
from bench.site.deployments import Deployment
from bench.site.model import SuiteView
from bench.site.pages import Page, plugin_path
from bench.site.rows import Row
from bench.stats import Interval

NOTES = {
    "datasets": "What the networks learn. Versions are pinned; every record carries fingerprints of what it saw.",
    "architectures": "The networks. Each maps the prepared input to logits; the preparation is part of the network.",
    "techniques": "What a recipe is made of: ways to change the data, the training or the trained network.",
    "optimizers": "How weights move along the gradient. The learning rate and its schedule are settings beside them.",
    "schedules": "How the learning rate changes over a training, after any warm-up.",
    "losses": "What a training minimizes, one number an example; techniques may wrap it.",
    "runtimes": "Ways to execute a network. Latency and throughput are measured on each.",
    "diagnostics": "What is looked at beyond the scores; the result stands on each cell’s page.",
    "meters": "What is read while calls are timed: before each block of them and after it.",
}


DOES = {
    "data": "changes the examples that there are to learn from, before training",
    "order": "picks the examples of each epoch",
    "batch": "changes each training batch, on the device",
    "model": "changes the untrained network",
    "gradient": "asks for the gradient, here and elsewhere",
    "optimizer": "changes the optimizer",
    "loss": "changes the loss",
    "callbacks": "looks on at the end of each epoch",
    "fit": "takes over the training",
    "after": "makes a new network of the trained one, which is trained once for all that do",
}
"""What a technique does by each of its doors."""

MOST_ROWS = 50
"""So many rows, the best of each suite first, say what a plugin does; the leaderboards have the rest."""


class Measured(Struct, frozen=True):
    """A row in which a plugin takes part."""

    view: SuiteView
    row: Row
    effect: Interval | None
    """Of the row's recipe against the suite's baseline."""
    timing: Deployment | None
    """On the plugin, where it is a runtime: one example a call."""


def pages(catalog: Catalog, views: list[SuiteView], explored: list[DatasetRecord]) -> list[Page]:
    """Return the catalogue; `explored` is what is known of the datasets' contents."""
    scored = [(view, row, effects) for view in views for row, effects in _scored(view)]
    made = []
    for kind in KINDS:
        cards = [(card, _measured(card, scored)) for card in catalog.cards(kind)]
        made += [_plugin(catalog, card, measured, explored) for card, measured in cards]
        made.append(
            Page(
                path=index_path(kind),
                title=kind.capitalize(),
                template="kind.html.jinja",
                context={"kind": kind, "note": NOTES[kind], "cards": [(c, len(m), _best(m)) for c, m in cards]},
            )
        )
    return made


def index_path(kind: str) -> str:
    """Return the path of the page that lists all plugins of a kind."""
    return f"catalogue/{kind}/index.md"


def call(card: Card) -> str:
    """Return how a suite writes the plugin: every parameter, with its default or `…`."""
    written = ", ".join(f"{p.name}={'…' if p.required else repr(p.default)}" for p in card.parameters)
    return f"{card.name}({written})" if written else card.name


def _plugin(catalog: Catalog, card: Card, measured: list[Measured], explored: list[DatasetRecord]) -> Page:
    is_technique = card.kind == "techniques"
    return Page(
        path=plugin_path(card.kind, card.name),
        title=card.title,
        template="plugin.html.jinja",
        hide=("navigation", "toc"),
        context={
            "card": card,
            "call": call(card),
            "doors": [(door, DOES[door]) for door in card.doors] if is_technique else [],
            "excludes": excluded(catalog, card) if is_technique else {},
            "parameters": (*card.parameters, *(OPTION_PARAMETERS if card.kind == "datasets" else ())),
            "explored": [one for one in explored if card.kind == "datasets" and one.dataset.name == card.name],
            "measured": measured[:MOST_ROWS],
            "more": len(measured[MOST_ROWS:]),
        },
    )


def _scored(view: SuiteView) -> list[tuple[Row, dict[str, Interval]]]:
    """Return a suite's scored rows, best of each dataset first, and the effects on their dataset by cell id."""
    found = []
    for board in view.boards:
        effects = {effect.row.cell.cell_id: effect.difference for effect in board.effects}
        found += [(row, effects) for row in board.scored]
    return found


def _measured(card: Card, scored: list[tuple[SuiteView, Row, dict[str, Interval]]]) -> list[Measured]:
    return [
        Measured(view=view, row=row, effect=effects.get(row.cell.cell_id), timing=_timing(card, row))
        for view, row, effects in scored
        if any(use.name == card.name for use in _parts(card.kind, row))
    ]


def _best(measured: list[Measured]) -> list[Measured]:
    """Return the best row of each suite and dataset."""
    first: dict[tuple[str, str], Measured] = {}
    for one in measured:
        first.setdefault((one.view.suite.name, one.row.cell.dataset), one)
    return list(first.values())


def _timing(card: Card, row: Row) -> Deployment | None:
    if card.kind != "runtimes":
        return None
    return next((d for d in row.comparable if d.batch_size == 1 and d.runtime.partition("(")[0] == card.name), None)


def _parts(kind: str, row: Row) -> list[Use]:
    cell = row.cell.cell
    match kind:
        case "datasets":
            return [cell.dataset]
        case "architectures":
            return [cell.architecture]
        case "techniques":
            return list(cell.techniques)
        case "optimizers":
            return [cell.training.optimizer]
        case "schedules":
            return [cell.training.schedule]
        case "losses":
            return [cell.training.loss]
        case "runtimes":
            return [record.measure.runtime for record in row.measures if record.measure]
        case "meters":
            return []
    return [Use(name=name) for name in row.looks]
