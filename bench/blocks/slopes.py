"""Gradients of any function of tensors, on whichever backend Keras has."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

Tensor = Any
Function = Callable[..., Tensor]


def compiled(function: Function) -> Function:
    """Return a function that JAX compiles at its first call; the other backends run it as it is."""
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)  # type: ignore[no-any-return,unused-ignore]


def gradient(function: Function) -> Callable[..., list[Tensor]]:
    """Return what maps a list of tensors, and any further arguments, to the function's gradients by those tensors.

    The function takes the same and returns one number. Where it does not depend on a tensor, the
    gradient is zero.
    """
    match keras.backend.backend():
        case "jax":
            import jax

            return jax.jit(jax.grad(function))  # type: ignore[no-any-return,unused-ignore]
        case "torch":
            return _of_torch(function)
    return _of_tensorflow(function)


def _of_tensorflow(function: Function) -> Callable[..., list[Tensor]]:
    import tensorflow as tf

    def slope(tensors: Sequence[Tensor], *others: Any) -> list[Tensor]:
        leaves = [tf.convert_to_tensor(tensor) for tensor in tensors]
        with tf.GradientTape() as tape:
            tape.watch(leaves)
            value = function(leaves, *others)
        found = tape.gradient(value, leaves, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(one) for one in found]  # of a lookup it gives the rows alone

    return slope


def _of_torch(function: Function) -> Callable[..., list[Tensor]]:
    import torch

    def slope(tensors: Sequence[Tensor], *others: Any) -> list[Tensor]:
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        with (
            torch.enable_grad(),
            torch.random.fork_rng(),
        ):  # dropout draws from the generator that training goes on with
            found = torch.autograd.grad(function(leaves, *others), leaves, allow_unused=True)
        return [torch.zeros_like(leaf) if one is None else one for leaf, one in zip(leaves, found, strict=True)]

    return slope
