"""Distillation: a student learns a teacher's answers

The loss becomes (1 − `weight`) × the loss of the labels + `weight` × T² × the Kullback–Leibler
divergence from the teacher's probabilities to the student's, both softened by the temperature T.
The teacher sees the same augmented batch. It is another cell, trained once for all its students:
`distill(teacher='resnet(depth=56)')`, or `cell(architecture=…, recipe=…, epochs=…)` in quotes.

Paper: G. Hinton, O. Vinyals and J. Dean, Distilling the Knowledge in a Neural Network, 2015,
https://arxiv.org/abs/1503.02531

Expect: ResNet-56 → ResNet-20 on CIFAR-100 69.06 → 70.66 % (RepDistiller)
"""

from keras import ops

from bench.work.training import Cell, Loss, Tensor, Trainer

TASKS = ("classification", "hierarchical")
AGREES = ("teacher",)


def loss(inner: Loss, trainer: Trainer, *, teacher: Cell, temperature: float = 4.0, weight: float = 0.9) -> Loss:
    """Return the loss of the labels mixed with the distance from the teacher's answers."""

    def distilled(x: Tensor, y: Tensor, outputs: Tensor) -> Tensor:
        answers = teacher.logits(x)
        distance = 0.0
        for group in trainer.groups:
            wanted = ops.log_softmax(answers[:, group] / temperature, axis=1)
            given = ops.log_softmax(outputs[:, group] / temperature, axis=1)
            distance += ops.sum(ops.exp(wanted) * (wanted - given), axis=1)
        return (1 - weight) * inner(x, y, outputs) + weight * temperature**2 * distance

    return distilled
