"""Activation maps: how an image travels through the network

For some test images, the same for every network, what comes out of some layers: the four maps with
most variance, each from its darkest to its brightest. A row is one image on its way from the input
to the answer.

Paper: M. Zeiler and R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, https://arxiv.org/abs/1311.2901
"""

import keras
import numpy as np

from bench.blocks import inside, rasters
from bench.errors import Unsupported
from bench.records import Diagnosis, Picture
from bench.work.evaluation import Outcome

INPUT = "image"
TASKS = ("classification", "hierarchical")
ACCEPTS = ("keras",)
SEEDS = "first"
MAPS, SIDE = 4, 16
"""Of each layer and image; larger maps are thinned out."""


def diagnose(outcome: Outcome, *, images: int = 4, layers: int = 6) -> Diagnosis:
    """Return a row of pictures for each image."""
    names, test = outcome.split.facts.classes, outcome.split.test
    network = keras.Model(outcome.network.inputs, outcome.network.outputs[0])  # of a Sequential one, its graph
    with_maps = [place for place in inside.activating(network) if _is_map(place.tensor.shape)]
    if not with_maps:
        raise Unsupported("no layer of the network puts out maps")
    chosen = inside.evenly(with_maps, layers)
    examples = rasters.fixed_set(outcome.split, images)
    found = inside.reader(network, chosen)(test.x[examples])
    pictures = []
    for row, example in enumerate(examples):
        answer = names[int(outcome.outputs[example, : len(names)].argmax())]
        truth = names[int(test.y[example])]
        caption = truth if answer == truth else f"{truth}, taken for {answer}"
        pictures.append(Picture(rasters.example(test.x[example]), caption, example))
        for maps in found:
            one = rasters.shrunk(maps[row], SIDE)
            liveliest = np.argsort(-one.std(axis=(0, 1)), kind="stable")[:MAPS]
            pictures.append(Picture(rasters.sheet([one[..., i] for i in sorted(liveliest)], min(len(liveliest), 2))))
    shapes = [f"{place.name} ({' × '.join(map(str, place.tensor.shape[1:]))})" for place in chosen]
    left_out = f"; {len(with_maps) - len(chosen)} further layers are left out" if len(with_maps) > len(chosen) else ""
    return Diagnosis(
        "Activation maps",
        note=f"The {MAPS} maps with most variance of each layer{left_out}.",
        pictures=tuple(pictures),
        columns=("image", *shapes),
    )


def _is_map(shape: tuple[int | None, ...]) -> bool:
    return len(shape) == 4 and (shape[1] or 0) > 1 and (shape[2] or 0) > 1
