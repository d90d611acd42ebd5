"""The nodes of a suite: what trains, what is derived from what, what is measured and looked at.

Every node is a cell with a seed and a fold. A recipe's training techniques make one `train`
node; each technique with an `after` door then makes a `derive` node whose parent is the same
cell without it, so a shared prefix is trained once. A cell that a technique names, such as a
teacher, is a parent like that, trained once however many ask for it. `measure` and `diagnose`
nodes hang below.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from bench.cards import Card
from bench.catalog import CALLS, Catalog
from bench.files import contents
from bench.planning.compatibility import EVALUATED_ON, format_of, is_seeded, is_trained, unsupported
from bench.planning.fingerprints import code_of, core
from bench.planning.history import History
from bench.planning.identity import former_ids
from bench.planning.suite import Suite
from bench.records import Cell, MeasureSpec, NodeKind, Use, cell_id
from bench.store import Header
from bench.suite_record import SuiteCell
from bench.tasks import Node, home, node_id, run_id, versions


class Tree:
    """The nodes of a suite before it is decided what to do with them, parents before children."""

    def __init__(self, suite: Suite, catalog: Catalog, history: History, backend: str) -> None:
        self.suite = suite
        self.history = history
        self.backend = backend
        self.nodes: dict[str, Node] = {}
        self.reasons: dict[str, str] = {}
        """Why a node cannot work at all, by id."""
        self._catalog = catalog
        self._unsupported: dict[str, str] = {}
        self._former: dict[str, tuple[str, ...]] = {row.cell_id: row.formerly for row in suite.cells}
        self._code: dict[tuple[NodeKind, str], dict[str, str]] = {}
        self._files: dict[str, dict[str, str]] = {}

    def seeds(self, cell: Cell) -> Sequence[int | None]:
        """Return the suite's seeds, or None alone for a cell that has one network for all of them."""
        return self.suite.written.seeds if is_seeded(self._catalog, cell) else (None,)

    def add_run(self, row: SuiteCell, seed: int | None, fold: int) -> list[str]:
        """Add a run's nodes with their parents; return the ids of the run's own ones."""
        node = self._add_network(row.cell, row.cell_id, seed, fold)
        own = [node.id]
        if node.id in self.reasons:
            return own
        own += [self._add_diagnosis(node, use) for use in self.suite.diagnostics if self._looks(use, node)]
        if self._is_first(seed, fold) or self.suite.written.measure.seeds == "all":
            own += [self._add_measure(node, spec) for spec in self.suite.measures if self._accepts(spec, node.cell)]
        return own

    def _add_network(self, cell: Cell, name: str, seed: int | None, fold: int) -> Node:
        run = run_id(name, seed, fold)
        if run in self.nodes:
            return self.nodes[run]
        cards = [self._catalog.card("techniques", use.name) for use in cell.techniques]
        kind: NodeKind = "derive" if cards and "after" in cards[-1].doors else "train"
        reason = self._check(cell, name)
        node = Node(
            id=run,
            kind=kind,
            cell_id=name,
            cell=cell,
            seed=seed,
            fold=fold,
            code={} if reason else self._code_of(kind, cell, name),
            parents=() if reason else self._parents(kind, cell, seed, fold),
            watches=tuple(use for use in self.suite.diagnostics if self._watches(use, kind, cell, seed, fold)),
        )
        self.nodes[run] = node
        if reason:
            self.reasons[run] = reason
        return node

    def _parents(self, kind: NodeKind, cell: Cell, seed: int | None, fold: int) -> tuple[str, ...]:
        """Add the nodes whose networks a node needs and return their ids."""
        found = []
        if kind == "derive":
            prefix = msgspec.structs.replace(cell, techniques=cell.techniques[:-1])
            seeds = self.seeds(prefix) if seed is None else (seed,)
            found = [self._add_network(prefix, cell_id(prefix), one, fold).id for one in seeds]
        for other in cell.named:  # whoever trains on does so with the teachers of all techniques
            own = self.seeds(other)
            found.append(self._add_network(other, cell_id(other), seed if seed in own else own[0], fold).id)
        return tuple(dict.fromkeys(found))

    def _add_diagnosis(self, network: Node, use: Use) -> str:
        return self._add_below(network, "diagnose", self._catalog.card("diagnostics", use.name), diagnostic=use)

    def _add_measure(self, network: Node, spec: MeasureSpec) -> str:
        card = self._catalog.card("runtimes", spec.runtime.name)
        facts = card.facts(spec.runtime)
        name = self._add_below(
            network,
            "measure",
            card,
            measure=spec,
            packages=versions(facts.packages),
        )
        runs_as_it_is = bool(facts.converts) and format_of(self._catalog, network.cell) not in facts.converts
        if facts.backends is not None and self.backend not in facts.backends and not runs_as_it_is:
            self.reasons[name] = f"{spec.name} needs the Keras backend {' or '.join(facts.backends)}"
        return name

    def _add_below(self, network: Node, kind: NodeKind, card: Card, **does: Any) -> str:
        if (kind, card.name) not in self._code:
            self._code[kind, card.name] = code_of(card) | core(kind)
        node = Node(
            id=node_id(network.id, does.get("measure"), does.get("diagnostic")),
            kind=kind,
            cell_id=network.cell_id,
            cell=network.cell,
            seed=network.seed,
            fold=network.fold,
            code=self._code[kind, card.name],
            parents=(network.id,),
            **does,
        )
        self.nodes[node.id] = node
        return node.id

    def plain(self, dataset: Use) -> Use:
        """Return a dataset as it is published."""
        return self._catalog.plain(dataset)

    def executions(self, node: Node) -> list[Header]:
        """Return the recorded executions of a node, oldest first."""
        if node.cell_id not in self._former:
            self._former[node.cell_id] = former_ids(self._catalog, node.cell)
        return self.history.of(node, (node.cell_id, *self._former[node.cell_id]))

    def is_told_by(self, diagnostic: Use, network: Header) -> bool:
        """Tell whether a network's own record, of schema 1, holds what a diagnostic finds; its defaults were used."""
        return diagnostic.name in network.diagnostics and not self._catalog.variant("diagnostics", diagnostic)

    def cost_s(self, node: Node) -> float | None:
        """Predict a node's seconds; None where no record is like it."""
        return self.history.cost_s(node.kind, node.cell_id, node.cell, node.measure or node.diagnostic)

    def earlier(self) -> set[str]:
        """Return the ids of cells that the suite has recorded and that neither it nor a node of its has any more."""
        present = set()
        for row in self.suite.cells:
            for cell in _within(row.cell):
                name = row.cell_id if cell is row.cell else cell_id(cell)
                present |= {name, *(self._former.get(name) or former_ids(self._catalog, cell))}
        recorded = {name for name, (suite, _) in self.history.cells.items() if suite == self.suite.name}
        return recorded - present

    def untimed(self) -> list[str]:
        """Return the formats of the suite's networks that none of its runtimes runs, if it has any."""
        able = [row.cell for row in self.suite.cells if self._unsupported.get(row.cell_id) == ""]
        formats = {format_of(self._catalog, cell) for cell in able}
        accepted = {
            form
            for spec in self.suite.measures
            for form in self._catalog.card("runtimes", spec.runtime.name).facts(spec.runtime).accepts
        }
        return sorted(formats - accepted) if self.suite.measures else []

    def _accepts(self, spec: MeasureSpec, cell: Cell) -> bool:
        """Tell whether a runtime takes the cell's format; one that does not is no fault of the cell."""
        facts = self._catalog.card("runtimes", spec.runtime.name).facts(spec.runtime)
        return format_of(self._catalog, cell) in facts.accepts

    def _can_be_seen(self, use: Use, cell: Cell) -> bool:
        """Tell whether a diagnostic has something to say of a cell; if not, that is no fault of the cell."""
        facts = self._catalog.card("diagnostics", use.name).facts(use)
        data = self._catalog.card("datasets", cell.dataset.name).facts(cell.dataset)
        return (
            (facts.tasks is None or (data.task or "classification") in facts.tasks)
            and facts.input in {None, "any", data.input or "image"}
            and (facts.backends is None or self.backend in facts.backends)
        )

    def _is_first(self, seed: int | None, fold: int) -> bool:
        return seed in (None, self.suite.written.seeds[0]) and fold == self.suite.written.folds[0]

    def _is_asked(self, use: Use, cell: Cell, seed: int | None, fold: int) -> bool:
        """Tell whether a diagnostic has something to say of a cell's network of this seed and fold."""
        facts = self._catalog.card("diagnostics", use.name).facts(use)
        return self._can_be_seen(use, cell) and (facts.seeds != "first" or self._is_first(seed, fold))

    def _watches(self, use: Use, kind: NodeKind, cell: Cell, seed: int | None, fold: int) -> bool:
        """Tell whether a diagnostic looks on while a node is executed: it can where a network is trained from new."""
        is_watcher = "watch" in self._catalog.card("diagnostics", use.name).doors
        trains = kind == "train" and is_trained(self._catalog.card("architectures", cell.architecture.name))
        return is_watcher and trains and self._is_asked(use, cell, seed, fold)

    def _looks(self, use: Use, network: Node) -> bool:
        """Tell whether a diagnostic looks at a network; of one that it should have watched it has nothing to say."""
        card = self._catalog.card("diagnostics", use.name)
        return (
            self._is_asked(use, network.cell, network.seed, network.fold)
            and ("ACCEPTS" not in card.literals or format_of(self._catalog, network.cell) in card.facts(use).accepts)
            and ("watch" not in card.doors or use in network.watches)
        )

    def _check(self, cell: Cell, name: str) -> str:
        """Return why a cell's plugins cannot go together or an empty string."""
        if name not in self._unsupported:
            self._unsupported[name] = unsupported(self._catalog, cell, self.backend)
        return self._unsupported[name]

    def _code_of(self, kind: NodeKind, cell: Cell, name: str) -> dict[str, str]:
        """Return what a node's result depends on; one dict for all seeds and folds of a cell."""
        if (kind, name) not in self._code:
            own = [("techniques", use) for use in cell.techniques]
            uses = [("datasets", cell.dataset), ("architectures", cell.architecture)]
            files = {key: value for group, use in [*uses, *own] for key, value in self._files_of(group, use).items()}
            uses += [(CALLS[setting], getattr(cell.training, setting)) for setting in CALLS]
            uses += own
            uses += [("runtimes", Use(EVALUATED_ON[format_of(self._catalog, cell)]))]
            code = core(kind)
            for group, use in uses:
                code |= code_of(self._catalog.card(group, use.name))
            self._code[kind, name] = code | files
        return self._code[kind, name]

    def _files_of(self, kind: str, use: Use) -> dict[str, str]:
        name = f"{kind}/{use}"
        if name not in self._files:
            self._files[name] = contents.of_use(self._catalog, kind, use, home().contents)
        return self._files[name]


def _within(cell: Cell) -> list[Cell]:
    """Return a cell, the cells that it is derived from, and those that its techniques name."""
    found = [cell]
    for i in range(len(cell.techniques)):
        found.append(msgspec.structs.replace(cell, techniques=cell.techniques[:i]))
    return found + [inner for other in cell.named for inner in _within(other)]
