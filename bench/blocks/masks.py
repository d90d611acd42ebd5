"""Weights that are held at zero: which ones, and how they stay zero while a network trains, on any backend."""

from math import prod
from typing import Literal

import keras
from keras import layers, ops

from bench.work.epochs import Tensor

Schedule = Literal["constant", "polynomial"]
UPDATES = 40
"""How often a rising sparsity is taken up, over the whole training."""
FEW = 256
"""Distinct weights a layer up to which a network counts as clustered."""
RISES = 0.75
"""Share of the training over which it rises; the rest is for the weights that are left."""
MASKED = (
    layers.Dense,
    layers.EinsumDense,
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
)
"""Layers with a kernel that is worth it; depthwise kernels hold few weights, and each counts."""


def kernels(network: keras.Model, *, pattern: bool = False) -> list[keras.Variable]:
    """Return the kernels that may be masked; for 2:4 those whose inputs come in fours."""
    kinds = (layers.Dense, layers.Conv2D) if pattern else MASKED  # of which the inputs stand last but one
    found = [layer.kernel for layer in network._flatten_layers() if isinstance(layer, kinds)]
    return [kernel for kernel in found if not pattern or kernel.shape[-2] % 4 == 0]


def largest(weights: Tensor, sparsity: Tensor | float) -> Tensor:
    """Return 1 for the weights of the largest magnitude and 0 for the share `sparsity` of the others."""
    magnitudes = ops.abs(weights)
    count = prod(magnitudes.shape)
    zeros = ops.cast(ops.round(ops.cast(sparsity, "float32") * count), "int32")
    ordered = ops.sort(ops.reshape(magnitudes, (-1,)))
    threshold = ops.take(ordered, ops.minimum(zeros, count - 1))
    return ops.cast(magnitudes >= threshold, "float32")


def two_of_four(weights: Tensor) -> Tensor:
    """Return 1 for the two largest of every four successive inputs of an output, which sparse tensor cores want."""
    *places, inputs, outputs = weights.shape
    fours = ops.reshape(ops.abs(weights), (*places, inputs // 4, 4, outputs))
    ranks = ops.argsort(ops.argsort(-fours, axis=-2), axis=-2)
    return ops.reshape(ops.cast(ranks < 2, "float32"), weights.shape)


class Masks:
    """An `optimizer` door that keeps the smallest weights at zero, more and more of them.

    The masks are variables of the optimizer, so every backend carries them along from step to step
    and checkpoints keep them.
    """

    def __init__(
        self, network: keras.Model, sparsity: float, steps: int, schedule: Schedule, *, pattern: bool = False
    ) -> None:
        """Mask the kernels of a network for a training of so many steps."""
        self._kernels = kernels(network, pattern=pattern)
        self._sparsity = sparsity
        self._rise = max(int(steps * RISES), 1) if schedule == "polynomial" else 0
        self._every = max(steps // UPDATES, 1)
        self._pattern = pattern

    def __call__(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Let the optimizer mask the kernels after each of its steps."""
        for i, kernel in enumerate(self._kernels):
            mask = optimizer.add_variable(kernel.shape, "ones", dtype="float32", name=f"mask_{i}")
            mask.assign(ops.cast(ops.not_equal(kernel, 0), "float32"))  # what was pruned before stays so
            kernel.constraint = self._constraint(optimizer, mask)
        return optimizer

    def _constraint(self, optimizer: keras.optimizers.Optimizer, mask: keras.Variable):  # type: ignore[no-untyped-def]
        def masked(weights: Tensor) -> Tensor:
            weights, step = ops.convert_to_tensor(weights), ops.convert_to_tensor(optimizer.iterations)
            held = ops.convert_to_tensor(mask)
            at_last = ops.equal(step, self._rise)  # from which on the mask stays
            due = ops.logical_or(at_last, ops.logical_and(step < self._rise, ops.equal(step % self._every, 0)))
            new = ops.cond(due, lambda: self._mask(weights * held, step) * held, lambda: held)
            mask.assign(new)
            return weights * new

        return masked

    def _mask(self, weights: Tensor, step: Tensor) -> Tensor:
        if self._pattern:
            return two_of_four(weights)
        share = ops.cast(step, "float32") / max(self._rise, 1) if self._rise else 1.0
        return largest(weights, self._sparsity * (1 - (1 - share) ** 3))

    def finish(self) -> None:
        """Mask what no step has, and let go of the kernels."""
        for kernel in self._kernels:
            kernel.constraint = None
            mask = two_of_four(kernel) if self._pattern else largest(kernel, self._sparsity)
            kernel.assign(kernel * mask)


class Zeros:
    """An `optimizer` door that keeps at zero what is zero when it is made, as pruning leaves it."""

    def __init__(self, network: keras.Model) -> None:
        """Hold the kernels of a network that have zeros."""
        nonzero = [(kernel, keras.ops.convert_to_numpy(kernel) != 0) for kernel in kernels(network)]
        # What is zero altogether was never pruned, but waits for its training to begin.
        self._found = [(kernel, mask.astype("float32")) for kernel, mask in nonzero if mask.any() and not mask.all()]
        self._held: list[keras.Variable] = []

    def __bool__(self) -> bool:
        """Tell whether there is anything to hold."""
        return bool(self._found)

    def __call__(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Let the optimizer mask the kernels after each of its steps, but for those that something else holds."""
        for i, (kernel, values) in enumerate(self._found):
            if kernel.constraint is not None:
                continue
            mask = optimizer.add_variable(kernel.shape, "ones", dtype="float32", name=f"zeros_{i}")
            mask.assign(values)
            kernel.constraint = lambda weights, mask=mask: ops.convert_to_tensor(weights) * ops.convert_to_tensor(mask)
            self._held.append(kernel)
        return optimizer

    def finish(self) -> None:
        """Let go of the kernels."""
        for kernel in self._held:
            kernel.constraint = None
