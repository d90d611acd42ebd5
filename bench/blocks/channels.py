"""Whole channels taken out of a network, which leaves a smaller dense one.

Every channel of every tensor has a number. Layers that work channel by channel hand the numbers
on, a concatenation puts them side by side, padding puts new ones beside them, and an addition
ties those that it adds: they go or stay together. What is not known to work by channels keeps all
of its inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bench.blocks.keras_integers import require_floats
from bench.blocks.rewiring import Call, Wiring
from bench.errors import Unsupported

Numbers = NDArray[np.int64]

MAKERS = (layers.Conv1D, layers.Conv2D, layers.Dense)
"""Layers whose outputs are channels of their own, (…, inputs, outputs) in the kernel."""
BY_CHANNEL = (
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.Softmax,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.BatchNormalization,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling2D,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.UpSampling2D,
    layers.Rescaling,
    layers.Identity,
)
TIES = {"Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"}
"""Layers and operations, by name, whose inputs must have the same channels."""


class _Ties:
    """Which numbers belong together, each set under its smallest member."""

    def __init__(self) -> None:
        self._parents: list[int] = []

    def fresh(self, count: int) -> Numbers:
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def tie(self, one: int, other: int) -> None:
        roots = sorted((self.root(one), self.root(other)))
        self._parents[roots[1]] = roots[0]

    def roots(self, numbers: Numbers) -> Numbers:
        return np.array([self.root(number) for number in numbers.tolist()], np.int64)


@dataclass(frozen=True)
class _Kernel:
    """A layer that makes channels: the numbers of its inputs and outputs."""

    layer: keras.Layer
    inputs: Numbers
    outputs: Numbers


class Channels:
    """The channels of a network, and which of them belong together."""

    def __init__(self, network: keras.Model) -> None:
        """Number them; raise Unsupported for a network without one that could go."""
        require_floats(network)
        self._network = network
        self._ties = _Ties()
        self._fixed: set[int] = set()
        self._made: list[_Kernel] = []
        self._pads: dict[str, tuple[Numbers, Numbers]] = {}
        """Of each operation that pads channels, by name: the numbers of those before and behind its input's."""
        self._inputs: dict[str, list[Numbers]] = {}
        """Of each layer, by name: the numbers of each of its inputs."""
        wiring = Wiring(network)
        first = self._ties.fresh(network.input_shape[-1])
        self._fix(first)
        found: list[Numbers] = []
        for call in wiring.calls:
            inputs = [found[maker] if maker >= 0 else first for maker in call.makers]
            found.append(self._outputs(call, inputs))
            if call.layer.name in self._inputs:  # one that is shared: all of its calls must agree
                for numbers in (*inputs, *self._inputs[call.layer.name], found[-1], *self._shared(call.layer.name)):
                    self._fix(numbers)
            self._inputs[call.layer.name] = inputs
        self._fix(found[wiring.outputs])

    def _shared(self, name: str) -> list[Numbers]:
        """Return what the calls of a layer have made so far."""
        return [kernel.outputs for kernel in self._made if kernel.layer.name == name]

    def _fix(self, numbers: Numbers) -> None:
        self._fixed |= set(numbers.tolist())

    def _outputs(self, call: Call, inputs: Sequence[Numbers]) -> Numbers:
        layer, width = call.layer, int(call.shape[-1] or 0)
        is_grouped = getattr(layer, "groups", 1) != 1 or getattr(layer, "data_format", None) == "channels_first"
        if len(inputs) == 1 and not is_grouped:
            (numbers,) = inputs
            if type(layer) in MAKERS:
                made = self._ties.fresh(width)
                self._made.append(_Kernel(layer, numbers, made))
                return made
            if type(layer) is layers.DepthwiseConv2D:
                return np.repeat(numbers, layer.depth_multiplier)
            if type(layer).__name__ == "Pad" and layer.mode == "constant" and len(layer.pad_width) == len(call.shape):
                before, behind = (self._ties.fresh(count) for count in layer.pad_width[-1])
                self._pads[layer.name] = before, behind
                return np.concatenate([before, numbers, behind])
            if type(layer) is layers.Flatten:
                return np.tile(numbers, width // len(numbers))
            if isinstance(layer, BY_CHANNEL) and getattr(layer, "axis", -1) in {-1, len(call.shape) - 1}:
                return numbers
        if type(layer).__name__ in TIES and len({len(numbers) for numbers in inputs}) == 1:
            for numbers in inputs[1:]:
                for one, other in zip(inputs[0].tolist(), numbers.tolist(), strict=True):
                    self._ties.tie(one, other)
            return inputs[0]
        if type(layer).__name__ == "Concatenate" and getattr(layer, "axis", 0) in {-1, len(call.shape) - 1}:
            return np.concatenate(inputs)
        for numbers in inputs:
            self._fix(numbers)
        made = self._ties.fresh(width)
        self._fix(made)
        return made

    def weakest(self, share: float) -> set[int]:
        """Return the channels to take out: of each layer the share whose kernels are smallest.

        A channel weighs what the kernels that make it weigh, each the mean square of its weights
        there. Layers with few channels choose first; of channels that are tied to theirs, larger
        layers lose and keep the same, and choose among the others.
        """
        weight: dict[int, float] = {}
        chosen_from: set[tuple[int, ...]] = set()
        for kernel in self._made:
            values = np.square(keras.ops.convert_to_numpy(kernel.layer.kernel))
            means = values.reshape(-1, values.shape[-1]).mean(axis=0)
            roots = self._ties.roots(kernel.outputs).tolist()
            chosen_from.add(tuple(sorted(set(roots))))
            for root, mean in zip(roots, means.tolist(), strict=True):
                weight[root] = weight.get(root, 0.0) + mean
        settled = {self._ties.root(number) for number in self._fixed}
        gone: set[int] = set()
        for roots in sorted(chosen_from, key=lambda roots: (len(roots), roots)):
            wanted = min(round(len(roots) * share), len(roots) - 1) - len(gone.intersection(roots))
            loose = sorted(set(roots) - settled, key=lambda root: weight[root])
            gone |= set(loose[: max(wanted, 0)])
            settled |= set(roots)
        if not gone:
            raise Unsupported(f"{self._network.name} has no channels that could be taken out")
        return gone

    def without(self, gone: set[int]) -> keras.Model:
        """Return a new network without some channels, with the weights that are left."""
        widths = {kernel.layer.name: self._kept(kernel.outputs, gone) for kernel in self._made}

        def made(layer: keras.Layer) -> keras.Layer:
            config: dict[str, Any] = layer.get_config()
            if layer.name in widths:
                config["units" if isinstance(layer, layers.Dense) else "filters"] = len(widths[layer.name])
            return type(layer).from_config(config)

        def called(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
            if operation.name in self._pads:
                left = tuple(len(self._kept(numbers, gone)) for numbers in self._pads[operation.name])
                operation = type(operation)((*operation.pad_width[:-1], left), operation.mode, name=operation.name)
            return operation(*args, **kwargs)

        smaller = keras.models.clone_model(self._network, clone_function=made, call_function=called)
        for layer in self._network.layers:
            if layer.weights:
                smaller.get_layer(layer.name).set_weights(self._weights(layer, widths, gone))
        return smaller

    def _kept(self, numbers: Numbers, gone: set[int]) -> Numbers:
        return np.flatnonzero([root not in gone for root in self._ties.roots(numbers).tolist()])

    def _weights(self, layer: keras.Layer, widths: dict[str, Numbers], gone: set[int]) -> list[NDArray[Any]]:
        """Return a layer's weights for the channels that are left of its inputs and outputs."""
        weights: list[NDArray[Any]] = layer.get_weights()
        inputs = self._kept(self._inputs[layer.name][0], gone)
        if layer.name in widths:
            kernel, *bias = weights
            outputs = widths[layer.name]
            return [kernel[..., inputs, :][..., outputs], *(one[outputs] for one in bias)]
        if type(layer) is layers.DepthwiseConv2D:
            kernel, *bias = weights
            outputs = np.concatenate([inputs * layer.depth_multiplier + i for i in range(layer.depth_multiplier)])
            return [kernel[..., inputs, :], *(one[np.sort(outputs)] for one in bias)]
        if isinstance(layer, layers.BatchNormalization):
            return [one[inputs] for one in weights]
        return weights  # of a layer that keeps all of its channels
