"""Saliency: which pixels the answer hangs on, by the gradient

The gradient of the predicted class's output by each pixel, times the pixel: how much each adds to
the answer, to first order. Blue pixels speak for the class, orange ones against it. Of a linear
network it is exact.

Paper: K. Simonyan, A. Vedaldi and A. Zisserman, Deep Inside Convolutional Networks, 2013, https://arxiv.org/abs/1312.6034;
A. Shrikumar et al., Not Just a Black Box, 2016, https://arxiv.org/abs/1605.01713
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from bench.blocks import rasters, slopes
from bench.records import Diagnosis, Picture
from bench.work.evaluation import Outcome

INPUT = "image"
TASKS = ("classification", "hierarchical")
ACCEPTS = ("keras",)
SEEDS = "first"


def diagnose(outcome: Outcome, *, images: int = 6) -> Diagnosis:
    """Return each image of the fixed set beside the map of gradient times input."""
    names, test = outcome.split.facts.classes, outcome.split.test
    places = rasters.fixed_set(outcome.split, images)
    answers = outcome.outputs[places, : len(names)].argmax(axis=1)
    x = test.x[places].astype(np.float32)
    maps = (gradients(outcome.network, x, answers) * x).sum(axis=-1)
    pictures = []
    for i, place in enumerate(places):
        truth, answer = names[int(test.y[place])], names[int(answers[i])]
        pictures.append(Picture(rasters.example(test.x[place]), truth, place))
        pictures.append(Picture(rasters.signed(rasters.shrunk(maps[i], rasters.MOST_SIDE)), f"for {answer}"))
    return Diagnosis(
        "Saliency: gradient times input",
        note="Blue speaks for the answer, orange against it; each map is stretched on its own.",
        pictures=tuple(pictures),
        columns=("image", "saliency") * 2,
    )


def gradients(network: keras.Model, x: NDArray[np.float32], classes: NDArray[Any]) -> NDArray[np.float32]:
    """Return the gradient of one class's output for each example by its pixels, of the shape of `x`."""

    def chosen(tensors: list[Any]) -> Any:
        outputs = ops.cast(network(tensors[0], training=False), "float32")
        if outputs.shape[-1] == 1:  # one number for two classes
            return ops.sum(outputs[:, 0] * ops.convert_to_tensor(np.where(classes == 1, 1.0, -1.0).astype(np.float32)))
        return ops.sum(outputs * ops.one_hot(classes, outputs.shape[-1]))

    (found,) = slopes.gradient(chosen)([ops.convert_to_tensor(x)])
    return np.asarray(ops.convert_to_numpy(found))
