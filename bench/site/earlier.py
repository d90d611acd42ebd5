"""Rows that a suite had: cells with records of it that its newest version no longer asks for."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec.structs import asdict

from bench.records import Cell, Record
from bench.suite_record import SuiteCell, SuiteRecord


def cells(suite: SuiteRecord, records: Iterable[Record]) -> list[SuiteCell]:
    """Return the suite's earlier cells in the order of their first records, each with a label of its own.

    A label names architecture and techniques, and those settings in which the suite's cells,
    present and earlier, differ; the recipe's name is not in the records. A step on the way to a
    present row, as the network that one prunes, is no earlier row, unless it was timed by the
    suite, as rows alone are.
    """
    records = list(records)
    steps, present = _steps(suite, records), {row.cell_id for row in suite.cells}
    own = [record for record in records if record.suite == suite.name and record.cell_id not in present]
    timed = {record.cell_id for record in own if record.node == "measure"}
    gone = {record.cell_id: record.cell for record in own if record.cell_id in timed or record.cell_id not in steps}
    differing = _differing([*(row.cell for row in suite.cells), *gone.values()])
    return [
        SuiteCell(
            cell_id=cell_id,
            label=_label(cell, differing),
            dataset=str(cell.dataset),
            architecture=str(cell.architecture),
            recipe=" + ".join(use.name for use in cell.techniques),
            cell=cell,
        )
        for cell_id, cell in gone.items()
    ]


def _steps(suite: SuiteRecord, records: Sequence[Record]) -> set[str]:
    """Return the ids of the cells whose networks those of present rows were made from, however indirectly."""
    parents: defaultdict[str, set[str]] = defaultdict(set)
    makers: defaultdict[str, set[str]] = defaultdict(set)
    for record in records:
        parents[record.cell_id].update(record.parents)
        if record.artifact:
            makers[record.artifact.digest].add(record.cell_id)
    waiting = [row.cell_id for row in suite.cells]
    known = set(waiting)
    while waiting:
        found = {maker for digest in parents[waiting.pop()] for maker in makers[digest]} - known
        known |= found
        waiting += found
    return known


def _differing(found: Sequence[Cell]) -> set[str]:
    """Return the names of the settings of which the cells have more than one value."""
    values: defaultdict[str, set[str]] = defaultdict(set)
    for cell in found:
        for name, text in _settings(cell).items():
            values[name].add(text)
    return {name for name, texts in values.items() if len(texts) > 1}


def _settings(cell: Cell) -> dict[str, str]:
    """Return what a label may have to tell beside names, as `epochs=30`, by a name unique to plugin and setting."""
    uses = {"dataset": [cell.dataset], "architecture": [cell.architecture], "technique": cell.techniques}
    return {
        "dataset": cell.dataset.name,
        **{
            f"{kind} {use.name} {name}": f"{name}={value!r}"
            for kind, listed in uses.items()
            for use in listed
            for name, value in use.parameters.items()
        },
        **{f"training {name}": f"{name}={value}" for name, value in asdict(cell.training).items()},
        f"source {cell.dataset.name}": f"source={cell.source}",
    }


def _label(cell: Cell, differing: set[str]) -> str:
    names = [cell.architecture.name, " + ".join(use.name for use in cell.techniques)]
    settings = ", ".join(text for name, text in _settings(cell).items() if name in differing)
    return " · ".join(part for part in (*names, settings) if part)
