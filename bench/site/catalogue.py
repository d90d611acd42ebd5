"""The catalogue's pages: one of each plugin, one of each kind, from the plugins' cards."""

from msgspec import Struct

from bench.catalog import KINDS, Card, Catalog
from bench.records import Use
from bench.site.model import Row, SuiteView
from bench.site.pages import Page, plugin_path

NOTES = {
    "datasets": "What the networks learn. Versions are pinned; every record carries fingerprints of what it saw.",
    "architectures": "The networks. Each maps the prepared input to logits; the preparation is part of the network.",
    "techniques": "What a recipe is made of: ways to change the data, the training or the trained network.",
    "runtimes": "Ways to execute a network. Latency and throughput are measured on each.",
    "diagnostics": "What is looked at beyond the scores; the result stands on each cell’s page.",
}


class Uses(Struct, frozen=True):
    """Where a plugin was measured."""

    view: SuiteView
    row: Row


def pages(catalog: Catalog, views: list[SuiteView]) -> list[Page]:
    """Return the catalogue."""
    made = []
    for kind in KINDS:
        cards = [(card, _uses(card, views)) for card in catalog.cards(kind)]
        made += [_plugin(card, uses) for card, uses in cards]
        made.append(
            Page(
                path=index_path(kind),
                title=kind.capitalize(),
                template="kind.html.jinja",
                context={"kind": kind, "note": NOTES[kind], "cards": cards},
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


def _plugin(card: Card, uses: list[Uses]) -> Page:
    return Page(
        path=plugin_path(card.kind, card.name),
        title=card.title,
        template="plugin.html.jinja",
        hide=("navigation", "toc"),
        context={"card": card, "uses": uses, "call": call(card)},
    )


def _uses(card: Card, views: list[SuiteView]) -> list[Uses]:
    """Return the scored rows in which a plugin takes part, best of each suite first."""
    return [
        Uses(view=view, row=row)
        for view in views
        for board in view.boards
        for row in board.scored
        if any(use.name == card.name for use in _parts(card.kind, row))
    ]


def _parts(kind: str, row: Row) -> list[Use]:
    cell = row.cell.cell
    match kind:
        case "datasets":
            return [cell.dataset]
        case "architectures":
            return [cell.architecture]
        case "techniques":
            return list(cell.techniques)
        case "runtimes":
            return [record.measure.runtime for record in row.measures if record.measure]
    return [Use(name=name) for record in row.models for name in record.diagnostics]
