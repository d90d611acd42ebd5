"""Gradients: do they vanish or explode on their way back?

The norm of the gradient of each layer's kernels, before the first epoch and after later ones, of
the loss that is minimized, on 128 training examples. Where the first layers' gradients are orders
of magnitude below the last's they vanish; where they grow, they explode. Beside it how far each
layer's kernels have moved since the look before, as a share of their norm.

Paper: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
networks, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.blocks.inside import evenly
from bench.blocks.probe import MOST_LAYERS, SAMPLE, Look, Probe
from bench.errors import Unsupported
from bench.records import Diagnosis, Measurement, Series
from bench.work.evaluation import Outcome

if TYPE_CHECKING:
    from bench.work.training import Trainer

FIGURES = ("gradient_decades",)
NORM, MOVED = "gradient norm", "change of the weights"


def watch(trainer: "Trainer") -> Callable[[], tuple[Series, ...]]:
    """Note the norms and the movement of each layer, look by look."""
    probe = Probe.of(trainer)

    def question(look: Look) -> dict[str, list[float]]:
        moved = look.moved
        return {name: [norm, *([moved[name]] if name in moved else [])] for name, norm in look.gradients.items()}

    probe.ask("gradients", question)
    return lambda: curves(probe.answers("gradients"))


def curves(told: dict[int, dict[str, list[float]]]) -> tuple[Series, ...]:
    """Return norm and movement of some layers by epoch."""
    whole = max(told.values(), key=len, default={})  # layers that are frozen at first have no gradient there
    layers = evenly(list(whole), MOST_LAYERS)
    found = []
    for i, kind in enumerate((NORM, MOVED)):
        for name in layers:
            seen = [(epoch, answer[name][i]) for epoch, answer in told.items() if len(answer.get(name, ())) > i]
            if seen:
                found.append(
                    Series(
                        name=name,
                        axis="epoch",
                        points=[float(epoch) for epoch, _ in seen],
                        values=[float(f"{value:.4g}") if math.isfinite(value) else None for _, value in seen],
                        split="train",
                        chart=kind,
                    )
                )
    return tuple(found)


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return the curves, and by how many powers of ten the first layer's gradient differs from the last's."""
    norms = [one for one in outcome.series if one.chart == NORM]
    if not norms:
        raise Unsupported("nothing was seen of its training, which went on without the examples")
    first, last = norms[0].values[0], norms[-1].values[0]
    figures: tuple[Measurement, ...] = ()
    if any(one.points[0] for one in (norms[0], norms[-1])):
        told = "Not all layers learn from the first epoch on, so first and last are not compared."
    elif first is None or last is None:
        told = "Before the first epoch a gradient is no finite number."
    elif first and last:
        decades = math.log10(first / last)
        figures = (Measurement("gradient_decades", decades, "decades", "none"),)
        way = "above" if decades > 0 else "below"
        told = f"Before the first epoch the first layer’s norm is {10 ** abs(decades):.3g} times {way} the last’s."
    else:
        told = "Before the first epoch a layer has no gradient at all."
    return Diagnosis(
        "Gradients",
        series=tuple(one for one in outcome.series if one.chart in {NORM, MOVED}),
        note=f"On {SAMPLE} training examples; at most {MOST_LAYERS} layers, from the input to the answer. {told}",
        logarithmic=True,
        measurements=figures,
    )
