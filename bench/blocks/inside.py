"""What stands inside a network: the layers that hold weights, those that activate, and what they put out."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from bench.work.evaluation import Outcome, kind_of, logits

Floats = NDArray[np.float32]
T = TypeVar("T")

RECTIFIERS = frozenset({"relu", "relu6", "leaky_relu", "prelu", "elu"})
"""Activations of which a unit may never rise above zero; one of ReLU then hands on nothing at all."""
SATURATING = {"sigmoid": (0.05, 0.95), "tanh": (-0.9, 0.9)}
"""Activations that go flat, and beyond which outputs: of both, where the slope is under a fifth of the steepest."""
_LAYERS = {"ReLU": "relu", "LeakyReLU": "leaky_relu", "PReLU": "prelu", "ELU": "elu"}


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the items, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def weighted(network: keras.Model) -> list[layers.Layer]:
    """Return the layers that learn a kernel, from the input to the answer, nested ones unfolded."""
    found: list[layers.Layer] = []
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            found += weighted(layer)
        elif kernels(layer):
            found.append(layer)
    return found


def kernels(layer: layers.Layer) -> list[keras.Variable]:
    """Return a layer's trainable weights but for offsets and scales."""
    return [variable for variable in layer.trainable_variables if len(variable.shape) > 1]


def numbers(variable: keras.Variable) -> Floats:
    """Return a variable's values."""
    found: Floats = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable, "float32"))
    return found


def activation_of(layer: Any) -> str:
    """Return the name of a layer's activation function; empty for one that has none, as most operations."""
    if type(layer).__name__ in _LAYERS:
        return _LAYERS[type(layer).__name__]
    name = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return "" if name == "linear" else name


class Place(NamedTuple):
    """Where an activation stands in a network."""

    name: str
    """Of its layer."""
    activation: str
    tensor: keras.KerasTensor
    """What comes out there."""


def activating(network: keras.Model) -> list[Place]:
    """Return where a network has activation functions, from the input to the answer; a layer used twice is left out.

    The tensors are those of this very graph: a layer that a technique has taken over from another
    one knows its first alone.
    """
    nodes = [node for depth in sorted(network._nodes_by_depth, reverse=True) for node in network._nodes_by_depth[depth]]
    often = Counter(id(node.operation) for node in nodes)
    return [
        Place(node.operation.name, activation_of(node.operation), node.outputs[0])
        for node in nodes
        if activation_of(node.operation) and often[id(node.operation)] == 1
    ]


Reader = Callable[[NDArray[Any]], list[Floats]]
"""Maps examples to what comes out at places of a network, in use and not in training, each (n, …)."""


def reader(network: keras.Model, chosen: Sequence[Place]) -> Reader:
    """Return what reads places of a network; it takes few examples at a time, as it holds all outputs."""
    if not chosen:
        return lambda x: []
    model = keras.Model(network.inputs, [place.tensor for place in chosen], name="inside")

    def read(x: NDArray[Any]) -> list[Floats]:
        outputs = keras.tree.flatten(model(keras.ops.convert_to_tensor(x.astype(np.float32)), training=False))
        return [keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")) for one in outputs]

    return read


def answers_of(outcome: Outcome, x: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Return what a finished network answers to other examples than the test part's, as logits (n, classes)."""
    raw = outcome.network.predict(x.astype(np.float32), batch_size=128, verbose=0)
    facts = outcome.split.facts
    return logits(raw, kind_of(raw, facts, "auto"), facts)


def units(outputs: Floats) -> Floats:
    """Return outputs as (values, units): of a map every place is one more value of its unit."""
    return outputs.reshape(-1, outputs.shape[-1])
