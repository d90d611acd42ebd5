"""How a suite has its finished networks timed."""

from collections.abc import Sequence, Set
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from bench.limits import Positive
from bench.measure.profiles import PROFILES
from bench.planning.compatibility import EVALUATED_ON
from bench.records import ArtifactFormat, MeasureSpec, Use
from bench.stats.intervals import smallest_count

USUAL = ("keras_predict", "tf_function", "litert")


class Measure(Struct, frozen=True, forbid_unknown_fields=True):
    """How finished networks are timed."""

    profile: Literal["smoke", "standard", "rigorous"] = "standard"
    runtimes: tuple[str, ...] | None = None
    """Those of `usual` unless said."""
    batch_sizes: Annotated[tuple[Positive, ...], msgspec.Meta(min_length=1)] = (1, 64)
    threads: Positive = 1
    seeds: Literal["first", "all"] = "first"
    """Latency hardly depends on the weights: one seed's artifact of each cell is enough."""
    percentiles: tuple[Annotated[float, msgspec.Meta(gt=0, lt=100)], ...] = ()
    """Of latency, beside those of the profile; one that the profile has too few samples for is refused."""


def usual(formats: Set[ArtifactFormat]) -> tuple[str, ...]:
    """Return the runtimes of a suite that names none: so that each of its networks is timed on one at least."""
    return (*USUAL, *(name for form, name in EVALUATED_ON.items() if form in formats and name not in USUAL))


def require_calls(measure: Measure) -> None:
    """Raise ValueError for a percentile that needs more calls than the profile makes at some batch size."""
    size = max(measure.batch_sizes)
    makes = {name: profile.effort(size)[0] for name, profile in PROFILES.items()}
    for percent in measure.percentiles:
        needed = smallest_count(percent)
        if needed > makes[measure.profile]:
            cures = ["take a lower one"]
            cures += ["batch_sizes: [1]"] if PROFILES[measure.profile].samples >= needed else []
            cures += [f"profile: {name}" for name, calls in makes.items() if calls >= needed][:1]
            raise ValueError(
                f"p{percent:g} needs {needed:,} timed calls, the profile {measure.profile} makes "
                f"{makes[measure.profile]:,} at batch size {size}; {', or '.join(cures)}"
            )


def specs(measure: Measure, runtimes: Sequence[tuple[Use, str]]) -> tuple[MeasureSpec, ...]:
    """Return what is measured on each runtime, which comes with the label that a reader knows it by."""
    percentiles = set(measure.percentiles) - set(PROFILES[measure.profile].percentiles)
    return tuple(
        MeasureSpec(
            runtime=runtime,
            profile=measure.profile,
            batch_sizes=tuple(sorted(set(measure.batch_sizes))),
            threads=runtime.parameters.get("threads") or measure.threads,
            label=label,
            percentiles=tuple(sorted(percentiles)),
        )
        for runtime, label in runtimes
    )
