"""Suite → Plan: what there is to do, what is done already, and what each part will cost."""

from pathlib import Path

import msgspec
from msgspec import Struct

from bench import store
from bench.catalog import Catalog
from bench.errors import SuiteError
from bench.measure.hardware import hardware
from bench.planning.history import History
from bench.planning.suite import Suite
from bench.planning.tree import Node, NodeStatus, Tree, run_id
from bench.query import Query, fields_of
from bench.records import SuiteCell
from bench.store import Header


class Run(Struct, frozen=True):
    """A cell with a seed and a fold: one row of the plan, done by its nodes."""

    id: str
    cell_id: str
    label: str
    recipe: str
    dataset: str
    architecture: str
    seed: int | None
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
    need_artifacts: bool = False,
    backend: str = "tensorflow",
) -> Plan:
    """Plan the runs of a suite that `only` picks; `artifacts` is where networks lie on this machine.

    With `fresh` the runs' own nodes are executed although cached, with `retry_failed` also what
    failed before, with `need_artifacts` also what left no network on this machine.
    """
    found, problems = store.headers(results)
    tree = Tree(suite, catalog, History(found), backend)

    def wanted(row: SuiteCell, seed: int | None, fold: int) -> bool:
        # A network from a file stands for all seeds.
        return only is None or only.matches(fields_of(row, suite.written.seeds if seed is None else seed, fold))

    picked: list[tuple[SuiteCell, int | None, int, list[str]]] = []
    for row in suite.cells:
        for fold in suite.written.folds:
            for seed in tree.seeds(row):
                if wanted(row, seed, fold):
                    picked.append((row, seed, fold, tree.add_run(row, seed, fold)))
    if only is not None and not picked and not any(only.matches(fields_of(row, 0, 0)) for row, _ in suite.excluded):
        raise SuiteError(f"--only: no run of {suite.name} matches '{only.text}' (bench plan {suite.name})")
    own = {name for *_, names in picked for name in names}
    judged: dict[str, Node] = {}
    for node in tree.nodes.values():
        parent = judged.get(node.parent) if node.parent else None
        judged[node.id] = _judge(node, parent, tree, fresh=fresh and node.id in own, retry_failed=retry_failed)
    nodes = _revive(judged, artifacts, needed=own if need_artifacts else set())
    runs = _runs(picked, nodes) + [
        _excluded(row, reason, seed, fold)
        for row, reason in suite.excluded
        for fold in suite.written.folds
        for seed in tree.seeds(row)
        if wanted(row, seed, fold)
    ]
    return Plan(suite=suite.name, runs=tuple(runs), nodes=nodes, problems=tuple(problems))


def _revive(judged: dict[str, Node], artifacts: Path, needed: set[str]) -> dict[str, Node]:
    """Make cached nodes due whose network is needed, by name or by a child that is due, but not on this machine."""
    present = {path.name for path in artifacts.glob("*")} if artifacts.is_dir() else set()
    nodes, needed = dict(judged), set(needed)
    for name in reversed(judged):  # children before their parents
        node = nodes[name]
        artifact = node.record.artifact if node.record else None
        if name in needed and node.status == "cached" and artifact and artifact.file not in present:
            node = nodes[name] = _as(node, "stale", "its network is needed and not on this machine")
        if node.due and node.parent:
            needed.add(node.parent)
    return nodes


def _judge(node: Node, parent: Node | None, tree: Tree, *, fresh: bool, retry_failed: bool) -> Node:
    if node.status == "unsupported":
        kept = [header for header in tree.executions(node) if _cannot_work(header, tree.backend)]
        return msgspec.structs.replace(node, record=kept[-1] if kept else None)
    if parent and parent.status in {"failed", "unsupported"}:
        return _as(
            node, parent.status, f"its parent {parent.id} {'failed' if parent.status == 'failed' else 'cannot work'}"
        )
    executions = tree.executions(node)
    if node.kind == "measure":
        here = hardware().fingerprint
        executions = [
            header
            for header in executions
            if header.provenance.hardware.fingerprint == here
            and header.provenance.backend == tree.backend
            and {name: header.provenance.packages.get(name) for name in node.packages} == node.packages
        ]
        if not executions and tree.executions(node):
            return _as(node, "new", "not yet measured on this hardware with these runtime versions")
    if not executions:
        return _as(node, "new", "no record yet")
    equal = [header for header in executions if header.provenance.code == node.code]
    if not equal:
        before = executions[-1].provenance.code
        changed = sorted(name for name in before.keys() | node.code.keys() if before.get(name) != node.code.get(name))
        return _as(node, "stale", f"changed since {executions[-1].created}: {', '.join(changed)}")
    good = [header for header in equal if header.status == "finished" or _cannot_work(header, tree.backend)]
    stands = good[-1] if good else equal[-1]
    node = msgspec.structs.replace(node, record=stands)
    if fresh:
        return _as(node, "stale", "asked for with --fresh")
    if not good and stands.status == "unsupported":
        return _as(node, "new", f"unsupported on the backend {stands.provenance.backend}, not tried on {tree.backend}")
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
    if parent and not set(stands.parents) & {h.artifact.digest for h in tree.executions(parent) if h.artifact}:
        return _as(node, "stale", "the network it started from has no record")
    return _as(node, "cached", f"recorded {stands.created}")


def _cannot_work(header: Header, backend: str) -> bool:
    return header.status == "unsupported" and header.provenance.backend == backend


def _as(node: Node, status: NodeStatus, reason: str) -> Node:
    return msgspec.structs.replace(node, status=status, reason=reason)


def _runs(picked: list[tuple[SuiteCell, int | None, int, list[str]]], nodes: dict[str, Node]) -> list[Run]:
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


def _excluded(row: SuiteCell, reason: str, seed: int | None, fold: int) -> Run:
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
