"""What a person is told of a network that came out otherwise than they may think."""

from collections.abc import Sequence

from bench.catalog import Catalog
from bench.records import Measurement
from bench.tasks import Task
from bench.work import stored

LOST = 0.1
"""Share of the weights that were zero before a technique and are not after it, from which that is told."""


def lost_zeros(catalog: Catalog, task: Task, figures: Sequence[Measurement]) -> str:
    """Return that a recipe's last technique undid what one before it had set to zero, or an empty string."""
    uses = [use for use in task.node.cell.techniques if "after" in catalog.card("techniques", use.name).doors]
    if len(uses) < 2 or task.parent is None:
        return ""
    now, before = (_sparsity(some) for some in (figures, stored.figures(task.parent, task.home.artifacts)))
    if now is None or before is None or before - now < LOST:
        return ""
    last = uses[-1]
    told = f"{' + '.join(use.name for use in uses)}: {before:.0%} of the weights were zero before {last.name}, "
    told += f"{now:.0%} are after it, as it changes all of them"
    leaves_keras = catalog.card("techniques", last.name).facts(last).gives in {None, "keras"}
    return told + (f"; put {last.name} before what makes zeros" if leaves_keras else "")


def _sparsity(figures: Sequence[Measurement]) -> float | None:
    return next((m.value for m in figures if m.name == "sparsity"), None)
