"""Suite → Plan: what there is to do, what is done already, and what each part will cost.

Every node is a cell with a seed and a fold. A recipe's training techniques make one `train`
node; each technique with an `after` door then makes a `derive` node whose parent is the same
cell without it, so a shared prefix is trained once. `measure` nodes hang below. Parents come
before children.
"""

import importlib.metadata
from collections import defaultdict
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from bench import store
from bench.catalog import PACKAGE, Card, Catalog, code_of
from bench.measure.hardware import hardware
from bench.query import Query, fields_of
from bench.records import ArtifactFormat, Cell, MeasureSpec, NodeKind, SuiteCell, canonical, cell_id
from bench.store import Header
from bench.suite import Suite

NodeStatus = Literal["new", "cached", "stale", "failed", "unsupported", "excluded"]
CORE = {
    "train": ("training", "evaluation", "network"),
    "derive": ("training", "evaluation", "network"),
    "measure": ("measure/latency",),
}
"""The modules that a node's result depends on beside its plugins, with all that they import."""

GUESS_S = {"train": 30.0, "derive": 10.0, "measure": 4.0}
"""Seconds of a node of which no record is like."""


class Node(Struct, frozen=True):
    """One step of the plan's tree, decided: to be executed or not, and why."""

    id: str
    kind: NodeKind
    cell_id: str
    cell: Cell
    seed: int
    fold: int
    status: NodeStatus
    reason: str
    cost_s: float
    code: dict[str, str]
    parent: str | None = None
    measure: MeasureSpec | None = None
    isolate: str = ""
    """Nodes of different values never share a worker process."""
    record: Header | None = None
    """The execution that stands for this node so far."""

    @property
    def due(self) -> bool:
        """Tell whether the node is to be executed."""
        return self.status in {"new", "stale"}


class Run(Struct, frozen=True):
    """A cell with a seed and a fold: one row of the plan, done by its nodes."""

    id: str
    cell_id: str
    label: str
    recipe: str
    dataset: str
    architecture: str
    seed: int
    fold: int
    status: NodeStatus
    reason: str
    cost_s: float
    """Predicted seconds of what is due and not already counted in an earlier run."""
    nodes: tuple[str, ...]


class Plan(Struct, frozen=True):
    """All runs of a suite, and the nodes that they share, parents before children."""

    suite: str
    runs: tuple[Run, ...]
    nodes: dict[str, Node]
    problems: tuple[str, ...]
    """Broken records that were skipped."""

    @property
    def cost_s(self) -> float:
        """Predicted seconds of all that is due, one node after the other."""
        return sum(run.cost_s for run in self.runs)


def make(
    suite: Suite,
    catalog: Catalog,
    results: Path,
    artifacts: Path,
    *,
    only: Query | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    backend: str = "tensorflow",
) -> Plan:
    """Plan the runs of a suite that `only` picks; `artifacts` is where networks lie on this machine."""
    found, problems = store.headers(results)
    drafts = _Drafts(suite, catalog, History(found), backend)
    picked: list[tuple[SuiteCell, int, int, list[str]]] = []
    for row in suite.cells:
        for fold in suite.written.folds:
            for seed in suite.written.seeds:
                if only is None or only.matches(fields_of(row, seed, fold)):
                    picked.append((row, seed, fold, drafts.add_run(row, seed, fold)))
    nodes = _decide(drafts, artifacts, fresh=fresh, retry_failed=retry_failed, own={i for p in picked for i in p[3]})
    runs = _runs(picked, nodes) + [
        _excluded(row, reason, seed, fold)
        for row, reason in suite.excluded
        for fold in suite.written.folds
        for seed in suite.written.seeds
        if only is None or only.matches(fields_of(row, seed, fold))
    ]
    return Plan(suite=suite.name, runs=tuple(runs), nodes=nodes, problems=tuple(problems))


def run_id(cell: str, seed: int | None, fold: int) -> str:
    """Return the id of a run, which is also the id of its `train` or `derive` node."""
    return f"{cell}-s{seed}" + (f"-f{fold}" if fold else "")


class History:
    """Earlier records, by node, and what they say about cost."""

    def __init__(self, found: Iterable[Header]) -> None:
        """Index the headers; cells are hashed anew, so records outlive a change of the hash."""
        self._by_node: dict[Any, list[Header]] = defaultdict(list)
        self._seconds: dict[Any, list[float]] = defaultdict(list)
        for header in found:
            cell = cell_id(header.cell)
            self._by_node[_key(cell, header.node, header.seed, header.fold, header.measure)].append(header)
            if header.status == "finished":
                work = header.cell.training.epochs if header.node == "train" else 1
                for likeness in _likenesses(header.node, cell, header.cell, header.measure):
                    self._seconds[likeness].append(sum(header.phases_s.values()) / work)

    def of(self, node: Node) -> list[Header]:
        """Return the executions of a node, oldest first."""
        return self._by_node.get(_key(node.cell_id, node.kind, node.seed, node.fold, node.measure), [])

    def cost_s(self, kind: NodeKind, cell_name: str, cell: Cell, measure: MeasureSpec | None) -> float:
        """Predict a node's seconds from the records most like it."""
        work = cell.training.epochs if kind == "train" else 1
        for likeness in _likenesses(kind, cell_name, cell, measure):
            if seconds := self._seconds.get(likeness):
                return round(work * sum(seconds) / len(seconds), 2)
        return GUESS_S[kind]


def _key(cell: str, kind: NodeKind, seed: int | None, fold: int, measure: MeasureSpec | None) -> tuple[Any, ...]:
    return (cell, kind, seed, fold, canonical(measure) if measure else None)


def _likenesses(kind: NodeKind, cell_name: str, cell: Cell, measure: MeasureSpec | None) -> tuple[Any, ...]:
    """Return what makes records alike in cost, the most alike first."""
    does = measure.runtime.name if measure else cell.techniques[-1].name if kind == "derive" else ""
    return (
        (kind, does, cell_name),
        (kind, does, cell.dataset.name, str(cell.architecture)),
        (kind, does, cell.dataset.name),
    )


class _Drafts:
    """The nodes of a suite before it is decided what to do with them."""

    def __init__(self, suite: Suite, catalog: Catalog, history: History, backend: str) -> None:
        self.suite = suite
        self.history = history
        self.nodes: dict[str, Node] = {}
        self._catalog = catalog
        self._backend = backend
        self._facts: dict[str, tuple[Card, Card, tuple[Card, ...], str]] = {}
        self._code: dict[Any, dict[str, str]] = {}

    def add_run(self, row: SuiteCell, seed: int, fold: int) -> list[str]:
        """Add a run's nodes with their parents; return the ids of the run's own ones."""
        node = self._add_network(row.cell, row.cell_id, seed, fold)
        own = [node.id]
        written = self.suite.written
        first = seed == written.seeds[0] and fold == written.folds[0]
        if node.status != "unsupported" and (first or written.measure.seeds == "all"):
            own += [self._add_measure(node, spec) for spec in self.suite.measures if self._runs_on(node.cell, spec)]
        return own

    def _add_network(self, cell: Cell, name: str, seed: int, fold: int) -> Node:
        node_id = run_id(name, seed, fold)
        if node_id in self.nodes:
            return self.nodes[node_id]
        _, _, techniques, reason = self._check(cell, name)
        kind: NodeKind = "derive" if not reason and techniques and "after" in techniques[-1].doors else "train"
        parent = None
        if kind == "derive":
            prefix = msgspec.structs.replace(cell, techniques=cell.techniques[:-1])
            parent = self._add_network(prefix, _cell_id(prefix), seed, fold).id
        node = Node(
            id=node_id,
            kind=kind,
            cell_id=name,
            cell=cell,
            seed=seed,
            fold=fold,
            status="unsupported" if reason else "new",
            reason=reason,
            cost_s=0.0 if reason else self.history.cost_s(kind, name, cell, None),
            code=self._code_of(kind, cell),
            parent=parent,
            isolate=str(techniques[-1].literals.get("ISOLATE", "")) if kind == "derive" else "",
        )
        self.nodes[node_id] = node
        return node

    def _add_measure(self, network: Node, spec: MeasureSpec) -> str:
        node = Node(
            id=f"{network.id}/{spec.runtime.name}",
            kind="measure",
            cell_id=network.cell_id,
            cell=network.cell,
            seed=network.seed,
            fold=network.fold,
            status="new",
            reason="",
            cost_s=self.history.cost_s("measure", network.cell_id, network.cell, spec),
            code=self._measure_code(spec.runtime.name),
            parent=network.id,
            measure=spec,
        )
        self.nodes[node.id] = node
        return node.id

    def packages(self, node: Node) -> dict[str, str]:
        """Return the versions here of the packages that a measured runtime consists of."""
        assert node.measure is not None
        return versions(self._catalog.card("runtimes", node.measure.runtime.name).literals.get("PACKAGES", ()))

    def _runs_on(self, cell: Cell, spec: MeasureSpec) -> bool:
        card = self._catalog.card("runtimes", spec.runtime.name)
        works_here = self._backend in card.literals.get("BACKENDS", (self._backend,))
        return works_here and self._format(cell) in card.literals.get("ACCEPTS", ("keras",))

    def _format(self, cell: Cell) -> ArtifactFormat:
        given = [self._catalog.card("techniques", use.name).literals.get("GIVES") for use in cell.techniques]
        formats: list[ArtifactFormat] = [form for form in given if form]
        return formats[-1] if formats else "keras"

    def _check(self, cell: Cell, name: str) -> tuple[Card, Card, tuple[Card, ...], str]:
        """Return the cards of a cell's plugins and why they cannot go together, or an empty string."""
        if name not in self._facts:
            dataset = self._catalog.card("datasets", cell.dataset.name)
            architecture = self._catalog.card("architectures", cell.architecture.name)
            techniques = tuple(self._catalog.card("techniques", use.name) for use in cell.techniques)
            reason = unsupported(cell, dataset, architecture, techniques, self._backend)
            self._facts[name] = (dataset, architecture, techniques, reason)
        return self._facts[name]

    def _code_of(self, kind: NodeKind, cell: Cell) -> dict[str, str]:
        key = (kind, cell.dataset.name, cell.architecture.name, tuple(use.name for use in cell.techniques))
        if key not in self._code:
            code = self._catalog.code("datasets", cell.dataset.name)
            code |= self._catalog.code("architectures", cell.architecture.name)
            for use in cell.techniques:
                code |= self._catalog.code("techniques", use.name)
            self._code[key] = code | core(kind)
        return self._code[key]

    def _measure_code(self, runtime: str) -> dict[str, str]:
        if runtime not in self._code:
            self._code[runtime] = self._catalog.code("runtimes", runtime) | core("measure")
        return self._code[runtime]


@lru_cache(maxsize=100_000)
def _cell_id_of(text: bytes) -> str:
    return cell_id(msgspec.json.decode(text, type=Cell))


def _cell_id(cell: Cell) -> str:
    return _cell_id_of(canonical(cell))


def core(kind: NodeKind) -> dict[str, str]:
    """Return the fingerprints of the harness's own modules that a node's result depends on."""
    return {key: value for name in CORE[kind] for key, value in code_of(name, PACKAGE / f"{name}.py").items()}


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of packages; those that are not installed are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


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


def _decide(drafts: _Drafts, artifacts: Path, *, fresh: bool, retry_failed: bool, own: set[str]) -> dict[str, Node]:
    """Settle every node's status: first from its records, then from what its children need of it."""
    nodes: dict[str, Node] = {}
    for node in drafts.nodes.values():
        parent = nodes.get(node.parent) if node.parent else None
        nodes[node.id] = _judge(node, parent, drafts, fresh=fresh and node.id in own, retry_failed=retry_failed)
    present = {path.name for path in artifacts.glob("*")} if artifacts.is_dir() else set()
    for node in reversed(list(nodes.values())):
        parent = nodes.get(node.parent) if node.parent else None
        if parent and nodes[node.id].due and parent.status == "cached" and not _is_here(parent, present):
            nodes[parent.id] = msgspec.structs.replace(
                parent, status="stale", reason=f"its artifact is not on this machine and {node.id} needs it"
            )
    return nodes


def _is_here(node: Node, present: set[str]) -> bool:
    return node.record is not None and node.record.artifact is not None and node.record.artifact.file in present


def _judge(node: Node, parent: Node | None, drafts: _Drafts, *, fresh: bool, retry_failed: bool) -> Node:
    if node.status == "unsupported":
        return node
    if parent and parent.status in {"failed", "unsupported"}:
        return _as(
            node, parent.status, f"its parent {parent.id} {'failed' if parent.status == 'failed' else 'cannot work'}"
        )
    executions = drafts.history.of(node)
    if node.kind == "measure":
        here = hardware().fingerprint
        versions_here = drafts.packages(node)
        executions = [
            header
            for header in executions
            if header.provenance.hardware.fingerprint == here
            and {name: header.provenance.packages.get(name) for name in versions_here} == versions_here
        ]
        if not executions and drafts.history.of(node):
            return _as(node, "new", "not yet measured on this hardware with these runtime versions")
    if not executions:
        return _as(node, "new", "no record yet")
    equal = [header for header in executions if header.provenance.code == node.code]
    if not equal:
        before = executions[-1].provenance.code
        changed = sorted(name for name in before.keys() | node.code.keys() if before.get(name) != node.code.get(name))
        return _as(node, "stale", f"changed since {executions[-1].created}: {', '.join(changed)}")
    good = [header for header in equal if header.status in {"finished", "unsupported"}]
    stands = good[-1] if good else equal[-1]
    node = msgspec.structs.replace(node, record=stands)
    if fresh:
        return _as(node, "stale", "asked for with --fresh")
    if not good:
        if retry_failed or (stands.error is not None and stands.error.type == "ParentFailed"):
            return _as(node, "stale", "tried again")
        return _as(
            node, "failed", f"{stands.status} before: {stands.error.message if stands.error else 'no reason kept'}"
        )
    if stands.status == "unsupported":
        return _as(node, "unsupported", stands.error.message if stands.error else "")
    if parent and parent.due:
        return _as(node, "stale", f"its parent {parent.id} runs again")
    if parent and not set(stands.parents) & {h.artifact.digest for h in drafts.history.of(parent) if h.artifact}:
        return _as(node, "stale", "the network it started from has no record")
    return _as(node, "cached", f"recorded {stands.created}")


def _as(node: Node, status: NodeStatus, reason: str) -> Node:
    return msgspec.structs.replace(node, status=status, reason=reason)


def _runs(picked: list[tuple[SuiteCell, int, int, list[str]]], nodes: dict[str, Node]) -> list[Run]:
    counted: set[str] = set()
    runs = []
    for row, seed, fold, own in picked:
        needed = _with_parents(own, nodes)
        cost = sum(nodes[i].cost_s for i in needed if nodes[i].due and i not in counted)
        counted |= set(needed)
        telling = next((nodes[i] for status in _TELLING for i in own if nodes[i].status == status), nodes[own[0]])
        runs.append(
            Run(
                id=own[0],
                cell_id=row.cell_id,
                label=row.label,
                recipe=row.recipe,
                dataset=row.dataset,
                architecture=row.architecture,
                seed=seed,
                fold=fold,
                status=telling.status,
                reason=telling.reason,
                cost_s=round(cost, 2),
                nodes=tuple(needed),
            )
        )
    return runs


_TELLING: tuple[NodeStatus, ...] = ("failed", "new", "stale", "unsupported", "cached")
"""Of a run's nodes, the one with the earliest of these speaks for the run."""


def _with_parents(own: list[str], nodes: dict[str, Node]) -> list[str]:
    chain: list[str] = []
    parent = nodes[own[0]].parent
    while parent:
        chain.insert(0, parent)
        parent = nodes[parent].parent
    return chain + own


def _excluded(row: SuiteCell, reason: str, seed: int, fold: int) -> Run:
    return Run(
        id=run_id(row.cell_id, seed, fold),
        cell_id=row.cell_id,
        label=row.label,
        recipe=row.recipe,
        dataset=row.dataset,
        architecture=row.architecture,
        seed=seed,
        fold=fold,
        status="excluded",
        reason=f"excluded: {reason}",
        cost_s=0.0,
        nodes=(),
    )
