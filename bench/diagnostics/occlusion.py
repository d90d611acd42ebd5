"""Occlusion: which parts of an image the answer hangs on, by covering them

A grey square moves over the image; where it makes the predicted class less probable, the network
needs what it covers.

Paper: M. Zeiler and R. Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2, https://arxiv.org/abs/1311.2901
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from bench.blocks import rasters
from bench.blocks.inside import answers_of
from bench.records import Diagnosis, Picture
from bench.work.evaluation import Outcome

INPUT = "image"
TASKS = ("classification", "hierarchical")
ACCEPTS = ("keras",)
SEEDS = "first"
STEPS = 12
"""Places of the square along each side."""


def diagnose(outcome: Outcome, *, images: int = 6, share: float = 0.25) -> Diagnosis:
    """Return each image of the fixed set beside the fall of the probability by place; the square's side is a share."""
    names, test = outcome.split.facts.classes, outcome.split.test
    places = rasters.fixed_set(outcome.split, images)
    pictures = []
    for place in places:
        logits = outcome.outputs[place, : len(names)].astype(np.float64)
        answer = int(logits.argmax())
        covered = answers_of(outcome, occluded(test.x[place], share))[:, : len(names)]
        falls = (softmax(logits) - softmax(covered, axis=1))[:, answer]
        side = round(len(falls) ** 0.5)
        caption = f"for {names[answer]}: −{100 * max(float(falls.max()), 0.0):.0f} points at most"
        pictures.append(Picture(rasters.example(test.x[place]), names[int(test.y[place])], place))
        pictures.append(Picture(rasters.signed(falls.reshape(side, side)), caption))
    return Diagnosis(
        "Occlusion",
        note=f"A grey square of {100 * share:.0f} % of the side covers one place after the other. "
        "Blue: that makes the answer less probable; orange: more.",
        pictures=tuple(pictures),
        columns=("image", "fall of the probability") * 2,
    )


def occluded(image: NDArray[np.generic], share: float) -> NDArray[np.float32]:
    """Return copies of an image (height, width, channels), each with a grey square at another place of a grid."""
    height, width = image.shape[:2]
    half = [max(round(share * length / 2), 1) for length in (height, width)]
    grey = image.astype(np.float32).mean(axis=(0, 1))
    copies = np.repeat(image.astype(np.float32)[None], STEPS**2, axis=0)
    for i, copy in enumerate(copies):
        y, x = ((i // STEPS) + 0.5) * height / STEPS, ((i % STEPS) + 0.5) * width / STEPS
        copy[max(int(y) - half[0], 0) : int(y) + half[0], max(int(x) - half[1], 0) : int(x) + half[1]] = grey
    return copies
