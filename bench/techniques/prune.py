"""Pruning: small weights set to zero

Starts from the trained network and trains on for `epochs` epochs, in which the smallest weights
of all convolutions and dense layers are set to zero, more and more until the share `sparsity` is
reached. It trains on what the recipe's techniques make of batches and loss. The compressed file
shrinks; no common runtime gets faster by it.

Paper: M. Zhu and S. Gupta, To prune, or not to prune: exploring the efficacy of pruning for model compression, 2017, https://arxiv.org/abs/1710.01878

Expect: InceptionV3 on ImageNet 78.1 → 78.0 / 76.1 / 74.6 % at 50 / 75 / 87.5 % (tensorflow-model-optimization's guide)
"""

import keras
import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras

from bench.errors import Unsupported
from bench.work import training, twin

BACKENDS = ("tensorflow",)
TASKS = ("classification",)
TAKES = ("keras",)
GIVES = "keras"


def after(
    job: training.Job, *, sparsity: float = 0.5, epochs: int = 2, learning_rate: float = 0.0005
) -> training.Product:
    """Return the pruned network; raise Unsupported if it cannot be rebuilt in tf_keras."""
    trained = job.parent.network
    if trained.output_shape[-1] != len(job.learn.facts.classes):
        raise Unsupported(f"the network has {trained.output_shape[-1]} output; pruning needs one for each class")
    steps = epochs * job.trainer.steps_per_epoch
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=sparsity,
        begin_step=0,
        end_step=max(steps * 3 // 4, 1),
        frequency=max(steps // 40, 1),
    )

    def wrap(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(layer, (tf_keras.layers.Conv2D, tf_keras.layers.Dense)):
            return tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=schedule)
        return layer

    pruned = tf_keras.models.clone_model(twin.make(trained), clone_function=wrap)
    model = twin.Training(pruned, job.trainer, job.parent.outputs, tf_keras.optimizers.Adam(learning_rate))
    series = model.fit(epochs, tfmot.sparsity.keras.UpdatePruningStep())
    stripped = tfmot.sparsity.keras.strip_pruning(pruned)
    twin.copy_weights(stripped, trained)
    reached = _sparsity(trained)
    # Known to do nothing, silently, when the schedule is longer than the training.
    if reached < sparsity - 0.02:
        raise Unsupported(f"pruning reached a sparsity of {reached:.2f}, not {sparsity}; train for more epochs")
    return training.Product(trained, figures={"sparsity": (reached, "1")}, series=series)


def _sparsity(network: keras.Model) -> float:
    """Return the share of zeros among the kernels that are pruned."""
    kernels = [
        np.asarray(layer.kernel)
        for layer in network.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
    ]
    return float(sum((kernel == 0).sum() for kernel in kernels) / sum(kernel.size for kernel in kernels))
