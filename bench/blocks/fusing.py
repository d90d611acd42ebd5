"""Layers that become part of the one before, as converters for deployment make them; the answers stay the same."""

from collections import Counter
from itertools import count
from typing import Any

import keras
import numpy as np
from keras import layers

from bench.blocks.rewiring import Wiring

WITH_ACTIVATION = (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D)


def fused(network: keras.Model) -> keras.Model:
    """Return the network with a dense layer's batch normalization, and a dense layer's or convolution's ReLU, in it.

    A layer whose output, or that itself, is used more than once stays as it is. So does what
    follows a convolution's batch normalization.
    """
    wiring = Wiring(network)
    calls = wiring.calls
    used = Counter([*(maker for call in calls for maker in call.makers), *keras.tree.flatten(wiring.outputs)])
    called = Counter(id(call.layer) for call in calls)
    becomes: dict[int, tuple[keras.Layer, list[np.ndarray]]] = {}
    part_of: dict[int, int] = {}
    for i, call in enumerate(calls):
        maker = call.makers[0] if len(call.makers) == 1 else -1
        first = part_of.get(maker, maker)
        if first < 0 or used[maker] != 1 or not called[id(call.layer)] == called[id(calls[first].layer)] == 1:
            continue
        before, weights = becomes.get(first) or (calls[first].layer, [])
        if getattr(before, "activation", None) is not keras.activations.linear:
            continue
        weights = weights or before.get_weights()
        if _is_by_channel(call.layer, len(call.shape)) and type(before) is layers.Dense:
            becomes[first] = _changed(before, use_bias=True), _normalized(weights, call.layer)
        elif _is_relu(call.layer) and type(before) in WITH_ACTIVATION:
            becomes[first] = _changed(before, activation="relu"), weights
        else:
            continue
        part_of[i] = first
    if not becomes:
        return network
    numbers = count()

    def call_again(layer: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        i = next(numbers)
        if i in part_of:
            return args[0]
        return becomes[i][0](*args) if i in becomes else layer(*args, **kwargs)

    made = keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call_again)
    for layer, weights in becomes.values():
        layer.set_weights(weights)
    fresh = keras.models.clone_model(made)  # as layers that were called twice do not tell which call is meant
    fresh.set_weights(made.get_weights())
    return fresh


def _changed(layer: keras.Layer, **settings: Any) -> keras.Layer:
    return type(layer).from_config(layer.get_config() | settings)


def _is_by_channel(layer: keras.Operation, dimensions: int) -> bool:
    return isinstance(layer, layers.BatchNormalization) and layer.axis in {-1, dimensions - 1}


def _is_relu(layer: keras.Operation) -> bool:
    if isinstance(layer, layers.ReLU):
        return (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0.0, 0.0)
    return isinstance(layer, layers.Activation) and layer.activation is keras.activations.relu


def _normalized(weights: list[np.ndarray], normalization: layers.BatchNormalization) -> list[np.ndarray]:
    """Return kernel and bias of a dense layer that normalizes its outputs as the other layer did."""
    kernel, *bias = weights
    mean, variance = map(keras.ops.convert_to_numpy, (normalization.moving_mean, normalization.moving_variance))
    scale = keras.ops.convert_to_numpy(normalization.gamma) if normalization.scale else 1.0
    center = keras.ops.convert_to_numpy(normalization.beta) if normalization.center else 0.0
    factor = scale / np.sqrt(variance + normalization.epsilon)
    return [kernel * factor, (sum(bias) - mean) * factor + center]
