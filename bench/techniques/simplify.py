"""Simplification: a large trained network made smaller, step by step

From the trained network on, the next of `depths` and the next of `widths` are tried, each as a new
network with the present one as its teacher, trained for `epochs` epochs (those of the suite, unless
said). Of those whose accuracy on the validation part is within `tolerance` of the first network's,
the one with the fewest operations is the next present one; where none is, the present one stays.
`depths` and `widths` are values of the architecture's parameters, from large to small. The record
holds the whole path.

Paper: after G. Hinton, O. Vinyals and J. Dean, Distilling the Knowledge in a Neural Network, 2015,
https://arxiv.org/abs/1503.02531, with the previous network as the teacher of the next (S. I. Mirzadeh et al.,
Improved Knowledge Distillation via Teacher Assistant, AAAI 2020, https://arxiv.org/abs/1902.03393)

Expect: a quarter of the operations for a point of accuracy, as hand-made compact networks have
"""

from dataclasses import replace
from typing import Any

import keras

from bench.blocks.distillation import soft_distance
from bench.errors import Unsupported
from bench.records import Table
from bench.work.network import complexity, layer_table, main_head
from bench.work.training import Job, Product, Tensor, Trainer, joined

TASKS = ("classification",)
NEEDS = ("validation",)
TAKES = ("keras",)
GIVES = "keras"
EXCLUDES = {"tune": "it would go on from the suite's settings and not from those that were found"}
_COLUMNS = ("step", "change", "parameters", "FLOPs", "validation accuracy", "kept")
Row = tuple[str, str, float, float, float, bool]


def after(
    job: Job,
    *,
    depths: list[Any] = [],  # noqa: B006 (read as a literal, and never written to)
    widths: list[Any] = [],  # noqa: B006
    tolerance: float = 0.01,
    epochs: int | None = None,
    temperature: float = 4.0,
    weight: float = 0.9,
) -> Product:
    """Return the smallest network on the path."""
    if not depths and not widths:
        raise Unsupported("simplify(depths=[…], widths=[…]): name what to try, from large to small")
    trainer = job.trainer.vary({"epochs": epochs} if epochs else {})
    teacher = job.parent.network
    present: dict[str, Any] = {}
    at_first = trainer.judge(teacher)[1]
    left: dict[str, list[Any]] = {"depth": list(depths), "width": list(widths)}
    path: list[Row] = [("0", "as trained", *_size(teacher), at_first, True)]
    trained: list[Product] = []
    while True:
        tried = []
        for name, values in left.items():
            if values:
                changes = present | {name: values[0]}
                product = _student(trainer, teacher, changes, temperature, weight)
                tried.append((name, changes, product, trainer.judge(product.network)[1]))
        fitting = [one for one in tried if one[3] >= at_first - tolerance]
        best = min(fitting, key=lambda one: _size(one[2].network)[1]) if fitting else None
        step = str(len(trained) + 1)
        path += [
            (step, f"{name}={changes[name]}", *_size(made.network), score, best is not None and best[0] == name)
            for name, changes, made, score in tried
        ]
        if best is None:
            break
        name, present, product, _ = best
        teacher = product.network
        trained.append(product)
        left[name].pop(0)
    curves = joined(trained).series if trained else ()
    table = Table("From the trained network to the smallest one", _COLUMNS, tuple(path))
    return Product(teacher, figures={"steps": (len(trained), "1")}, series=curves, tables={"path": table})


def _student(
    trainer: Trainer, teacher: keras.Model, changes: dict[str, Any], temperature: float, weight: float
) -> Product:
    inner, known = trainer.loss, main_head(teacher)

    def distilled(x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        answers = keras.ops.stop_gradient(known(x, training=False))
        distance = soft_distance(trainer.groups, [answers], outputs, temperature)
        return (1 - weight) * inner(x, y, outputs) + weight * distance

    product = replace(trainer, loss=distilled).fit(trainer.build(**changes))
    return Product(main_head(product.network), series=product.series)


def _size(network: keras.Model) -> tuple[float, float]:
    """Return parameters and floating-point operations."""
    parameters, flops = (figure.value for figure in complexity(layer_table(network)))
    return parameters, flops
