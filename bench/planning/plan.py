"""Suite → Plan: what there is to do, what is done already, and what each part will cost."""

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

from bench import dataset_record, store
from bench.catalog import Catalog
from bench.errors import SuiteError, shortened
from bench.measure.hardware import hardware
from bench.planning import proof
from bench.planning.history import GUESS_S, History
from bench.planning.suite import Suite
from bench.planning.tree import Tree
from bench.query import Query, fields_of
from bench.records import Record, Use
from bench.store import Header
from bench.suite_record import SuiteCell
from bench.tasks import Node, node_id, run_id

Dataset = tuple[str, str]
"""A dataset as the call that publishes it, and its source."""
StepStatus = Literal["new", "cached", "stale", "failed", "unsupported", "excluded"]


class Step(Struct, frozen=True):
    """A node of the plan with what is to become of it, and why."""

    node: Node
    status: StepStatus
    reason: str
    cost_s: float = 0.0
    guessed: bool = False
    """No record is like the node, so its cost is a mere guess."""
    record: Header | None = None
    """The execution that stands for the node so far."""

    @property
    def due(self) -> bool:
        """Tell whether the node is to be executed."""
        return self.status in {"new", "stale"}

    def wall_s(self, workers: int) -> float:
        """Predict the seconds that this step adds to a whole run: trainings go side by side, measurements do not."""
        return self.cost_s if self.node.kind == "measure" else self.cost_s / workers


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
    status: StepStatus
    reason: str
    cost_s: float
    """Predicted seconds of what is due and not already counted in an earlier run."""
    nodes: tuple[str, ...]


class Plan(Struct, frozen=True):
    """All runs of a suite, and the nodes that they share, parents before children."""

    suite: str
    runs: tuple[Run, ...]
    steps: dict[str, Step]
    """By the node's id."""
    earlier: int
    """Cells that the suite had when it was run before and has no more; their records stay."""
    problems: tuple[str, ...]
    """Broken records and proofs that were skipped."""
    doubtful: tuple[Use, ...] = ()
    """Datasets whose files were not the published ones when what stands was made of them."""
    seen: frozenset[str] = frozenset()
    """Names of the record files that were read."""
    notes: tuple[str, ...] = ()
    """What a person should know and is no fault."""
    proofs: proof.Proofs = field(default_factory=lambda: proof.Proofs([]))
    """What says that changed code does the same."""

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
    proved = proof.read(results)
    tree = Tree(suite, catalog, History(found), backend)

    def wanted(row: SuiteCell, seed: int | None, fold: int) -> bool:
        # A network from a file stands for all seeds.
        return only is None or only.matches(fields_of(row, suite.written.seeds if seed is None else seed, fold))

    picked: list[tuple[SuiteCell, int | None, int, list[str]]] = []
    for row in suite.cells:
        for fold in suite.written.folds:
            for seed in tree.seeds(row.cell):
                if wanted(row, seed, fold):
                    picked.append((row, seed, fold, tree.add_run(row, seed, fold)))
    if only is not None and not picked and not any(only.matches(fields_of(row, 0, 0)) for row, _ in suite.excluded):
        raise SuiteError(f"--only: no run of {suite.name} matches '{only.text}' (bench plan {suite.name})")
    own = {name for *_, names in picked for name in names}
    explored, broken = dataset_record.read(results)
    whole = {(str(one.dataset), one.source): one.created for one in explored if one.verified}
    judge = _Judge(tree, proved.proofs, whole, fresh=own if fresh else set(), retry_failed=retry_failed)
    for node in tree.nodes.values():
        judge.step(node)
    steps = _revive(judge.steps, artifacts, needed=own if need_artifacts else set())
    runs = _runs(picked, steps) + [
        _run(row, seed, fold, "excluded", f"excluded: {reason}")
        for row, reason in suite.excluded
        for fold in suite.written.folds
        for seed in tree.seeds(row.cell)
        if wanted(row, seed, fold)
    ]
    return Plan(
        suite=suite.name,
        runs=tuple(runs),
        steps=steps,
        earlier=len(tree.earlier()),
        problems=(*problems, *proved.problems, *broken),
        doubtful=_doubtful(steps),
        seen=frozenset(header.path.name for header in found if header.path),
        notes=(*proved.notes, *_untimed(tree, catalog)),
        proofs=proved.proofs,
    )


def _untimed(tree: Tree, catalog: Catalog) -> list[str]:
    found = []
    for form in tree.untimed():
        able = [card.name for card in catalog.cards("runtimes") if form in card.facts(Use(card.name)).accepts]
        found.append(f"no runtime of the suite runs {form} networks, which are not timed; add one: {', '.join(able)}")
    return found


def _doubtful(steps: dict[str, Step]) -> tuple[Use, ...]:
    found = {
        str(step.node.cell.dataset): step.node.cell.dataset
        for step in steps.values()
        if step.status == "cached" and step.record and step.record.data and step.record.data.verified is False
    }
    return tuple(found.values())


def _revive(judged: dict[str, Step], artifacts: Path, needed: set[str]) -> dict[str, Step]:
    """Make cached nodes due whose network is needed, by name or by a child that is due, but not on this machine."""
    present = {path.name for path in artifacts.glob("*")} if artifacts.is_dir() else set()
    steps, needed = dict(judged), set(needed)
    for name in reversed(judged):  # children before their parents
        step = steps[name]
        artifact = step.record.artifact if step.record else None
        if name in needed and step.status == "cached" and artifact and artifact.file not in present:
            reason = "its network is needed and not on this machine"
            step = steps[name] = msgspec.structs.replace(step, status="stale", reason=reason)
        if step.due:
            needed |= set(step.node.parents)
    return steps


class _Judge:
    """Decides for each node, parents first, whether it is to be executed."""

    def __init__(
        self,
        tree: Tree,
        proofs: proof.Proofs,
        seen_whole: dict[Dataset, str],
        *,
        fresh: set[str],
        retry_failed: bool,
    ) -> None:
        self.steps: dict[str, Step] = {}
        self._tree = tree
        self._proofs = proofs
        self._seen_whole = seen_whole
        self._fresh = fresh
        self._retry_failed = retry_failed

    def step(self, node: Node) -> None:
        status, reason, record = self._verdict(node)
        cost_s = 0.0 if node.id in self._tree.reasons else self._tree.cost_s(node)
        self.steps[node.id] = Step(
            node=node,
            status=status,
            reason=reason,
            cost_s=GUESS_S[node.kind] if cost_s is None else cost_s,
            guessed=cost_s is None,
            record=record,
        )

    def _verdict(self, node: Node) -> tuple[StepStatus, str, Header | None]:
        executions = self._tree.executions(node)
        if reason := self._tree.reasons.get(node.id):
            kept = [header for header in executions if cannot_work(header, self._tree.backend)]
            return "unsupported", reason, kept[-1] if kept else None
        parents = [self.steps[name] for name in node.parents]
        for parent in parents:
            if parent.status in {"failed", "unsupported"}:
                fault = "failed" if parent.status == "failed" else "cannot work"
                return parent.status, f"its parent {parent.node.id} {fault}", executions[-1] if executions else None
        if node.kind == "measure":
            before, executions = executions, [one for one in executions if is_here(one, node, self._tree.backend)]
            if before and not executions:
                return "new", "not yet measured on this hardware with these runtime versions", None
        if not executions:
            return self._unrecorded(node, parents)
        standing = [header for header in executions if self._proofs.equal(header, node)]
        if not standing:
            before_code = executions[-1].provenance.code
            names = before_code.keys() | node.code.keys()
            changed = sorted(name for name in names if before_code.get(name) != node.code.get(name))
            told = ", ".join(changed[:6]) + (f" and {len(changed) - 6} more" if len(changed) > 6 else "")
            return "stale", f"changed since {executions[-1].created}: {told}", executions[-1]
        return self._recorded(node, parents, standing)

    def _unrecorded(self, node: Node, parents: list[Step]) -> tuple[StepStatus, str, Header | None]:
        if node.diagnostic and (told := self._told_by_network(node.diagnostic, parents[0])):
            if parents[0].due:
                return "stale", f"its parent {parents[0].node.id} runs again", None
            return "cached", f"recorded {told.created} with the network", None
        near = self._tree.history.lacks_only_parameters(node.cell) if node.kind in {"train", "derive"} else ""
        return "new", f"no record yet{f': {near}' if near else ''}", None

    def _told_by_network(self, diagnostic: Use, parent: Step) -> Header | None:
        """Return the record of the standing network, of schema 1, that holds what a diagnostic finds."""
        made = parent.record.artifact if parent.record else None
        for header in self._tree.executions(parent.node):
            same = made is not None and header.artifact is not None and header.artifact.digest == made.digest
            if same and self._tree.is_told_by(diagnostic, header):
                return header
        return None

    def _recorded(
        self, node: Node, parents: list[Step], standing: list[Header]
    ) -> tuple[StepStatus, str, Header | None]:
        """Judge a node by those of its executions whose code says the same as today's."""
        backend = self._tree.backend
        good = [header for header in standing if header.status == "finished" or cannot_work(header, backend)]
        record = good[-1] if good else standing[-1]
        if node.id in self._fresh:
            return "stale", "asked for with --fresh", record
        if not good and record.error is not None and record.error.type == "NotInstalled":
            return "new", f"{record.error.message} when it was tried; tried again", record
        if not good and record.error is not None and record.error.type == "ParentFailed":
            return "stale", "tried again", record
        if not good and record.status == "unsupported":
            return "new", f"unsupported on the backend {record.provenance.backend}, not tried on {backend}", record
        if not good:
            if self._retry_failed:
                return "stale", "tried again", record
            why = shortened(record.error.message) if record.error else "no reason kept"
            return "failed", f"{record.status} before: {why}", record
        if record.status == "unsupported":
            return "unsupported", record.error.message if record.error else "", record
        for parent in parents:
            if parent.due:
                return "stale", f"its parent {parent.node.id} runs again", record
        descendants = [header for header in good if self._descends(header, parents)]
        if not descendants:
            return "stale", "the network it started from has been made anew", record
        record = descendants[-1]
        if record.data and record.data.verified is False and self._is_repaired(node, record):
            return "stale", "its data were not the published files, which they are now", record
        unseen = [str(use) for use in node.watches if use not in record.watched]
        if unseen:
            return "stale", f"was trained when {unseen[0]} did not watch", record
        for use in node.watches:
            if str(use) in record.watch_faults and self._may_work_now(node, use):
                return "stale", f"{use.name} raised while it watched; tried again", record
        if record.provenance.code == node.code:
            return "cached", f"recorded {record.created}", record
        return "cached", f"recorded {record.created}, proved equal to {(record.provenance.commit or '')[:12]}", record

    def _may_work_now(self, network: Node, use: Use) -> bool:
        """Tell whether a diagnostic that raised while it watched is another one now, or is to be tried again anyway."""
        looking = self._tree.nodes.get(node_id(network.id, None, use))
        if looking is None:
            return False
        return self._retry_failed or not any(
            one.provenance.code == looking.code for one in self._tree.executions(looking)
        )

    def _descends(self, header: Header, parents: list[Step]) -> bool:
        """Tell whether an execution started from the networks that stand for the node's parents."""
        made = {parent.record.artifact.digest for parent in parents if parent.record and parent.record.artifact}
        return set(header.parents) == made

    def _is_repaired(self, node: Node, record: Header) -> bool:
        """Tell whether a dataset whose files were not the published ones has been seen whole since."""
        dataset = (str(self._tree.plain(node.cell.dataset)), node.cell.source)
        return self._seen_whole.get(dataset, "") > record.created


def is_here(timed: Header | Record, node: Node, backend: str) -> bool:
    """Tell whether a timing was taken on hardware and with versions like ours."""
    made = timed.provenance
    return (
        made.hardware.fingerprint == hardware().fingerprint
        and made.backend == backend
        and {name: made.packages.get(name) for name in node.packages} == node.packages
    )


def cannot_work(header: Header | Record, backend: str) -> bool:
    """Tell whether a record says that a node cannot work here; what lacked a package or a parent may work one day."""
    passing = header.error is not None and header.error.type in {"NotInstalled", "ParentFailed"}
    return header.status == "unsupported" and header.provenance.backend == backend and not passing


def _runs(picked: list[tuple[SuiteCell, int | None, int, list[str]]], steps: dict[str, Step]) -> list[Run]:
    counted: set[str] = set()
    runs = []
    for row, seed, fold, own in picked:
        needed = _with_parents(own, steps)
        cost = sum(steps[i].cost_s for i in needed if steps[i].due and i not in counted)
        counted |= set(needed)
        telling = _telling([steps[name] for name in own])
        runs.append(_run(row, seed, fold, telling.status, telling.reason, round(cost, 2), tuple(needed)))
    return runs


def _telling(own: list[Step]) -> Step:
    """Return the step that speaks for a run: one that failed, the network if it is due, else what is due below it."""
    failed = [step for step in own if step.status == "failed"]
    if failed or own[0].due:
        return failed[0] if failed else own[0]
    order = ("new", "stale", "unsupported", "cached")
    return min(own, key=lambda step: order.index(step.status))


def _with_parents(own: list[str], steps: dict[str, Step]) -> list[str]:
    """Return a run's nodes with all that they need, parents first."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for parent in steps[name].node.parents:
            add(parent)
        found.setdefault(name)

    for name in own:
        add(name)
    return list(found)


def _run(
    row: SuiteCell,
    seed: int | None,
    fold: int,
    status: StepStatus,
    reason: str,
    cost_s: float = 0.0,
    nodes: tuple[str, ...] = (),
) -> Run:
    return Run(
        id=run_id(row.cell_id, seed, fold),
        cell_id=row.cell_id,
        label=row.label,
        recipe=row.recipe,
        dataset=row.dataset,
        architecture=row.architecture,
        seed=seed,
        fold=fold,
        status=status,
        reason=reason,
        cost_s=cost_s,
        nodes=nodes,
    )
