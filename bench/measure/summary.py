"""The samples of several processes → measurements, quantile sketches, and whether to trust them."""

from statistics import fmean, median

from msgspec import Struct

from bench.measure.profiles import PROFILES
from bench.records import Measurement, Series, Timing
from bench.stats import geometric_interval, percentile
from bench.tasks import BatchSamples, Sample, Task

SPREAD_UNSTABLE = 0.10
"""Relative difference between the medians of two processes from which a timing is unstable."""
OTHERS_UNSTABLE, OTHERS_INVALID = 0.25, 1.0
"""Cores kept busy by other processes."""
STEAL_UNSTABLE = 0.02
SKETCH = [round(i / 100, 2) for i in range(101)]


class Summary(Struct, frozen=True):
    """A `measure` node's part of its record."""

    measurements: tuple[Measurement, ...]
    series: tuple[Series, ...]
    timings: tuple[Timing, ...]


def summarize(task: Task, samples: list[Sample]) -> Summary:
    """Pool the samples of a node's processes."""
    assert task.node.measure is not None
    runtime = task.node.measure.name
    measurements = [
        Measurement(name="deployed_bytes", value=samples[0].size_bytes, unit="B", better="lower", runtime=runtime)
    ]
    series, timings = [], []
    for i, size in enumerate(task.node.measure.batch_sizes):
        batches = [sample.batches[i] for sample in samples]
        pooled = sorted(latency for batch in batches for latency in batch.latencies_ms)
        measurements += _figures(runtime, size, batches, pooled, PROFILES[task.node.measure.profile].percentiles)
        series.append(
            Series(
                name="latency_ms",
                axis="quantile",
                points=SKETCH,
                values=[round(pooled[round(q * (len(pooled) - 1))], 6) for q in SKETCH],
                unit="ms",
                runtime=runtime,
                batch_size=size,
            )
        )
        timings.append(_trust(runtime, size, samples, batches))
    return Summary(measurements=tuple(measurements), series=tuple(series), timings=tuple(timings))


def _figures(
    runtime: str, size: int, batches: list[BatchSamples], pooled: list[float], percentiles: tuple[float, ...]
) -> list[Measurement]:
    # Calls of one process share its memory layout and clock, so the interval is over processes.
    rate = geometric_interval([1000 * size / fmean(batch.latencies_ms) for batch in batches])
    found = [
        Measurement(
            name="first_call_ms",
            value=median(batch.first_call_ms for batch in batches),
            unit="ms",
            better="lower",
            n=len(batches),
            runtime=runtime,
            batch_size=size,
            statistic="p50",
        ),
        Measurement(
            name="throughput",
            value=rate.value,
            low=rate.low,
            high=rate.high,
            unit="1/s",
            better="higher",
            n=len(pooled),
            runtime=runtime,
            batch_size=size,
            statistic="mean",
        ),
    ]
    for percent in percentiles:
        if interval := percentile(pooled, percent):
            found.append(
                Measurement(
                    name="latency_ms",
                    value=interval.value,
                    low=interval.low,
                    high=interval.high,
                    n=interval.n,
                    unit="ms",
                    better="lower",
                    runtime=runtime,
                    batch_size=size,
                    statistic=f"p{percent:g}",
                )
            )
    return found


def _trust(runtime: str, size: int, samples: list[Sample], batches: list[BatchSamples]) -> Timing:
    medians = [median(batch.latencies_ms) for batch in batches]
    spread = max(medians) / min(medians) - 1
    others = max(sample.others_cores for sample in samples)
    steal = max(sample.steal for sample in samples)
    reasons = []
    if spread > SPREAD_UNSTABLE:
        reasons.append(f"the medians of {len(medians)} processes differ by {spread:.0%}")
    if others > OTHERS_UNSTABLE:
        reasons.append(f"other processes kept {others:.1f} cores busy")
    if steal > STEAL_UNSTABLE:
        reasons.append(f"the hypervisor took {steal:.0%} of the time")
    return Timing(
        runtime=runtime,
        batch_size=size,
        validity="invalid" if others > OTHERS_INVALID else "unstable" if reasons else "valid",
        reasons=tuple(reasons),
    )
