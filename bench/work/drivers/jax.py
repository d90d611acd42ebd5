"""JAX: the loop over the batches is a scan over the state, which stays on the device.

On a CPU the steps are compiled and the loop is Python's: within a loop XLA computes convolutions
there fifteen times slower.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from keras import StatelessScope
from numpy.typing import NDArray

from bench.work.epochs import Arrays, Rows, TrainingModel

Values = list[jax.Array]
State = tuple[Values, Values, Values]
"""Trainable variables, all others, those of the optimizer."""


class Driver:
    """Takes the state out of the variables for a call and puts it back afterwards."""

    def __init__(self, model: TrainingModel, train: Arrays, held_out: Arrays | None, *, jit: bool) -> None:
        """Put the data on the device and compile nothing yet; JAX compiles whatever `jit` says."""
        self._model = model
        self._variables = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        self._arrays = tuple(jax.device_put(array) for array in train)
        self._held_out = tuple(jax.device_put(array) for array in held_out) if held_out else None
        self._train = self._loop(self._step, donate_argnums=0)
        self._judge = self._loop(self._look)

    def train(self, rows: Rows) -> NDArray[np.float32]:
        """Take a step for each row of examples; return the sums of loss and score."""
        state, sums = self._train(self._state(), *self._arrays, jnp.asarray(rows))
        for variables, values in zip(self._variables, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return np.asarray(sums)

    def judge(self, rows: Rows) -> NDArray[np.float32]:
        """Return the sums of loss and score over rows of held-out examples."""
        assert self._held_out is not None
        return np.asarray(self._judge(self._state(), *self._held_out, jnp.asarray(rows))[1])

    def _state(self) -> State:
        trainable, others, slots = ([variable.value for variable in variables] for variables in self._variables)
        return trainable, others, slots

    @staticmethod
    def _loop(step: Callable[..., Any], **how: Any) -> Callable[..., tuple[State, jax.Array]]:
        """Return a function of state, examples, labels and rows: the state after a step for each row, and the sums."""

        def body(
            carried: tuple[State, jax.Array], x: jax.Array, labels: jax.Array, some: jax.Array
        ) -> tuple[State, jax.Array]:
            state, sums = carried
            state, loss, scores = step(state, x[some], labels[some])
            return state, sums + jnp.stack([loss * len(some), scores.sum()])

        def scan(state: State, x: jax.Array, labels: jax.Array, rows: jax.Array) -> tuple[State, jax.Array]:
            return jax.lax.scan(  # type: ignore[no-any-return,unused-ignore]
                lambda carried, some: (body(carried, x, labels, some), None), (state, jnp.zeros(2)), rows
            )[0]

        compiled = jax.jit(body, **how)

        def loop(state: State, x: jax.Array, labels: jax.Array, rows: jax.Array) -> tuple[State, jax.Array]:
            carried = state, jnp.zeros(2)
            for some in rows:
                carried = compiled(carried, x, labels, some)
            return carried

        return loop if jax.default_backend() == "cpu" else jax.jit(scan, **how)

    def _step(self, state: State, x: jax.Array, labels: jax.Array) -> tuple[State, jax.Array, jax.Array]:
        trainable, others, slots = state
        gradient = jax.value_and_grad(self._loss, has_aux=True)
        found = []

        def slope(there: Values) -> Values:
            (_, seen), gradients = gradient(there, others, slots, x, labels)
            found.append(seen)
            return gradients  # type: ignore[no-any-return,unused-ignore]

        gradients = self._model.gradient(slope, trainable) if self._model.gradient else slope(trainable)
        loss, others, scores = found[0]
        trainable, slots = self._model.optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, others, slots), loss, scores

    def _loss(
        self, trainable: Values, others: Values, slots: Values, x: jax.Array, labels: jax.Array
    ) -> tuple[jax.Array, tuple[jax.Array, Values, jax.Array]]:
        model = self._model
        outputs, others, losses = model.stateless_call(
            trainable, others, (x, labels), training=True, return_losses=True
        )
        loss = sum(losses)
        with StatelessScope(state_mapping=list(zip(model.optimizer.variables, slots, strict=True))):
            scaled = model.optimizer.scale_loss(loss)
        return scaled, (loss, others, model.score(labels, outputs))

    def _look(self, state: State, x: jax.Array, labels: jax.Array) -> tuple[State, jax.Array, jax.Array]:
        trainable, others, _ = state
        outputs, _, losses = self._model.stateless_call(
            trainable, others, (x, labels), training=False, return_losses=True
        )
        return state, sum(losses), self._model.score(labels, outputs)
