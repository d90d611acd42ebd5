"""Distillation: a student learns its teachers' answers

The loss becomes (1 − `weight`) × the loss of the labels + `weight` × T² × the Kullback–Leibler
divergence from the teacher's probabilities to the student's, both softened by the temperature T.
The teacher sees the same augmented batch. It is another cell, trained once for all its students:
`distill(teacher='resnet(depth=56)')`, or `cell(architecture=…, recipe=…, epochs=…)` in quotes; of
a list of teachers the mean is learned. With `hint` above 0 the student also learns what the
teachers' last layer sees: a dense layer that is not kept predicts it from what its own last layer
sees, and `hint` × the squared error is added.

Paper: G. Hinton, O. Vinyals and J. Dean, Distilling the Knowledge in a Neural Network, 2015,
https://arxiv.org/abs/1503.02531; hints: A. Romero et al., FitNets: Hints for Thin Deep Nets, ICLR 2015,
https://arxiv.org/abs/1412.6550

Expect: ResNet-56 → ResNet-20 on CIFAR-100 69.06 → 70.66 % (RepDistiller)
"""

import keras
from keras import ops

from bench.blocks.anatomy import head
from bench.blocks.distillation import soft_distance
from bench.work.network import MAIN
from bench.work.training import Cell, Loss, Tensor, Trainer

TASKS = ("classification", "hierarchical")
AGREES = ("teacher",)
ADDED = {"hint": 0.0}
_HINT = "hint"


def model(model: keras.Model, *, teacher: Cell | list[Cell], hint: float = 0.0) -> keras.Model:
    """Return the untrained network with an auxiliary head that predicts the teachers' features, if they count."""
    if not hint:
        return model
    width = sum(_features(one).output_shape[-1] for one in _all(teacher))
    predicted = keras.layers.Dense(width, name=_HINT)(_pooled(head(model)[0]))
    heads = model.output if isinstance(model.output, dict) else {MAIN: model.output}
    return keras.Model(model.inputs, heads | {_HINT: predicted}, name=model.name)


def loss(
    inner: Loss,
    trainer: Trainer,
    *,
    teacher: Cell | list[Cell],
    temperature: float = 4.0,
    weight: float = 0.9,
    hint: float = 0.0,
) -> Loss:
    """Return the loss of the labels mixed with the distance from the teachers' answers."""
    teachers = _all(teacher)
    if hint:
        seen = [_features(one) for one in teachers]

        def missed(x: Tensor, y: Tensor, predicted: Tensor) -> Tensor:
            wanted = ops.concatenate([ops.cast(one(x, training=False), "float32") for one in seen], axis=1)
            return keras.losses.mean_squared_error(ops.stop_gradient(wanted), predicted)

        trainer.head_losses[_HINT] = (hint, missed)

    def distilled(x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        distance = soft_distance(trainer.groups, [one.logits(x) for one in teachers], outputs, temperature)
        return (1 - weight) * inner(x, y, outputs) + weight * distance

    return distilled


def _all(teacher: Cell | list[Cell]) -> list[Cell]:
    return teacher if isinstance(teacher, list) else [teacher]


def _features(teacher: Cell) -> keras.Model:
    """Return the network that gives what a teacher's last layer sees, (n, width)."""
    return keras.Model(teacher.network.inputs, _pooled(head(teacher.network)[0]))


def _pooled(features: keras.KerasTensor) -> keras.KerasTensor:
    places = tuple(range(1, len(features.shape) - 1))
    return ops.mean(features, axis=places) if places else features
