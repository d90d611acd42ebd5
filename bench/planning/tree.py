"""The nodes of a suite: what trains, what is derived from what, what is measured.

Every node is a cell with a seed and a fold. A recipe's training techniques make one `train`
node; each technique with an `after` door then makes a `derive` node whose parent is the same
cell without it, so a shared prefix is trained once. `measure` nodes hang below.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from bench.catalog import Card, Catalog
from bench.planning.compatibility import EVALUATED_ON, first_format, is_trained, unsupported
from bench.planning.fingerprints import core, versions
from bench.planning.history import History
from bench.planning.suite import Suite
from bench.records import ArtifactFormat, Cell, MeasureSpec, NodeKind, SuiteCell, Use, cell_id
from bench.store import Header

NodeStatus = Literal["new", "cached", "stale", "failed", "unsupported", "excluded"]


class Node(Struct, frozen=True):
    """One step of the plan's tree, decided: to be executed or not, and why."""

    id: str
    kind: NodeKind
    cell_id: str
    cell: Cell
    seed: int | None
    """None where nothing is drawn: a network that was read from a file."""
    fold: int
    status: NodeStatus
    reason: str
    cost_s: float
    code: dict[str, str]
    parent: str | None = None
    measure: MeasureSpec | None = None
    isolate: str = ""
    """Nodes of different values never share a worker process."""
    packages: dict[str, str] = {}
    """Versions here of what a measured runtime consists of."""
    record: Header | None = None
    """The execution that stands for this node so far."""

    @property
    def due(self) -> bool:
        """Tell whether the node is to be executed."""
        return self.status in {"new", "stale"}

    def wall_s(self, workers: int) -> float:
        """Predict the seconds that this node adds to a whole run: trainings go side by side, measurements do not."""
        return self.cost_s if self.kind == "measure" else self.cost_s / workers


def run_id(cell: str, seed: int | None, fold: int) -> str:
    """Return the id of a run, which is also the id of its `train` or `derive` node."""
    return cell + ("" if seed is None else f"-s{seed}") + (f"-f{fold}" if fold else "")


def node_id(run: str, measure: MeasureSpec | None) -> str:
    """Return the id of a run's node: the run's own, or that of one of its `measure` nodes."""
    return f"{run}/{measure.name}" if measure else run


class Tree:
    """The nodes of a suite before it is decided what to do with them, parents before children."""

    def __init__(self, suite: Suite, catalog: Catalog, history: History, backend: str) -> None:
        self.suite = suite
        self.history = history
        self.nodes: dict[str, Node] = {}
        self._catalog = catalog
        self.backend = backend
        self._facts: dict[str, tuple[tuple[Card, ...], str]] = {}
        self._code: dict[Any, dict[str, str]] = {}
        self._files: dict[str, dict[str, str]] = {}

    def seeds(self, row: SuiteCell) -> Sequence[int | None]:
        """Return the suite's seeds, or None alone for a cell whose network comes from a file."""
        trained = is_trained(self._catalog.card("architectures", row.cell.architecture.name))
        return self.suite.written.seeds if trained else (None,)

    def add_run(self, row: SuiteCell, seed: int | None, fold: int) -> list[str]:
        """Add a run's nodes with their parents; return the ids of the run's own ones."""
        node = self._add_network(row.cell, row.cell_id, seed, fold)
        own = [node.id]
        written = self.suite.written
        first = seed in (None, written.seeds[0]) and fold == written.folds[0]
        if node.status != "unsupported" and (first or written.measure.seeds == "all"):
            own += [self._add_measure(node, spec) for spec in self.suite.measures if self._accepts(spec, node.cell)]
        return own

    def _add_network(self, cell: Cell, name: str, seed: int | None, fold: int) -> Node:
        run = run_id(name, seed, fold)
        if run in self.nodes:
            return self.nodes[run]
        techniques, reason = self._check(cell, name)
        kind: NodeKind = "derive" if techniques and "after" in techniques[-1].doors else "train"
        parent = None
        if kind == "derive" and not reason:
            prefix = msgspec.structs.replace(cell, techniques=cell.techniques[:-1])
            parent = self._add_network(prefix, cell_id(prefix), seed, fold).id
        node = Node(
            id=run,
            kind=kind,
            cell_id=name,
            cell=cell,
            seed=seed,
            fold=fold,
            status="unsupported" if reason else "new",
            reason=reason,
            cost_s=0.0 if reason else self.history.cost_s(kind, name, cell, None),
            code={} if reason else self._code_of(kind, cell),
            parent=parent,
            isolate=str(techniques[-1].literals.get("ISOLATE", "")) if kind == "derive" else "",
        )
        self.nodes[run] = node
        return node

    def _add_measure(self, network: Node, spec: MeasureSpec) -> str:
        literals = self._catalog.card("runtimes", spec.runtime.name).literals
        backends = literals.get("BACKENDS", (self.backend,))
        works_here = self.backend in backends
        node = Node(
            id=node_id(network.id, spec),
            kind="measure",
            cell_id=network.cell_id,
            cell=network.cell,
            seed=network.seed,
            fold=network.fold,
            status="new" if works_here else "unsupported",
            reason="" if works_here else f"{spec.name} needs the Keras backend {' or '.join(backends)}",
            cost_s=self.history.cost_s("measure", network.cell_id, network.cell, spec) if works_here else 0.0,
            code=self._measure_code(spec.runtime.name),
            parent=network.id,
            measure=spec,
            packages=versions(literals.get("PACKAGES", ())),
        )
        self.nodes[node.id] = node
        return node.id

    def executions(self, node: Node) -> list[Header]:
        """Return the recorded executions of a node, oldest first."""
        return self.history.of(node.cell_id, node.kind, node.seed, node.fold, node.measure)

    def _accepts(self, spec: MeasureSpec, cell: Cell) -> bool:
        """Tell whether a runtime takes the cell's format; one that does not is no fault of the cell."""
        card = self._catalog.card("runtimes", spec.runtime.name)
        return self._format(cell) in card.literals.get("ACCEPTS", ("keras",))

    def _format(self, cell: Cell) -> ArtifactFormat:
        given = [self._catalog.card("techniques", use.name).literals.get("GIVES") for use in cell.techniques]
        formats: list[ArtifactFormat] = [form for form in given if form]
        architecture = self._catalog.card("architectures", cell.architecture.name)
        return formats[-1] if formats else first_format(architecture, cell.architecture)

    def _check(self, cell: Cell, name: str) -> tuple[tuple[Card, ...], str]:
        """Return the cards of a cell's techniques, and why its plugins cannot go together or an empty string."""
        if name not in self._facts:
            dataset = self._catalog.card("datasets", cell.dataset.name)
            architecture = self._catalog.card("architectures", cell.architecture.name)
            techniques = tuple(self._catalog.card("techniques", use.name) for use in cell.techniques)
            reason = unsupported(cell, dataset, architecture, techniques, self.backend)
            self._facts[name] = (techniques, reason)
        return self._facts[name]

    def _code_of(self, kind: NodeKind, cell: Cell) -> dict[str, str]:
        key = (kind, cell.dataset.name, cell.architecture.name, tuple(use.name for use in cell.techniques))
        if key not in self._code:
            code = self._catalog.code("datasets", cell.dataset.name)
            code |= self._catalog.code("architectures", cell.architecture.name)
            for use in cell.techniques:
                code |= self._catalog.code("techniques", use.name)
            code |= self._catalog.code("runtimes", EVALUATED_ON[self._format(cell)])
            self._code[key] = code | core(kind)
        files = self._files_of("datasets", cell.dataset) | self._files_of("architectures", cell.architecture)
        return self._code[key] | files if files else self._code[key]

    def _files_of(self, kind: str, use: Use) -> dict[str, str]:
        name = str(use)
        if name not in self._files:
            self._files[name] = self._catalog.files(kind, use)
        return self._files[name]

    def _measure_code(self, runtime: str) -> dict[str, str]:
        if runtime not in self._code:
            self._code[runtime] = self._catalog.code("runtimes", runtime) | core("measure")
        return self._code[runtime]
