"""Robustness: what noise, blur, low contrast and shifts cost

The accuracy on test images that were made worse in four ways and five severities, of the kinds of
CIFAR-10-C. The network has seen none of it in training unless its augmentation did the like.

Paper: D. Hendrycks and T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions
and Perturbations, ICLR 2019, https://arxiv.org/abs/1903.12261
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.blocks.inside import answers_of
from bench.records import Diagnosis, Measurement, Series
from bench.work.evaluation import Outcome

INPUT = "image"
TASKS = ("classification", "hierarchical")
ACCEPTS = ("keras",)
FIGURES = ("corrupted_accuracy",)
Pixels = NDArray[np.float32]
SEVERITIES = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "shift": (1, 2, 3, 4, 5),
}
"""Of noise the deviation as a share of white, of blur in pixels of a 32 × 32 image, of contrast what is left of it,
of a shift pixels of a 32 × 32 image; the first three as in CIFAR-10-C."""


def diagnose(outcome: Outcome, *, examples: int = 500) -> Diagnosis:
    """Return the accuracy by severity, a curve for each kind, from the images as they are (severity 0)."""
    test, classes = outcome.split.test, len(outcome.split.facts.classes)
    places = np.random.default_rng(0).permutation(len(test))[:examples]
    x, labels = test.x[places].astype(np.float32), test.y[places].astype(np.int64)

    def accuracy(images: Pixels) -> float:
        answers = answers_of(outcome, images)[:, :classes].argmax(axis=1)
        return round(float((answers == labels).mean()), 4)

    clean = accuracy(x)
    curves = {
        kind: [clean, *(accuracy(CORRUPTIONS[kind](x, amount)) for amount in amounts)]
        for kind, amounts in SEVERITIES.items()
    }
    mean = float(np.mean([values[1:] for values in curves.values()]))
    return Diagnosis(
        "Accuracy on images made worse",
        series=tuple(
            Series(
                name=kind,
                axis="severity",
                points=[float(i) for i in range(len(values))],
                values=list(values),
                unit="1",
                split="test",
            )
            for kind, values in curves.items()
        ),
        note=f"On {len(x):,} of {len(test):,} test images. Mean over all kinds and severities: {100 * mean:.1f} %.",
        measurements=(Measurement("corrupted_accuracy", mean, "1", "higher", n=len(x), split="test"),),
    )


def noise(images: Pixels, deviation: float) -> Pixels:
    """Add Gaussian noise, drawn anew for each pixel and channel and the same for every network."""
    drawn = np.random.default_rng(0).standard_normal(images.shape, dtype=np.float32)
    return np.clip(images + 255 * deviation * drawn, 0, 255)


def blur(images: Pixels, deviation: float) -> Pixels:
    """Blur by a Gaussian, within each channel."""
    by = deviation * images.shape[1] / 32
    found: Pixels = ndimage.gaussian_filter(images, (0, by, by, 0))
    return found


def contrast(images: Pixels, left: float) -> Pixels:
    """Move each pixel towards its image's mean."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    found: Pixels = mean + left * (images - mean)
    return found


def shift(images: Pixels, pixels: float) -> Pixels:
    """Move images down and to the right; what comes in repeats the border."""
    by = max(round(pixels * images.shape[1] / 32), 1)
    padded = np.pad(images, ((0, 0), (by, 0), (by, 0), (0, 0)), mode="edge")
    found: Pixels = padded[:, : images.shape[1], : images.shape[2]]
    return found


CORRUPTIONS: dict[str, Callable[[Pixels, float], Pixels]] = {
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "shift": shift,
}
