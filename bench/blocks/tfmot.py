"""What tensorflow-model-optimization does to a network, on its twin in tf_keras.

Importing this module puts the process in tf_keras's hands for `tf.keras`.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow_model_optimization as tfmot
import tf_keras
from keras import ops
from tensorflow_model_optimization.python.core.clustering.keras.experimental.cluster import (
    cluster_weights as keeping_zeros,  # which the public one does not
)

from bench.blocks.fusing import fused
from bench.blocks.keras_integers import require_floats
from bench.blocks.masks import FEW, RISES, UPDATES, Schedule, kernels
from bench.errors import Unsupported, first_line
from bench.work import twin
from bench.work.training import Job, Product

Wrap = Callable[[Any], Any]
WITH_KERNELS = (
    tf_keras.layers.Conv2D,
    tf_keras.layers.DepthwiseConv2D,
    tf_keras.layers.SeparableConv2D,
    tf_keras.layers.Dense,
)
ENOUGH_ZEROS = 0.05
"""Share of zeros from which a network counts as pruned."""


def pruned(job: Job, sparsity: float, epochs: int, learning_rate: float, schedule: Schedule) -> Product:
    """Return the network with its smallest weights at zero."""
    steps = epochs * job.trainer.steps_per_epoch
    frequency = max(steps // UPDATES, 1)
    made = (
        tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=sparsity,
            begin_step=0,
            end_step=max(int(steps * RISES), 1),
            frequency=frequency,
        )
        if schedule == "polynomial"
        else tfmot.sparsity.keras.ConstantSparsity(sparsity, begin_step=0, frequency=frequency)
    )
    wrapped = _wrapped(job, lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=made))
    step = tfmot.sparsity.keras.UpdatePruningStep()
    product = _trained(job, wrapped, epochs, learning_rate, step)
    return _back(job, tfmot.sparsity.keras.strip_pruning(wrapped), product)


def clustered(job: Job, clusters: int, epochs: int, learning_rate: float) -> Product:
    """Return the network with `clusters` distinct weights in each layer."""
    how: dict[str, Any] = {
        "number_of_clusters": clusters,
        "cluster_centroids_init": tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
    }
    cluster, keeps_zeros = tfmot.clustering.keras.cluster_weights, _is_sparse(job.parent.network)
    if keeps_zeros:
        cluster, how = keeping_zeros, how | {"preserve_sparsity": True}

    def wrap(layer: Any) -> Any:
        if np.count_nonzero(layer.kernel) >= clusters:
            return cluster(layer, **how)
        layer.trainable = not keeps_zeros  # no more weights differ than may, and zeros would not stay
        return layer

    wrapped = _wrapped(job, wrap)
    product = _trained(job, wrapped, epochs, learning_rate)
    return _back(job, tfmot.clustering.keras.strip_clustering(wrapped), product)


def quantization_aware(job: Job, epochs: int, learning_rate: float) -> tuple[tf_keras.Model, Product]:
    """Return the twin as it is after training with weights and activations rounded to 8 bits, and its curves.

    Zeros that the network came with are kept, and the few distinct weights of a layer, but for normalization. A dense
    layer's batch normalization and ReLUs that follow a kernel become part of that layer first, or neither its weights
    nor its zeros would have a place in the training.
    """
    trained = _checked(job)
    network = twin.make(fused(trained), like=trained)
    quantizable = tfmot.quantization.keras.default_8bit.Default8BitQuantizeRegistry()

    def annotate(layer: Any) -> Any:
        if isinstance(layer, (tf_keras.layers.Rescaling, tf_keras.layers.Normalization)):
            return tfmot.quantization.keras.quantize_annotate_layer(layer, _OutputAlone())
        if isinstance(layer, tf_keras.layers.AveragePooling2D):
            return layer  # LiteRT's has one scale for what it takes and gives
        if quantizable.supports(layer) or _is_folded(layer):
            return tfmot.quantization.keras.quantize_annotate_layer(layer)
        return layer

    try:
        annotated = tf_keras.models.clone_model(network, clone_function=annotate)
        with tf_keras.utils.custom_object_scope({"_OutputAlone": _OutputAlone}):
            ready = tfmot.quantization.keras.quantize_apply(annotated, _scheme(trained))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        raise Unsupported(
            f"tensorflow-model-optimization cannot quantize {network.name}: {first_line(error)}"
        ) from error
    return ready, _trained(job, ready, epochs, learning_rate)


def _is_folded(layer: Any) -> bool:
    """Tell whether a layer is a batch normalization that becomes part of the kernel before it, and is rounded there."""
    if not isinstance(layer, tf_keras.layers.BatchNormalization):
        return False
    before = layer.inbound_nodes[0].inbound_layers
    if not isinstance(before, WITH_KERNELS) or len(before.outbound_nodes) > 1:
        return False
    return before.activation is tf_keras.activations.linear


def _scheme(network: keras.Model) -> Any:
    """Return how to quantize: so that most zeros stay zeros, few distinct weights a layer stay few, or plainly."""
    values, sparse = [ops.convert_to_numpy(kernel) for kernel in kernels(network)], _is_sparse(network)
    if values and all(len(np.unique(value)) <= min(FEW, value.size // 2) for value in values):
        return tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=sparse)
    if sparse:
        return tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme()
    return tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()


def _is_sparse(network: keras.Model) -> bool:
    values = [ops.convert_to_numpy(kernel) for kernel in kernels(network)]
    return bool(sum((value == 0).sum() for value in values) > ENOUGH_ZEROS * sum(value.size for value in values))


class _Rate(tf_keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of the suite's schedule, from `first` on, over so many steps."""

    def __init__(self, job: Job, first: float, steps: int) -> None:
        self._factor, self._first, self._steps = job.trainer.factor, first, steps

    def __call__(self, step: Any) -> Any:
        return self._first * self._factor(ops.cast(step, "float32") / self._steps)


class _OutputAlone(tfmot.quantization.keras.QuantizeConfig):
    """Of a layer without weights that are worth it: what it hands on is rounded, by its moving range."""

    def get_weights_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def get_activations_and_quantizers(self, layer: Any) -> list[Any]:
        return []

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        pass

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        pass

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        quantizers = tfmot.quantization.keras.quantizers
        return [quantizers.MovingAverageQuantizer(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)]

    def get_config(self) -> dict[str, Any]:
        return {}


def _checked(job: Job) -> keras.Model:
    """Return the network; raise Unsupported for one that cannot train here."""
    network, classes = job.parent.network, len(job.learn.facts.classes)
    require_floats(network)
    if network.output_shape[-1] != classes:
        raise Unsupported(f"the network has {network.output_shape[-1]} output; one for each class is needed")
    return network


def _wrapped(job: Job, wrap: Wrap) -> tf_keras.Model:
    """Return the twin with each of its convolutions and dense layers wrapped."""
    trained = _checked(job)

    def each(layer: Any) -> Any:
        is_wrapped = isinstance(layer, (tf_keras.layers.Conv2D, tf_keras.layers.Dense))
        return wrap(layer) if is_wrapped and not isinstance(layer, tf_keras.layers.DepthwiseConv2D) else layer

    return tf_keras.models.clone_model(twin.make(trained), clone_function=each)


def _trained(
    job: Job,
    wrapped: tf_keras.Model,
    epochs: int,
    learning_rate: float,
    callback: tf_keras.callbacks.Callback | None = None,
) -> Product:
    rate = _Rate(job, learning_rate, max(epochs * job.trainer.steps_per_epoch, 1))
    optimizer = tf_keras.optimizers.Adam(rate)
    model = twin.Training(wrapped, job.trainer, job.parent.outputs, optimizer)
    return Product(job.parent.network, series=model.fit(epochs, callback or tf_keras.callbacks.Callback()))


def _back(job: Job, stripped: tf_keras.Model, product: Product) -> Product:
    """Return the network with its twin's weights."""
    twin.copy_weights(stripped, job.parent.network)
    return product
