"""TensorFlow: the loop over the batches is part of the graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from bench.work.epochs import Arrays, Rows, TrainingModel


class Driver:
    """Keeps the state in the variables themselves; Keras has no stateless optimizers for TensorFlow."""

    def __init__(self, model: TrainingModel, train: Arrays, held_out: Arrays | None, *, jit: bool) -> None:
        """Put the data on the device and trace nothing yet."""
        self._model = model
        self._train = self._loop(self._step, train, jit)
        self._judge = self._loop(self._look, held_out, jit) if held_out else None

    def train(self, rows: Rows) -> NDArray[np.float32]:
        """Take a step for each row of examples; return the sums of loss and score."""
        sums: NDArray[np.float32] = self._train(tf.constant(rows)).numpy()
        return sums

    def judge(self, rows: Rows) -> NDArray[np.float32]:
        """Return the sums of loss and score over rows of held-out examples."""
        assert self._judge is not None
        sums: NDArray[np.float32] = self._judge(tf.constant(rows)).numpy()
        return sums

    def _loop(self, step, arrays: Arrays, jit: bool):  # type: ignore[no-untyped-def]
        x, labels = (tf.constant(array) for array in arrays)

        def over(rows: tf.Tensor) -> tf.Tensor:
            def body(i: tf.Tensor, sums: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                batch = tf.gather(x, rows[i]), tf.gather(labels, rows[i])
                loss, scores = step(*batch)
                examples = tf.cast(tf.shape(rows)[1], tf.float32)
                return i + 1, sums + tf.stack([loss * examples, tf.reduce_sum(scores)])

            # One batch at a time, or a graph might begin the next one on old weights.
            _, sums = tf.while_loop(lambda i, _: i < tf.shape(rows)[0], body, (0, tf.zeros(2)), parallel_iterations=1)
            return sums

        signature = [tf.TensorSpec((None, None), tf.int32)]
        return tf.function(over, input_signature=signature, jit_compile=jit, autograph=False)

    def _step(self, x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        model = self._model
        gradients, loss, outputs = self._slope(x, labels) if model.gradient is None else self._asked(x, labels)
        model.optimizer.apply(gradients, model.trainable_variables)
        return loss, model.score(labels, outputs)

    def _slope(self, x: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        model = self._model
        with tf.GradientTape() as tape:
            outputs = model((x, labels), training=True)
            loss = tf.add_n(model.losses)
            scaled = model.optimizer.scale_loss(loss)
        return tape.gradient(scaled, model.trainable_variables), loss, outputs

    def _asked(self, x: tf.Tensor, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Return the gradients that the model's `gradient` makes of the slope here and there.

        Each slope sees the same batch with the same draws, and only the first one counts for
        batch statistics.
        """
        model = self._model
        weights = [tf.identity(variable) for variable in model.trainable_variables]
        before = [tf.identity(variable) for variable in model.non_trainable_variables]
        found: list[tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]] = []

        def slope(there: list[tf.Tensor]) -> list[tf.Tensor]:
            _assign(model.non_trainable_variables, before)
            _assign(model.trainable_variables, there)
            gradients, loss, outputs = self._slope(x, labels)
            found.append((loss, outputs, [tf.identity(variable) for variable in model.non_trainable_variables]))
            return gradients

        assert model.gradient is not None
        gradients = model.gradient(slope, weights)
        loss, outputs, after = found[0]
        _assign(model.trainable_variables, weights)
        _assign(model.non_trainable_variables, after)
        return gradients, loss, outputs

    def _look(self, x: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self._model((x, labels), training=False)
        return tf.add_n(self._model.losses), self._model.score(labels, outputs)


def _assign(variables: Sequence[Any], values: Sequence[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
