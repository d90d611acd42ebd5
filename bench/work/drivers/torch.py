"""PyTorch: a plain loop over batches that lie on the device."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from keras import ops
from numpy.typing import NDArray

from bench.work.epochs import Arrays, Rows, TrainingModel


class Driver:
    """Keeps the state in the variables themselves; loss and score are fetched once a call."""

    def __init__(self, model: TrainingModel, train: Arrays, held_out: Arrays | None, *, jit: bool) -> None:
        """Put the data on the device; nothing is compiled, whatever `jit` says."""
        self._model = model
        self._train = tuple(ops.convert_to_tensor(array) for array in train)
        self._held_out = tuple(ops.convert_to_tensor(array) for array in held_out) if held_out else None

    def train(self, rows: Rows) -> NDArray[np.float32]:
        """Take a step for each row of examples; return the sums of loss and score."""
        return self._over(self._step, self._train, rows)

    def judge(self, rows: Rows) -> NDArray[np.float32]:
        """Return the sums of loss and score over rows of held-out examples."""
        assert self._held_out is not None
        with torch.no_grad():
            return self._over(self._look, self._held_out, rows)

    def _over(self, step: Any, arrays: tuple[torch.Tensor, ...], rows: Rows) -> NDArray[np.float32]:
        x, labels = arrays
        sums = torch.zeros(2, device=x.device)
        for some in torch.as_tensor(rows, device=x.device):
            loss, scores = step(x[some], labels[some])
            sums += torch.stack([loss * len(some), scores.sum()])
        found: NDArray[np.float32] = sums.cpu().numpy()
        return found

    def _step(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        model = self._model
        gradients, loss, outputs = self._slope(x, labels) if model.gradient is None else self._asked(x, labels)
        with torch.no_grad():
            model.optimizer.apply(gradients, model.trainable_variables)
        return loss, model.score(labels, outputs)

    def _slope(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        model = self._model
        model.zero_grad()
        outputs = model((x, labels), training=True)
        loss = torch.stack(model.losses).sum()
        model.optimizer.scale_loss(loss).backward()
        return [variable.value.grad for variable in model.trainable_variables], loss.detach(), outputs.detach()

    def _asked(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        """Return the gradients that the model's `gradient` makes of the slope here and there; as in TensorFlow."""
        model = self._model
        weights, before = _values(model.trainable_variables), _values(model.non_trainable_variables)
        drawn = torch.get_rng_state(), torch.cuda.get_rng_state_all()
        found: list[tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]] = []

        def slope(there: list[torch.Tensor]) -> list[torch.Tensor]:
            torch.set_rng_state(drawn[0])
            torch.cuda.set_rng_state_all(drawn[1])
            _assign(model.non_trainable_variables, before)
            _assign(model.trainable_variables, there)
            gradients, loss, outputs = self._slope(x, labels)
            found.append((loss, outputs, _values(model.non_trainable_variables)))
            # The next slope writes over these; a weight that the loss does not depend on has none.
            return [gradient if gradient is None else gradient.clone() for gradient in gradients]

        assert model.gradient is not None
        gradients = model.gradient(slope, weights)
        loss, outputs, after = found[0]
        _assign(model.trainable_variables, weights)
        _assign(model.non_trainable_variables, after)
        return gradients, loss, outputs

    def _look(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = self._model((x, labels), training=False)
        return torch.stack(self._model.losses).sum(), self._model.score(labels, outputs)


def _values(variables: Sequence[Any]) -> list[torch.Tensor]:
    return [variable.value.detach().clone() for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
