"""The graph of a finished network, and layers put into it.

The network's own layers are called once more, so their weights stay what they are; nothing is nested.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import keras
from keras import layers

CONVOLUTIONS_AND_DENSE = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.Conv1DTranspose,
    layers.Conv2DTranspose,
    layers.Conv3DTranspose,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.Dense,
    layers.EinsumDense,
)
"""What has a kernel and an `activation` of its own."""
NORMALIZATIONS = (
    layers.BatchNormalization,
    layers.LayerNormalization,
    layers.GroupNormalization,
    layers.RMSNormalization,
)
_ACTIVATIONS = (layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU)


@dataclass(frozen=True)
class Call:
    """One call of a layer, or of an operation, in a network.

    Attributes:
        layer: What is called.
        makers: Numbers of the calls that its inputs come from, in order; -1 is the network's own input.
        shape: Of its first output.
    """

    layer: keras.Operation
    makers: tuple[int, ...]
    shape: tuple[int | None, ...]

    @property
    def activates(self) -> bool:
        """Tell whether it ends in an activation: a layer for that, or one that another layer holds."""
        if not isinstance(self.layer, (*CONVOLUTIONS_AND_DENSE, *_ACTIVATIONS)):
            return False
        return getattr(self.layer, "activation", None) is not keras.activations.linear

    @property
    def has_kernel(self) -> bool:
        """Tell whether it weighs its inputs, as convolutions, dense layers and attention do."""
        return any(variable.name.endswith("kernel") for variable in getattr(self.layer, "variables", ()))


class Wiring:
    """The calls of a network, numbered in the order in which they are made.

    Attributes:
        calls: All but the inputs.
        outputs: Number of the call that makes the network's output; a dict of them where it has several heads.
        behind: All calls that each one follows from, and itself.
    """

    def __init__(self, model: keras.Model) -> None:
        """Go through the graph once; no weight is touched."""
        self.calls: list[Call] = []
        self._model = model
        self._names = {operation.name for operation in model.operations}
        made: dict[int, int] = {}
        seen: list[Any] = []  # or an id could be given out twice

        def note(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
            outputs = layer(*args, **kwargs)
            seen.append(outputs)
            makers = tuple(made.get(id(x), -1) for x in keras.tree.flatten((args, kwargs)) if _is_tensor(x))
            made.update({id(x): len(self.calls) for x in keras.tree.flatten(outputs)})
            self.calls.append(Call(layer, makers, tuple(keras.tree.flatten(outputs)[0].shape)))
            return outputs

        self.outputs = keras.tree.map_structure(lambda x: made[id(x)], _called_again(model, note).output)
        self.behind: list[set[int]] = []
        self._users: list[list[int]] = [[] for _ in self.calls]
        for i, call in enumerate(self.calls):
            makers = [maker for maker in call.makers if maker >= 0]
            self.behind.append({i}.union(*(self.behind[maker] for maker in makers)))
            for maker in makers:
                self._users[maker].append(i)

    def name(self, wanted: str) -> str:
        """Return a name for a new layer: the wanted one, or that with a number where a layer has it already."""
        names = (wanted if i == 0 else f"{wanted}_{i}" for i in count())
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name

    def hidden(self) -> list[int]:
        """Return the convolutions and dense layers whose outputs other kernels weigh; those that only gate are none."""
        gates: set[int] = set()
        for call in self.calls:
            # As in squeeze and excitation: something times what was computed from it, by a layer or as `x * y`.
            if type(call.layer).__name__ in {"Multiply", "Dot"} and len(call.makers) == 2 and min(call.makers) >= 0:
                for one, other in (call.makers, call.makers[::-1]):
                    if one in self.behind[other]:
                        gates |= self.behind[other] - self.behind[one]
        weighed = set().union(*(self.behind[i] - {i} for i, call in enumerate(self.calls) if call.has_kernel))
        return [i for i in sorted(weighed - gates) if isinstance(self.calls[i].layer, CONVOLUTIONS_AND_DENSE)]

    def is_normalized(self, i: int) -> bool:
        """Tell whether every way from a call meets a normalization before another activation or kernel."""
        return bool(self._users[i]) and all(self._normalizes(user) for user in self._users[i])

    def _normalizes(self, i: int) -> bool:
        call = self.calls[i]
        if isinstance(call.layer, NORMALIZATIONS):
            return True
        return not call.activates and not call.has_kernel and self.is_normalized(i)

    def activated(self) -> list[int]:
        """Return the activations of hidden layers, normalized before it or not."""
        hidden, found = set(self.hidden()), []
        for i, call in enumerate(self.calls):
            source = i
            while source >= 0 and isinstance(self.calls[source].layer, (*NORMALIZATIONS, *_ACTIVATIONS)):
                source = self.calls[source].makers[0]
            if call.activates and source in hidden:
                found.append(i)
        return found

    def rewired(
        self,
        *,
        before: Mapping[tuple[int, int], keras.layers.Layer] | None = None,
        after: Mapping[int, Sequence[keras.layers.Layer]] | None = None,
    ) -> keras.Model:
        """Return the network with layers before inputs of calls, by call and place, and layers after calls."""
        before, after = before or {}, after or {}
        numbers = count()

        def call(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
            i, places = next(numbers), count()

            def through(x: Any) -> Any:
                put = before.get((i, next(places))) if _is_tensor(x) else None
                return put(x) if put else x

            args, kwargs = keras.tree.map_structure(through, (args, kwargs))
            outputs = layer(*args, **kwargs)
            for put in after.get(i, ()):
                outputs = put(outputs)
            return outputs

        return _called_again(self._model, call)


def _called_again(model: keras.Model, call: Callable[..., Any]) -> keras.Model:
    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _is_tensor(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor)
