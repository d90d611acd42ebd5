"""Units: which are dead, which are saturated?

A unit of ReLU that never rises above zero is dead: nothing is learned through it. Of leaky kinds
the same is counted, though such a unit hands on a fraction and may come back. A sigmoid or tanh is
saturated where it is flat, its slope under a fifth of the steepest: outside 0.05 to 0.95, outside
−0.9 to 0.9. By layer and epoch on 128 training examples, and of the finished network on the test
part.

Paper: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural
networks, AISTATS 2010, https://proceedings.mlr.press/v9/glorot10a.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import keras
import numpy as np
from numpy.typing import NDArray

from bench.blocks import inside
from bench.blocks.probe import MOST_LAYERS, SAMPLE, SMALL, Look, Probe
from bench.errors import Unsupported
from bench.records import Diagnosis, Measurement, Series, Table
from bench.work.evaluation import Outcome

if TYPE_CHECKING:
    from bench.work.training import Trainer

FIGURES = ("dead_units", "saturated_outputs")
MOST_EXAMPLES = 500
BATCH = 64
DEAD, SATURATED = "dead units", "saturated outputs"


def watch(trainer: "Trainer") -> Callable[[], tuple[Series, ...]]:
    """Note the shares of each layer, look by look."""
    probe = Probe.of(trainer)

    def question(look: Look) -> dict[str, list[object]]:
        kinds = {place.name: place.activation for place in inside.activating(look.network)}
        shares = {name: share_of(kinds[name], outputs) for name, outputs in look.activations.items()}
        return {name: list(found) for name, found in shares.items() if found}

    probe.ask("units", question)
    return lambda: curves(probe.answers("units"))


class Tally:
    """What can go wrong with a layer, counted batch by batch."""

    def __init__(self, activation: str) -> None:
        """Count nothing yet."""
        self._ends = inside.SATURATING.get(activation)
        self._highest: NDArray[np.float32] | None = None
        self._flat = self._all = 0

    def add(self, outputs: NDArray[np.float32]) -> None:
        """Count outputs, (n, …, units)."""
        values = inside.units(outputs)
        if self._ends:
            low, high = self._ends
            self._flat += int(((values < low) | (values > high)).sum())
            self._all += values.size
        else:
            highest = values.max(axis=0)
            self._highest = highest if self._highest is None else np.maximum(self._highest, highest)

    @property
    def share(self) -> tuple[str, float]:
        """Return what it is, and its share of the units or outputs, 0–1."""
        if self._highest is None:
            return SATURATED, self._flat / self._all
        return DEAD, float((self._highest <= 0).mean())


def share_of(activation: str, outputs: NDArray[np.float32]) -> tuple[str, float] | None:
    """Return what can go wrong with a layer and the share where it has; None for activations of which nothing can."""
    if activation not in inside.RECTIFIERS and activation not in inside.SATURATING:
        return None
    tally = Tally(activation)
    tally.add(outputs)
    return tally.share


def curves(told: dict[int, dict[str, list[object]]]) -> tuple[Series, ...]:
    """Return the share of each layer by epoch."""
    found = []
    for name in dict.fromkeys(name for answer in told.values() for name in answer):
        seen = [(epoch, answer[name]) for epoch, answer in told.items() if name in answer]
        found.append(
            Series(
                name=name,
                axis="epoch",
                points=[float(epoch) for epoch, _ in seen],
                values=[round(float(str(share)), 4) for _, (_, share) in seen],
                unit="1",
                split="train",
                chart=str(seen[0][1][0]),
            )
        )
    return tuple(found)


def diagnose(outcome: Outcome) -> Diagnosis:
    """Return the curves, and the shares of the finished network, layer by layer and of all together."""
    x = outcome.split.test.x[:MOST_EXAMPLES]
    network = keras.Model(outcome.network.inputs, outcome.network.outputs[0])  # of a Sequential one, its graph
    places = [
        place
        for place in inside.activating(network)
        if share_of(place.activation, np.zeros((1, 1), np.float32)) is not None
    ]
    read, tallies = inside.reader(network, places), [Tally(place.activation) for place in places]
    size = BATCH if x[0].size <= SMALL else BATCH // 8
    for begin in range(0, len(x), size):
        for tally, outputs in zip(tallies, read(x[begin : begin + size]), strict=True):
            tally.add(outputs)
    rows = [(place.name, place.activation, *tally.share) for place, tally in zip(places, tallies, strict=True)]
    sizes = [int(place.tensor.shape[-1] or 0) for place in places]
    if not rows:
        raise Unsupported("no layer has an activation whose units die or saturate")
    figures = []
    for name, kind in zip(FIGURES, (DEAD, SATURATED), strict=True):
        shares = [(share, size) for (*_, of, share), size in zip(rows, sizes, strict=True) if of == kind]
        if shares:
            mean = float(np.average([share for share, _ in shares], weights=[size for _, size in shares]))
            figures.append(Measurement(name, mean, "1", "lower", split="test"))
    shown = inside.evenly(list(zip(rows, sizes, strict=True)), 20)
    note = f"Curves: on {SAMPLE} training examples, at most {MOST_LAYERS} layers. Table: on {len(x):,} test examples"
    note += f", {len(shown)} of {len(rows)} layers." if len(shown) < len(rows) else "."
    return Diagnosis(
        "Units",
        series=tuple(one for one in outcome.series if one.chart in {DEAD, SATURATED}),
        note=note,
        tables=(
            Table(
                "Units of the finished network",
                ("layer", "activation", "units", "what", "share"),
                tuple((name, kind, size, what, round(share, 4)) for (name, kind, what, share), size in shown),
            ),
        ),
        measurements=tuple(figures),
    )
