"""Earlier records: which node each one executed, and what they say about cost."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from bench.records import Cell, MeasureSpec, NodeKind, cell_id
from bench.store import Header, NodeKey, node_key

GUESS_S = {"train": 30.0, "derive": 10.0, "measure": 4.0}
"""Seconds of a node of which no record is like."""


class History:
    """Earlier records, by node, and what they say about cost."""

    def __init__(self, found: Iterable[Header]) -> None:
        """Index the headers; cells are hashed anew, so records outlive a change of the hash."""
        self._by_node: dict[NodeKey, list[Header]] = defaultdict(list)
        self._seconds: dict[Any, list[float]] = defaultdict(list)
        for header in found:
            cell = cell_id(header.cell)
            self._by_node[node_key(cell, header.node, header.seed, header.fold, header.measure)].append(header)
            if header.status == "finished":
                work = header.cell.training.epochs if header.node == "train" else 1
                for likeness in _likenesses(header.node, cell, header.cell, header.measure):
                    self._seconds[likeness].append(sum(header.phases_s.values()) / work)

    def of(
        self, cell_name: str, kind: NodeKind, seed: int | None, fold: int, measure: MeasureSpec | None
    ) -> list[Header]:
        """Return the executions of a node, oldest first."""
        return self._by_node.get(node_key(cell_name, kind, seed, fold, measure), [])

    def cost_s(self, kind: NodeKind, cell_name: str, cell: Cell, measure: MeasureSpec | None) -> float:
        """Predict a node's seconds from the records most like it."""
        work = cell.training.epochs if kind == "train" else 1
        for likeness in _likenesses(kind, cell_name, cell, measure):
            if seconds := self._seconds.get(likeness):
                return round(work * sum(seconds) / len(seconds), 2)
        return GUESS_S[kind]


def _likenesses(kind: NodeKind, cell_name: str, cell: Cell, measure: MeasureSpec | None) -> tuple[Any, ...]:
    """Return what makes records alike in cost, the most alike first."""
    does = measure.runtime.name if measure else cell.techniques[-1].name if kind == "derive" else ""
    return (
        (kind, does, cell_name),
        (kind, does, cell.dataset.name, str(cell.architecture)),
        (kind, does, cell.dataset.name),
    )
