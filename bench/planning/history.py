"""Earlier records: which node each one executed, and what they say about cost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench.records import Cell, MeasureSpec, NodeKind, Use, canonical
from bench.store import Header, NodeKey, node_key
from bench.tasks import Node

GUESS_S: dict[NodeKind, float] = {"train": 30.0, "derive": 10.0, "measure": 4.0, "diagnose": 1.0}
"""Seconds of a node of which no record is like."""


class History:
    """Earlier records, by node, and what they say about cost."""

    def __init__(self, found: Iterable[Header]) -> None:
        """Index the headers, oldest first, by the cell's id that each one states."""
        self.cells: dict[str, tuple[str, Cell]] = {}
        """Every recorded cell by its id, with the suite that recorded it last."""
        self._by_node: dict[NodeKey, list[Header]] = defaultdict(list)
        self._seconds: dict[Any, list[float]] = defaultdict(list)
        self._alike: dict[bytes, dict[str, Cell]] = defaultdict(dict)
        for header in found:
            does = header.measure or header.diagnostic
            self._by_node[node_key(header.cell_id, header.node, header.seed, header.fold, does)].append(header)
            if header.cell_id not in self.cells:
                self._alike[_names(header.cell)][header.cell_id] = header.cell
            self.cells[header.cell_id] = (header.suite, header.cell)
            if header.status == "finished":
                work = header.cell.training.epochs if header.node == "train" else 1
                for likeness in _likenesses(header.node, header.cell_id, header.cell, does):
                    self._seconds[likeness].append(sum(header.phases_s.values()) / work)

    def of(self, node: Node, ids: Sequence[str]) -> list[Header]:
        """Return the executions of a node, oldest first; `ids` are all that its cell ever had."""
        does = node.measure or node.diagnostic
        found = [self._by_node.get(node_key(name, node.kind, node.seed, node.fold, does), []) for name in ids]
        return sorted((header for headers in found for header in headers), key=lambda header: header.created)

    def lacks_only_parameters(self, cell: Cell) -> str:
        """Say which parameter alone tells a cell from a recorded one that knows nothing of it; empty if none does."""
        for name, known in self._alike.get(_names(cell), {}).items():
            missing = []
            for now, before in zip(_uses(cell), _uses(known), strict=True):
                if any(now.parameters.get(key) != value for key, value in before.parameters.items()):
                    break
                missing += [(now, key) for key in now.parameters.keys() - before.parameters.keys()]
            else:
                if missing:
                    use, key = missing[0]
                    return (
                        f"{use.name}'s parameter '{key}' is not in the records of {name}; if {use.parameters[key]!r} "
                        f"is what it did before, its file may say ADDED = {{'{key}': {use.parameters[key]!r}}}"
                    )
        return ""

    def cost_s(self, kind: NodeKind, cell_name: str, cell: Cell, does: MeasureSpec | Use | None) -> float | None:
        """Predict a node's seconds from the records most like it; None where none is."""
        work = cell.training.epochs if kind == "train" else 1
        for likeness in _likenesses(kind, cell_name, cell, does):
            if seconds := self._seconds.get(likeness):
                return round(work * sum(seconds) / len(seconds), 2)
        return None


def _uses(cell: Cell) -> list[Use]:
    training = cell.training
    return [
        cell.dataset,
        cell.architecture,
        training.optimizer,
        training.schedule,
        training.loss,
        *cell.techniques,
    ]


def _names(cell: Cell) -> bytes:
    """Return what two cells have in common that differ in parameters alone."""
    training = {name: getattr(cell.training, name) for name in cell.training.__struct_fields__}
    plain = {name: value for name, value in training.items() if not isinstance(value, Use)}
    return canonical((cell.source, [use.name for use in _uses(cell)], plain))


def _likenesses(kind: NodeKind, cell_name: str, cell: Cell, does: MeasureSpec | Use | None) -> tuple[Any, ...]:
    """Return what makes records alike in cost, the most alike first."""
    if isinstance(does, MeasureSpec):
        step = does.runtime.name
    else:
        step = does.name if does else cell.techniques[-1].name if kind == "derive" else ""
    return (
        (kind, step, cell_name),
        (kind, step, cell.dataset.name, str(cell.architecture)),
        (kind, step, cell.dataset.name),
    )
