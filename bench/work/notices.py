"""What a person is told of a network that came out otherwise than they may think."""

from collections.abc import Iterator, Sequence

from bench.blocks.masks import FEW
from bench.catalog import Catalog
from bench.records import Measurement
from bench.tasks import Task
from bench.work import stored

LOST = 0.1
"""Share of the weights that were zero before a technique and are not after it, from which that is told."""
MANY_MORE = 4
"""Times as many distinct weights a layer as a clustered network had, from which that is told."""


def undone(catalog: Catalog, task: Task, figures: Sequence[Measurement]) -> Iterator[str]:
    """Yield what a recipe's last technique has undone of what one before it had done to the weights."""
    uses = [use for use in task.node.cell.techniques if "after" in catalog.card("techniques", use.name).doors]
    if len(uses) < 2 or task.parent is None:
        return
    before, now = stored.figures(task.parent, task.home.artifacts), figures
    last, recipe = uses[-1].name, " + ".join(use.name for use in uses)
    leaves_keras = catalog.card("techniques", last).facts(uses[-1]).gives in {None, "keras"}
    cure = f"; put {last} first" if leaves_keras and last not in {use.name for use in uses[:-1]} else ""
    sparse, less_so = _value(before, "sparsity"), _value(now, "sparsity")
    if sparse is not None and less_so is not None and sparse - less_so >= LOST:
        yield f"{recipe}: {sparse:.0%} of the weights were zero before {last}, {less_so:.0%} are after it{cure}"
    few, many = _value(before, "unique_weights"), _value(now, "unique_weights")
    if leaves_keras and few is not None and many is not None and few <= FEW and many > MANY_MORE * few:
        yield f"{recipe}: a layer had {few:.0f} distinct weights at most before {last}, {many:.0f} after it{cure}"


def _value(figures: Sequence[Measurement], name: str) -> float | None:
    return next((m.value for m in figures if m.name == name), None)
