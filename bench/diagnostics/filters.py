"""Filters: what the first layer looks for

The kernels of the first layer that learns, each stretched from its smallest to its largest weight.
Of a trained network they are edges, blobs and colours; noise says that the layer has hardly
learned. Of a fully connected layer each unit's weights stand where their pixels do.

Paper: A. Krizhevsky, I. Sutskever and G. Hinton, ImageNet Classification with Deep Convolutional Neural
Networks, NeurIPS 2012, figure 3
"""

import math

import numpy as np
from numpy.typing import NDArray

from bench.blocks import inside, rasters
from bench.errors import Unsupported
from bench.records import Diagnosis, Picture
from bench.work.evaluation import Outcome

INPUT = "image"
ACCEPTS = ("keras",)
SEEDS = "first"
SIDE, MOST_PIXELS = 28, 8000
"""Of a kernel, and of the sheet."""


def diagnose(outcome: Outcome, *, most: int = 64) -> Diagnosis:
    """Return the first layer's kernels as one sheet."""
    found = inside.weighted(outcome.network)
    if not found:
        raise Unsupported("no layer of the network has kernels")
    layer = found[0]
    kernels = _as_maps(inside.numbers(inside.kernels(layer)[0]), outcome.split.test.x.shape[1:])
    whole = kernels.shape
    kernels = rasters.shrunk(kernels, SIDE)
    shown = inside.evenly(range(whole[-1]), min(most, MOST_PIXELS // (kernels.shape[0] * kernels.shape[1])))
    maps = [kernels[..., i] for i in shown]
    columns = math.ceil(math.sqrt(len(maps)))
    if maps[0].shape[-1] == 3:
        sheet = rasters.colour_sheet(maps, columns)
    else:
        sheet = rasters.sheet([one.mean(axis=-1) for one in maps], columns)
    height, width, channels, units = whole
    note = f"{len(shown)} of {units:,} kernels of {height} × {width}"
    if kernels.shape != whole:
        note += ", thinned out"
    if channels not in {1, 3}:
        note += f", each the mean over {channels} channels"
    return Diagnosis(f"Kernels of the layer {layer.name}", note=f"{note}.", pictures=(Picture(sheet),))


def _as_maps(kernel: NDArray[np.float32], image: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a kernel as (height, width, channels, units)."""
    if kernel.ndim == 2 and len(kernel) == math.prod(image):
        return kernel.reshape(*image, -1)
    if kernel.ndim == 4 and kernel.shape[0] * kernel.shape[1] > 1:
        return kernel
    raise Unsupported(f"kernels of shape {kernel.shape} are no pictures")
