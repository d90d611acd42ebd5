"""Distributions: weights and activations at the start, in the middle and at the end

Histograms of the kernels and of what comes out of the first, a middle and the last layer. Weights
that have not moved have not learned; activations that pile up at zero or at the ends of their
range have stopped passing anything on.

Paper: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
networks, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.blocks.inside import evenly
from bench.blocks.probe import SAMPLE, Look, Probe
from bench.errors import Unsupported
from bench.records import Diagnosis, Series
from bench.work.evaluation import Outcome

if TYPE_CHECKING:
    from bench.work.training import Trainer

SEEDS = "first"
BINS = 24
LAYERS = 3
MOST_VALUES = 20_000
TAILS = (0.1, 99.9)
"""Percentiles between which bins lie, of all three moments together; what is beyond counts to the outermost bins."""
MOMENTS = ("start", "middle", "end")


def watch(trainer: "Trainer") -> Callable[[], tuple[Series, ...]]:
    """Note the quantiles of some layers, look by look."""
    probe = Probe.of(trainer)

    def question(look: Look) -> dict[str, NDArray[np.float32]]:
        found = {f"weights of {name}": look.weights[name] for name in evenly(list(look.weights), LAYERS)}
        outputs = look.activations
        found |= {f"activations of {name}": outputs[name].ravel() for name in evenly(list(outputs), LAYERS)}
        return {name: quantiles(values) for name, values in found.items()}

    probe.ask("distributions", question)
    return lambda: curves(probe.answers("distributions"))


def quantiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is known of the values' distribution: 1,001 quantiles, evenly spaced."""
    some = values
    if len(values) > MOST_VALUES:  # as many tell as much, and are sorted sooner
        some = np.random.default_rng(0).choice(values, MOST_VALUES)
    return np.quantile(some, np.linspace(0, 1, 1001)).astype(np.float32)


def curves(told: dict[int, dict[str, NDArray[np.float32]]]) -> tuple[Series, ...]:
    """Return a histogram of each quantity at the start, in the middle and at the end, on bins that they share."""
    epochs = sorted(told)
    if not epochs:
        return ()
    chosen = (epochs[0], epochs[len(epochs) // 2], epochs[-1])
    found = []
    for name in told[epochs[-1]]:
        samples = [told[epoch][name] for epoch in chosen if name in told[epoch]]
        if len(samples) < len(MOMENTS):
            continue
        low, high = np.percentile(np.concatenate(samples), TAILS)
        if not low < high:
            low, high = low - 0.5, high + 0.5
        edges = np.linspace(low, high, BINS + 1)
        for moment, epoch, sample in zip(MOMENTS, chosen, samples, strict=True):
            counts, _ = np.histogram(np.clip(sample, low, high), edges)
            found.append(
                Series(
                    name=f"{moment} (epoch {epoch})",
                    axis="value",
                    points=[float(f"{middle:.3g}") for middle in (edges[:-1] + edges[1:]) / 2],
                    values=[round(float(count) / len(sample), 4) for count in counts],
                    unit="1",
                    split="train",
                    chart=name,
                )
            )
    return tuple(found)


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return the histograms."""
    found = tuple(one for one in outcome.series if one.watcher)
    if not found:
        raise Unsupported("nothing was seen of its training, which went on without the examples")
    return Diagnosis(
        "Distributions",
        series=found,
        note=f"Shares of all values; activations on {SAMPLE} training examples. "
        "The first, a middle and the last layer; the outermost bins hold what lies beyond them. The end is that of "
        "the last epoch, before anything is restored or averaged.",
    )
