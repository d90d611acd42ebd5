"""The same network in tf_keras, for tensorflow-model-optimization, which knows Keras 2 only.

A flat functional Keras 3 graph is rebuilt layer by layer and given the same weights; the caller
checks nothing, as the outputs are compared here. Importing this module puts the process in
tf_keras's hands for `tf.keras`.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from bench.errors import Unsupported
from bench.records import Series
from bench.work.drivers.tensorflow import Driver
from bench.work.epochs import encoded, mean
from bench.work.product import curves
from bench.work.training import Trainer

TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest difference between the outputs of network and twin, relative to the largest, by what it computes in."""

ALWAYS_DROPPED = {"module", "registered_name", "build_config", "quantization_config", "lora_rank", "lora_alpha"}


def make(network: keras.Model, like: keras.Model | None = None) -> tf_keras.Model:
    """Return a tf_keras network of the same layers, names, weights and outputs; raise Unsupported if there is none.

    Its outputs are compared with those of `like`, of which the network may be another form.
    """
    tensors: dict[int, Any] = {}
    calls = Counter(id(node.operation) for nodes in network._nodes_by_depth.values() for node in nodes)
    inputs = tf_keras.Input(network.inputs[0].shape[1:], dtype="float32", name=network.inputs[0].name)
    tensors[id(network.inputs[0])] = inputs
    for operation in network.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        if not isinstance(operation, keras.layers.Layer):
            tensors[id(operation.output)] = _bare(operation, tensors)
            continue
        if calls[id(operation)] > 1:
            raise Unsupported(f"the network calls {operation.name} more than once, which its twin cannot")
        if isinstance(operation, keras.Model):
            raise Unsupported(f"{operation.name} is a network inside the network; only flat ones can be rebuilt")
        arguments = [tensors[id(tensor)] for tensor in _inputs(operation)]
        try:
            layer = _layer(operation)
            tensors[id(operation.output)] = layer(arguments if len(arguments) > 1 else arguments[0])
            if not isinstance(operation, keras.layers.Normalization):  # it was given its mean and variance
                layer.set_weights(operation.get_weights())
        except (KeyError, TypeError, ValueError) as error:
            raise Unsupported(f"tf_keras cannot rebuild the {type(operation).__name__} '{operation.name}'") from error
    twin = tf_keras.Model(inputs, tensors[id(network.outputs[0])], name=network.name)
    _compare(like or network, twin)
    return twin


def _bare(operation: keras.Operation, tensors: dict[int, Any]) -> Any:
    """Return the output of an operation without weights, such as a sum: the same one, in a layer of tf_keras."""
    node = operation._inbound_nodes[0]
    if not isinstance(operation.output, keras.KerasTensor):
        raise Unsupported(f"{operation.name} has several outputs, which the twin cannot hold")
    symbols = {id(tensor) for tensor in node.input_tensors}
    inputs = [tensors[id(tensor)] for tensor in node.input_tensors]

    def call(values: Any) -> Any:
        given = iter(values if len(inputs) > 1 else [values])
        return operation(
            *_filled(node.arguments.args, symbols, given), **_filled(node.arguments.kwargs, symbols, given)
        )

    _CALLS.append(call)
    return _Call(len(_CALLS) - 1, name=operation.name)(inputs if len(inputs) > 1 else inputs[0])


_CALLS: list[Callable[[Any], Any]] = []


@tf_keras.utils.register_keras_serializable("bench")
class _Call(tf_keras.layers.Layer):
    """One of `_CALLS`. A Lambda would describe what it calls in its config, and with it the whole network."""

    def __init__(self, number: int, **of_layers: Any) -> None:
        super().__init__(**of_layers)
        self._number = number

    def call(self, values: Any) -> Any:
        return _CALLS[self._number](values)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "number": self._number}


def _filled(arguments: Any, symbols: set[int], given: Iterator[Any]) -> Any:
    """Return arguments with each symbolic tensor replaced by the next value, in the order of the node's inputs."""
    return tf.nest.map_structure(lambda one: next(given) if id(one) in symbols else one, arguments)


class Training:
    """Trains a twin on what the recipe's techniques make of batches and loss, an epoch a call.

    Stands in for an `epochs.TrainingModel` before TensorFlow's driver.
    """

    def __init__(
        self,
        network: tf_keras.Model,
        trainer: Trainer,
        outputs: Literal["logits", "probabilities"],
        optimizer: tf_keras.optimizers.Optimizer,
    ) -> None:
        self.trainable_variables = network.trainable_variables
        self.gradient = trainer.gradient
        self.losses: list[tf.Tensor] = []
        self._network = network
        self._trainer = trainer
        self._outputs = outputs
        self._optimizer = optimizer
        self._generator = keras.random.SeedGenerator(trainer.seed)
        self.non_trainable_variables = [*network.non_trainable_variables, self._generator.state]

    def fit(self, epochs: int, callback: tf_keras.callbacks.Callback) -> tuple[Series, ...]:
        """Train for some epochs and return the curves; the callback hears of beginning and epochs."""
        train, batch_size = self._trainer.learn.train, self._trainer.batch_size
        self._optimizer.build(self.trainable_variables)
        driver = Driver(self, (train.x, train.y.astype(np.int32)), None, jit=False)  # type: ignore[arg-type]
        history: dict[str, list[float]] = {"loss": [], "accuracy": []}
        callback.set_model(self._network)
        callback.on_train_begin()
        for epoch in range(epochs):
            loss, accuracy = mean(driver.train, self._trainer.order(epoch), batch_size)
            callback.on_epoch_end(epoch)
            history["loss"].append(loss)
            history["accuracy"].append(accuracy)
        return curves(history)

    @property
    def optimizer(self) -> "Training":
        """Itself, in the words of Keras 3."""
        return self

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        """Return the loss as it is: twins are float32."""
        return loss

    def apply(self, gradients: list[tf.Tensor], variables: list[tf.Variable]) -> None:
        """Take a step."""
        self._optimizer.apply_gradients(zip(gradients, variables, strict=True))

    def __call__(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Return the network's outputs for raw examples and labels, and leave the loss."""
        x, y = tf.cast(inputs[0], tf.float32), encoded(inputs[1], self._trainer.facts)
        if training:
            for door in self._trainer.batch_doors:
                x, y = door(x, y, self._generator)
        outputs = self._network(x, training=training)
        logits = outputs if self._outputs == "logits" else tf.math.log(tf.clip_by_value(outputs, 1e-7, 1.0))
        self.losses = [tf.reduce_mean(self._trainer.loss(x, y, logits))]
        return outputs

    def score(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Return whether each answer is right, (n,)."""
        return tf.cast(tf.equal(labels, tf.argmax(outputs, axis=1, output_type=tf.int32)), tf.float32)


def copy_weights(twin: tf_keras.Model, network: keras.Model) -> None:
    """Copy the weights of a twin back, layer by layer by name."""
    for layer in network.layers:
        if layer.weights and not isinstance(layer, keras.layers.Normalization):
            layer.set_weights(twin.get_layer(layer.name).get_weights())


def _inputs(operation: keras.layers.Layer) -> list[Any]:
    tensors = operation.input
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]


def _layer(operation: keras.layers.Layer) -> tf_keras.layers.Layer:
    kind = getattr(tf_keras.layers, type(operation).__name__, None)
    if kind is None:
        raise Unsupported(f"tf_keras has no layer {type(operation).__name__}")
    accepted: set[str] = set()
    for ancestor in kind.__mro__:
        if "__init__" in vars(ancestor):
            accepted |= set(inspect.signature(ancestor.__init__).parameters)
    config = operation.get_config()
    config["dtype"] = "float32"  # as the weights are, whatever they were multiplied in
    if "negative_slope" in config:
        config["alpha"] = config.pop("negative_slope")
    defaults = inspect.signature(type(operation).__init__).parameters
    kept = {}
    for key, value in config.items():
        if key.endswith(("_initializer", "_regularizer")) or key in ALWAYS_DROPPED:
            continue  # the weights are copied, and the twin is trained without decay
        if key in accepted | {"name", "dtype", "trainable"}:
            kept[key] = value
        elif key in defaults and value != defaults[key].default:
            raise Unsupported(f"tf_keras's {kind.__name__} has no {key}={value!r}")
    if isinstance(operation, keras.layers.Normalization):
        kept |= {"mean": operation.mean.numpy().ravel(), "variance": operation.variance.numpy().ravel()}
    return kind.from_config(kept)


def _compare(network: keras.Model, twin: tf_keras.Model) -> None:
    shape = network.inputs[0].shape[1:]
    x = np.random.default_rng(0).uniform(0, 255, (4, *shape)).astype("float32")
    wanted, got = np.asarray(network(x)), np.asarray(twin(x))
    difference = float(np.abs(wanted - got).max() / max(np.abs(wanted).max(), 1e-6))
    coarsest = max((TOLERANCE.get(layer.compute_dtype or "", 0.0) for layer in network.layers), default=0.0)
    if not difference < max(coarsest, TOLERANCE["float32"]):
        raise Unsupported(f"the tf_keras twin of {network.name} answers differently (by {difference:.2g}, relative)")
