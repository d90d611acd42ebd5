"""Class-incremental learning: a few classes at a time

The classes come in `steps` tasks, in their order, and each is trained on alone for the epochs of
the suite. So that the old ones are not forgotten, a buffer of at most `replay` examples of theirs is
trained on beside. `select` says which: `random`; `herding`, those whose mean features are nearest
to the class's (Rebuffi 2017); `reservoir`, a random sample of all examples so far; `cyclic`, the
latest of each class, a new one in the place of the oldest. With `distill` above 0, that weight times
the distance from the answers of the network before the task is added to the loss (Li 2016). The two
bounds are `replay=0`, and `joint`, which trains on all classes so far at every step.

The record says how accurate the network is on all classes so far after each task, and forgetting.

Paper: S.-A. Rebuffi, A. Kolesnikov, G. Sperl and C. H. Lampert, iCaRL: Incremental Classifier and Representation
Learning, CVPR 2017, https://arxiv.org/abs/1611.07725; Z. Li and D. Hoiem, Learning without Forgetting, ECCV 2016,
https://arxiv.org/abs/1606.09282

Expect: CIFAR-100 in ten tasks, 2,000 exemplars, replay alone: about 41 % in the end (PyCIL)
"""

from dataclasses import replace
from typing import Literal

import keras
import numpy as np
from msgspec import structs

from bench.blocks.distillation import soft_distance
from bench.blocks.replay import Buffer
from bench.errors import Unsupported
from bench.work.data import Learn, Part
from bench.work.network import main_head
from bench.work.training import Loss, Product, Stage, Tensor, Trainer, joined

TASKS = ("classification",)
EXCLUDES = {
    "prune": "it would train on with all classes at once",
    "simplify": "it would train on with all classes at once",
    "swa": "it would train on with all classes at once",
}


def fit(
    trainer: Trainer,
    model: keras.Model,
    *,
    steps: int = 5,
    replay: int = 0,
    select: Literal["random", "herding", "reservoir", "cyclic"] = "random",
    distill: float = 0.0,
    temperature: float = 2.0,
    joint: bool = False,
) -> Product:
    """Train on one task after the other and return the network with what it was after each."""
    learn, classes = trainer.learn, len(trainer.facts.classes)
    _check(classes, steps, replay, joint)
    rng = np.random.default_rng([trainer.seed, 1])
    buffer = Buffer(replay, select, rng)
    done, stages = [], []
    for i, task in enumerate(np.array_split(np.arange(classes), steps)):
        seen = np.arange(task[-1] + 1)
        own = np.flatnonzero(np.isin(learn.train.y, seen if joint else task))
        part = Learn(learn.facts, _take(learn.train, [*own, *buffer.rows]), _of(learn.validation, seen))
        step = replace(trainer.on(part), seed=int(np.random.SeedSequence([trainer.seed, i]).generate_state(1)[0]))
        if distill and i:
            step = replace(step, loss=_remembering(step, model, int(task[0]), distill, temperature))
        product = step.fit(model)
        curves = [structs.replace(one, points=_later(one.points, i, trainer)) for one in product.series]
        done.append(replace(product, series=tuple(curves)))
        network = main_head(model)
        stages.append(Stage(tuple(map(int, task)), network.get_weights()))
        buffer.add(network, learn.train, own)
    return replace(joined(done), figures={"exemplars": (len(buffer.rows), "1")}, stages=tuple(stages))


def _check(classes: int, steps: int, replay: int, joint: bool) -> None:
    if not 2 <= steps <= classes:
        raise Unsupported(f"incremental(steps={steps}): {classes} classes can come in 2 to {classes} steps")
    if 0 < replay < classes:
        raise Unsupported(f"incremental(replay={replay}) holds fewer examples than the {classes} classes there are")
    if joint and replay:
        raise Unsupported("incremental(joint=True) sees all examples and needs no replay")


def _take(part: Part, rows: list[int]) -> Part:
    return Part(part.x[rows], part.y[rows])


def _of(part: Part, classes: np.ndarray) -> Part:
    rows = np.isin(part.y, classes)
    return Part(part.x[rows], part.y[rows])


def _later(epochs: list[float], step: int, trainer: Trainer) -> list[float]:
    return [epoch + step * trainer.settings.epochs for epoch in epochs]


def _remembering(trainer: Trainer, model: keras.Model, old: int, weight: float, temperature: float) -> Loss:
    """Return the loss with the distance from the present answers on the `old` first classes added."""
    before = keras.models.clone_model(main_head(model))
    before.set_weights(main_head(model).get_weights())
    inner = trainer.loss

    def remembering(x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        answers = keras.ops.stop_gradient(before(x, training=False))
        distance = soft_distance([slice(0, old)], [answers], outputs, temperature)
        return inner(x, y, outputs) + weight * distance

    return remembering
