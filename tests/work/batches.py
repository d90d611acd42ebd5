"""What tests of augmentation share: a technique's `batch` door, and images to hand it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import workbench
from keras import ops

Door = Callable[..., tuple[Any, Any]]


def door(call: str) -> Door:
    """Return a technique's `batch` door as a recipe opens it, its parameters bound."""
    (found,) = workbench.recipe("mlp", (call,)).doors("batch")
    return found


def changed(call: str, x: Any, y: Any = None, seed: int = 0) -> tuple[Any, Any]:
    """Return what a technique makes of a batch, as arrays; labels are one-hot, of a class for each example."""
    x = np.asarray(x, np.float32)
    labels = np.eye(len(x), dtype=np.float32) if y is None else np.asarray(y, np.float32)
    found = door(call)(ops.convert_to_tensor(x), ops.convert_to_tensor(labels), keras.random.SeedGenerator(seed))
    new_x, new_y = (ops.convert_to_numpy(one) for one in found)
    return new_x, new_y


def images(n: int = 24, height: int = 12, width: int = 10, channels: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels)).astype(np.float32)
