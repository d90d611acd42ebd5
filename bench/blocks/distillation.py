"""How far a student's answers are from those of its teachers."""

from collections.abc import Sequence

from keras import ops

from bench.work.training import Tensor


def soft_distance(groups: Sequence[slice], answers: Sequence[Tensor], outputs: Tensor, temperature: float) -> Tensor:
    """Return T² × the Kullback–Leibler divergence from the teachers' mean probabilities to the student's, (n,).

    `answers` are the teachers' logits, `outputs` the student's; both are softened by the
    temperature T. Each of `groups` is a choice of its own, and the divergences are added.

    Source: Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531
    """
    distance = 0.0
    for group in groups:
        softened = [ops.softmax(ops.cast(one[:, group], "float32") / temperature, axis=1) for one in answers]
        wanted = sum(softened) / len(answers)
        given = ops.log_softmax(ops.cast(outputs[:, group], "float32") / temperature, axis=1)
        distance += ops.sum(wanted * (ops.log(ops.maximum(wanted, 1e-30)) - given), axis=1)
    return temperature**2 * distance
