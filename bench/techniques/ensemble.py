"""Ensemble: the networks of all seeds answer together

One network that asks those of all the suite's seeds and gives the mean of their probabilities (of
values, their mean). It is as large and as slow as all of them together, and it is one network:
its row has no seeds.

Paper: B. Lakshminarayanan, A. Pritzel and C. Blundell, Simple and Scalable Predictive Uncertainty Estimation using
Deep Ensembles, NeurIPS 2017, https://arxiv.org/abs/1612.01474

Expect: CIFAR-10 error of five VGG-like networks about a point below that of one (the paper, figure 2)
"""

import keras
from keras import layers, ops

from bench.errors import Unsupported
from bench.work.training import Job, Product, groups

TAKES = ("keras",)
GIVES = "keras"
SEEDS = "all"


def after(job: Job) -> Product:
    """Return the network that averages the parents; its answers are logarithms of probabilities, which are logits."""
    if len(job.parents) < 2:
        raise Unsupported("an ensemble needs networks of at least two seeds; name more in the suite's `seeds`")
    inputs = keras.Input(job.parent.network.input_shape[1:], dtype="float32")
    answers = []
    for i, parent in enumerate(job.parents):
        parent.network.name = f"member_{i}"
        outputs = parent.network(inputs)
        logits = outputs if parent.outputs == "logits" else ops.log(ops.clip(outputs, 1e-7, 1.0))
        answers.append(ops.cast(logits, "float32"))
    if not groups(job.learn.facts):
        return Product(keras.Model(inputs, layers.Average()(answers), name="ensemble"))
    parts = [
        ops.log(ops.maximum(layers.Average()([ops.softmax(answer[:, group], axis=1) for answer in answers]), 1e-30))
        for group in groups(job.learn.facts)
    ]
    outputs = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    return Product(keras.Model(inputs, outputs, name="ensemble"), outputs="logits")
