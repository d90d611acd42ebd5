"""Records of timings made by hand, and timings as the harness sums them up."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Literal

import factory

from bench.measure.summary import Summary, summarize
from bench.records import Better, Cell, Measurement, MeasureSpec, Record, Series, Timing, Use
from bench.tasks import BatchSamples, Sample

Validity = Literal["valid", "unstable", "invalid"]


def timed(
    of: Cell | None = None,
    *,
    runtime: str = "litert",
    p50_ms: float = 1.0,
    width: float = 0.02,
    profile: Literal["smoke", "standard"] = "standard",
    sitting: str | None = None,
    batch_sizes: tuple[int, ...] = (1, 32),
    validity: Validity = "valid",
    reasons: tuple[str, ...] = (),
    seed: int | None = 0,
    hardware: str = "hw-a",
    parent: str | None = None,
    **fields: Any,
) -> Record:
    """Return a finished `measure` record of five processes; `width` is half an interval, as a share of the value."""
    made = factory.record(of, node="measure", seed=seed, hardware=hardware, **fields)

    def figure(name: str, value: float, unit: str, size: int, statistic: str, better: Better = "lower") -> Measurement:
        return Measurement(
            name=name,
            value=value,
            low=value * (1 - width),
            high=value * (1 + width),
            unit=unit,
            better=better,
            n=200,
            runtime=runtime,
            batch_size=size,
            statistic=statistic,
        )

    measured = [
        Measurement(name="deployed_bytes", value=50_000, unit="B", better="lower", runtime=runtime),
        *(
            Measurement(
                name=name,
                value=value,
                low=value * 0.9,
                high=value * 1.1,
                n=5,
                unit="ms",
                better="lower",
                runtime=runtime,
            )
            for name, value in (("load_ms", 3.0), ("cold_start_ms", 3.0 + 20 * p50_ms))
        ),
    ]
    sketches = []
    for size in batch_sizes:
        scale = p50_ms * (1 + 0.6 * (size - 1))
        first = figure("first_call_ms", scale * 20, "ms", size, "p50")
        measured += [
            factory.replace(first, low=None, high=None, n=2),
            figure("throughput", 1000 * size / scale, "1/s", size, "mean", better="higher"),
            figure("latency_ms", scale, "ms", size, "p50"),
            figure("latency_ms", scale * 1.2, "ms", size, "p90"),
        ]
        sketch = Series(
            name="latency_ms",
            axis="quantile",
            points=[0.0, 0.25, 0.5, 0.75, 1.0],
            values=[scale * share for share in (0.95, 0.98, 1.0, 1.05, 1.6)],
            unit="ms",
            runtime=runtime,
            batch_size=size,
        )
        curves = {"throughput": (1000 * size / scale, "1/s"), "latency_p50_ms": (scale, "ms")}
        curves["latency_p90_ms"] = (scale * 1.2, "ms")
        sketches.append(sketch)
        sketches += [
            Series(
                name=name,
                axis="process",
                points=[1.0, 2.0, 3.0, 4.0, 5.0],
                values=[value * (1 + share * width) for share in (-1.2, -0.4, 0.0, 0.4, 1.2)],
                unit=unit,
                runtime=runtime,
                batch_size=size,
            )
            for name, (value, unit) in curves.items()
        ]
    return factory.replace(
        made,
        measure=MeasureSpec(runtime=Use(name=runtime), profile=profile, batch_sizes=batch_sizes, threads=1),
        sitting=sitting,
        runtime_packages=("tensorflow",),
        phases_s={"measure": 4.5},
        data=None,
        parents=(parent or factory.digest(made.cell_id, seed, made.fold, factory.CREATED),),
        measurements=tuple(measured),
        series=tuple(sketches),
        timings=tuple(
            Timing(runtime=runtime, batch_size=size, validity=validity, reasons=reasons) for size in batch_sizes
        ),
        artifact=None,
        confusion=None,
        correct=None,
        layers=(),
        diagnostics={},
    )


def process(latencies_ms: Sequence[float], others: float = 0.0, steal: float = 0.0, drift: float = 0.0) -> Sample:
    """Return what one process measured at batch size 1."""
    return Sample((BatchSamples(1, 9.0, list(latencies_ms), others, steal, drift),), 7, 0.1, 4.0)


def summary(samples: list[Sample], before: Record | None = None) -> Summary:
    """Return the figures of LiteRT at batch size 1, summarized as the harness does it."""
    spec = MeasureSpec(Use("litert"), "smoke", (1,), 1)
    task: Any = SimpleNamespace(node=SimpleNamespace(measure=spec))  # all that is asked of a task
    return summarize(task, samples, before)
