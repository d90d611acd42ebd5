"""Small pictures for the pages of cells: examples, maps, kernels; 8 bits a channel, a few hundred bytes each."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.blocks.inside import evenly
from bench.work.data import Split

MOST_SIDE = 64
"""Pixels; a larger example is made smaller."""
COLOURS = 64
"""Of a photo."""
GAP = 255
"""The grey that is transparent, between the tiles of a sheet."""
STEPS = 16
"""Of each colour of a signed map."""
NEGATIVE, NEUTRAL, POSITIVE = (202, 104, 12), (247, 247, 247), (1, 95, 168)
"""Told apart with every common kind of colour blindness."""


def fixed_set(split: Split, most: int) -> list[int]:
    """Return places in the test part, the same for every network: the first example of each of some classes."""
    labels = split.test.y.astype(np.int64)
    present = [label for label in range(len(split.facts.classes)) if (labels == label).any()]
    return [int(np.argmax(labels == label)) for label in evenly(present, most)]


def example(pixels: NDArray[Any]) -> bytes:
    """Return an example as PNG; `pixels` are (height, width, channels) of 0–255."""
    image = Image.fromarray(np.squeeze(pixels.astype(np.uint8)))
    image.thumbnail((MOST_SIDE, MOST_SIDE))
    return _png(image.quantize(COLOURS, dither=Image.Dither.NONE) if image.mode == "RGB" else image)


def sheet(maps: Sequence[NDArray[Any]], columns: int) -> bytes:
    """Return maps (height, width) of one size side by side as PNG, each from its own darkest to its brightest."""
    height, width = maps[0].shape
    rows = -(-len(maps) // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), GAP, np.uint8)
    for i, one in enumerate(maps):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        canvas[top : top + height, left : left + width] = np.rint((GAP - 1) * stretched(one)).astype(np.uint8)
    return _png(Image.fromarray(canvas), transparency=GAP)


def colour_sheet(maps: Sequence[NDArray[Any]], columns: int) -> bytes:
    """Return maps (height, width, 3) side by side as PNG, each stretched on its own; gaps are grey."""
    height, width, _ = maps[0].shape
    rows = -(-len(maps) // columns)
    canvas = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 128, np.uint8)
    for i, one in enumerate(maps):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        canvas[top : top + height, left : left + width] = np.rint(255 * stretched(one)).astype(np.uint8)
    return _png(Image.fromarray(canvas).quantize(COLOURS, dither=Image.Dither.NONE))


def signed(values: NDArray[Any]) -> bytes:
    """Return a map (height, width) as PNG: blue above zero, orange below, white at zero."""
    most = float(np.abs(values).max()) or 1.0
    levels = np.rint(STEPS * (1 + values / most)).astype(np.uint8)
    image = Image.fromarray(levels).convert("P")
    shades = [
        np.rint(np.array(NEUTRAL) + (np.array(end) - np.array(NEUTRAL)) * share).astype(int)
        for share, end in ((abs(i - STEPS) / STEPS, NEGATIVE if i < STEPS else POSITIVE) for i in range(2 * STEPS + 1))
    ]
    image.putpalette(np.concatenate(shades).tolist())
    return _png(image)


def stretched(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return values moved to 0–1; of a map that is the same everywhere, zeros."""
    low, high = float(values.min()), float(values.max())
    return (values.astype(np.float64) - low) / (high - low) if high > low else np.zeros(values.shape)


def shrunk(values: NDArray[Any], side: int) -> NDArray[Any]:
    """Return a map (height, width) or several, (height, width, n), with no side longer than asked, by leaving out."""
    steps = [-(-length // side) for length in values.shape[:2]]
    return values[:: steps[0], :: steps[1]]


def _png(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, **options)
    return out.getvalue()
