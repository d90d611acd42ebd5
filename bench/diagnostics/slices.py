"""Slices: for which examples does it work?

The accuracy on parts of the test set: of images from the darkest to the brightest, from least to
most contrast, from the smallest to the largest thing shown (pixels that differ from the border), of
tables by each column of numbers; and rare classes against frequent ones, by their number in the
training part. Parts are quarters, or halves of a small test part. A mean over all hides what fails
on a quarter.

Paper: L. Oakden-Rayner et al., Hidden Stratification Causes Clinically Meaningful Failures in
Machine Learning for Medical Imaging, CHIL 2020, https://arxiv.org/abs/1909.12475
"""

import numpy as np
from numpy.typing import NDArray

from bench.errors import Unsupported
from bench.records import Diagnosis, Measurement, Table
from bench.stats import wilson
from bench.work.data import Split
from bench.work.evaluation import Outcome

TASKS = ("classification", "hierarchical")
FIGURES = ("worst_slice_accuracy",)
QUARTERS = ("lowest quarter", "second", "third", "highest quarter")
HALVES = ("lower half", "upper half")
MOST_COLUMNS = 8
FEWEST = 30
"""Examples of a slice that is shown."""
APART = 25
"""Of 255: what differs from the border by more belongs to the thing shown."""


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return the accuracy of each slice with its interval, and the lowest of them."""
    labels = outcome.split.test.y.astype(np.int64)
    hits = outcome.outputs[:, : len(outcome.split.facts.classes)].argmax(axis=1) == labels
    rows: list[tuple[str | float, ...]] = []
    worst = 1.0
    for name, values in _qualities(outcome.split).items():
        for quarter, inside in _parts(values):
            if inside.sum() >= FEWEST:
                ends = f"{values[inside].min():.3g} to {values[inside].max():.3g}"
                interval = wilson(int(hits[inside].sum()), int(inside.sum()))
                shares = [
                    round(float(share), 4) for share in (interval.value, interval.low or 0.0, interval.high or 1.0)
                ]
                rows.append((name, quarter, ends, int(inside.sum()), *shares))
                worst = min(worst, interval.value)
    if not rows:
        raise Unsupported(f"no slice of the test part has {FEWEST} examples")
    figures = (Measurement("worst_slice_accuracy", worst, "1", "higher", split="test"),)
    measured = sum(not column.categories for column in outcome.split.facts.columns)
    left_out = f", and {measured - MOST_COLUMNS} of {measured} columns" if measured > MOST_COLUMNS else ""
    columns = ("by", "slice", "values", "examples", "accuracy", "low", "high")
    return Diagnosis(
        "Slices of the test part",
        note=f"Parts of equal size, as far as values differ; with 95 % intervals (Wilson). Slices of fewer than "
        f"{FEWEST} examples are left out{left_out}. Of {len(rows)} slices some lie low by chance.",
        tables=(Table("Accuracy by slice", columns, tuple(rows)),),
        measurements=figures,
    )


def _qualities(split: Split) -> dict[str, NDArray[np.float64]]:
    """Return what test examples are sliced by: one number an example, by name."""
    x, facts = split.test.x, split.facts
    found: dict[str, NDArray[np.float64]] = {}
    if x.ndim == 4:
        flat = x.reshape(len(x), -1)
        found["brightness (0 to 255)"] = flat.mean(axis=1, dtype=np.float64)
        found["contrast (deviation)"] = flat.std(axis=1, dtype=np.float64)
        found["size (share of pixels)"] = sizes(x)
    else:
        measured = [(i, column.name) for i, column in enumerate(facts.columns) if not column.categories]
        found |= {name: x[:, i].astype(np.float64) for i, name in measured[:MOST_COLUMNS]}
    counts = np.array(split.train.counts(len(facts.classes)), np.float64)
    if counts.max() > 1.2 * counts.min():
        found["training examples of its class"] = counts[split.test.y.astype(np.int64)]
    return found


def sizes(images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the share of pixels that differ from the border's median, for images (n, height, width, channels)."""
    grey = images.mean(axis=3, dtype=np.float32)
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    apart = np.abs(grey - np.median(border, axis=1)[:, None, None]) > APART
    shares: NDArray[np.float64] = apart.mean(axis=(1, 2), dtype=np.float64)
    return shares


def _parts(values: NDArray[np.float64]) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the name of each part and who is in it; missing values are in none, few values are parts themselves."""
    known = values[~np.isnan(values)]
    different = np.unique(known)
    if len(different) < 2:
        return []
    if len(different) <= 4:
        return [(f"{value:.3g}", values == value) for value in different]
    names = QUARTERS if len(known) >= 5 * FEWEST else HALVES
    ends = np.quantile(known, np.arange(1, len(names)) / len(names))
    part = np.searchsorted(ends, values, side="left")
    return [(name, (part == i) & ~np.isnan(values)) for i, name in enumerate(names)]
