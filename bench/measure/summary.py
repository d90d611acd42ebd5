"""The samples of several processes → measurements, quantile sketches, and whether to trust them."""

from collections.abc import Iterator
from statistics import fmean, median
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from bench.measure.latency import DRIFT_UNSTABLE, OTHERS_UNSTABLE, STEAL_UNSTABLE
from bench.measure.profiles import PROFILES
from bench.records import Measurement, Record, Series, Timing
from bench.stats import Interval, geometric_interval, smallest_count
from bench.tasks import BatchSamples, Sample, Task

SPREAD_UNSTABLE = 0.10
"""Relative difference between the medians of two processes from which they disagree."""
KNOWN_WITHIN = 0.05
"""Half of the interval of p50, relative: as many processes as that takes may disagree, each by its memory layout."""
CHANGED_UNSTABLE = 0.05
"""Relative difference of p50 from that of the timing before."""
EARLIER = "the timing before"
"""How the reason begins that such a difference is; it is the first where there is no other."""
OTHERS_INVALID = 1.0
"""Cores kept busy by other processes."""
ENOUGH = 5
"""Processes of which one may be left out, as slower or faster than all the others, and whose interval is believed."""
MOST_DOUBTS = 3
"""Of the meters, that are told."""
SKETCH = [round(i / 100, 2) for i in range(101)]


class Summary(Struct, frozen=True):
    """A `measure` node's part of its record."""

    measurements: tuple[Measurement, ...]
    series: tuple[Series, ...]
    timings: tuple[Timing, ...]


def summarize(task: Task, samples: list[Sample], before: Record | None = None) -> Summary:
    """Join the samples of a node's processes; `before` is an earlier timing of the same network by the same code, here.

    Processes are timed for as long as each other, so a fast one makes more calls; what it says
    counts no more for that. Each figure is taken by process, and the value is the processes'
    geometric mean with an interval over them: calls of one process share its memory layout and
    clock, and are no independent witnesses. `n` stays the number of timed calls.
    """
    assert task.node.measure is not None
    runtime = task.node.measure.name
    measurements = [
        Measurement(name="deployed_bytes", value=samples[0].size_bytes, unit="B", better="lower", runtime=runtime)
    ]
    loads = [sample.load_ms for sample in samples]
    cold = [sample.load_ms + sample.batches[0].first_call_ms for sample in samples]
    for name, values in (("load_ms", loads), ("cold_start_ms", cold)):
        found = geometric_interval(values)
        measurements.append(_figure(name, found, n=len(samples), unit="ms", better="lower", runtime=runtime))
    series, timings = [], []
    for i, size in enumerate(task.node.measure.batch_sizes):
        batches = [sample.batches[i] for sample in samples]
        kept = _alike(batches)
        wanted = (*PROFILES[task.node.measure.profile].percentiles, *task.node.measure.percentiles)
        measurements += _figures(runtime, size, kept, wanted)
        measurements += _readings(runtime, size, kept)
        series += [_sketch(runtime, size, kept), *_by_process(runtime, size, kept, measurements)]
        timings.append(_trust(runtime, size, batches, kept, _change(measurements, before, size)))
    return Summary(measurements=tuple(measurements), series=tuple(series), timings=tuple(timings))


def is_settled(task: Task, samples: list[Sample]) -> bool:
    """Tell whether the processes agree at every batch size, and made enough calls; if not, one more may help."""
    assert task.node.measure is not None
    profile = PROFILES[task.node.measure.profile]
    for i, size in enumerate(task.node.measure.batch_sizes):
        kept = _alike([sample.batches[i] for sample in samples])
        calls = sum(len(batch.latencies_ms) for batch in kept)
        if _disagree(kept) or calls < profile.effort(size)[0]:
            return False
    return True


def _alike(batches: list[BatchSamples]) -> list[BatchSamples]:
    """Leave out one process of several that is away from all the rest."""
    middle = median(median(batch.latencies_ms) for batch in batches)
    near = [batch for batch in batches if abs(median(batch.latencies_ms) / middle - 1) <= SPREAD_UNSTABLE]
    return near if len(near) >= max(len(batches) - 1, ENOUGH - 1) else batches


def _disagree(batches: list[BatchSamples]) -> str:
    """Say how far processes lie apart where that leaves p50 unknown.

    The range of many is wide by nature, so with enough of them the interval of their mean decides.
    """
    medians = [median(batch.latencies_ms) for batch in batches]
    spread = max(medians) / min(medians) - 1
    if spread <= SPREAD_UNSTABLE:
        return ""
    told = f"the medians of {len(medians)} processes differ by {spread:.0%}"
    if len(medians) < ENOUGH:
        return told
    found = geometric_interval(medians)
    assert found.high is not None
    within = found.high / found.value - 1
    return f"{told}, p50 is known within {within:.0%}" if within > KNOWN_WITHIN else ""


def _figures(
    runtime: str, size: int, batches: list[BatchSamples], percentiles: tuple[float, ...]
) -> Iterator[Measurement]:
    """Yield first call, throughput and those percentiles for which all processes together made enough calls."""
    where: dict[str, Any] = {"runtime": runtime, "batch_size": size}
    first = median(batch.first_call_ms for batch in batches)
    yield Measurement(
        name="first_call_ms", value=first, unit="ms", better="lower", n=len(batches), statistic="p50", **where
    )
    calls = sum(len(batch.latencies_ms) for batch in batches)
    rates = geometric_interval([1000 * size / fmean(batch.latencies_ms) for batch in batches])
    yield _figure("throughput", rates, n=calls, unit="1/s", better="higher", statistic="mean", **where)
    for percent in percentiles:
        if calls >= smallest_count(percent):
            found = geometric_interval([float(np.percentile(batch.latencies_ms, percent)) for batch in batches])
            yield _figure("latency_ms", found, n=calls, unit="ms", better="lower", statistic=f"p{percent:g}", **where)


def _readings(runtime: str, size: int, batches: list[BatchSamples]) -> Iterator[Measurement]:
    """Yield what meters say that could be read in every process: the mean over these."""
    for name, one in batches[0].figures.items():
        values = [batch.figures[name].value for batch in batches if name in batch.figures]
        if len(values) == len(batches):
            yield Measurement(
                name=name,
                value=fmean(values),
                unit=one.unit,
                better=one.better,
                n=len(values),
                runtime=runtime,
                batch_size=size,
            )


def _figure(name: str, interval: Interval, **fields: Any) -> Measurement:
    return Measurement(name=name, value=interval.value, low=interval.low, high=interval.high, **fields)


def _sketch(runtime: str, size: int, batches: list[BatchSamples]) -> Series:
    """Return the quantiles of latency, each the geometric mean of the processes' own."""
    quantiles = np.array([np.quantile(batch.latencies_ms, SKETCH) for batch in batches])
    return Series(
        name="latency_ms",
        axis="quantile",
        points=SKETCH,
        values=[round(value, 6) for value in np.exp(np.log(quantiles).mean(axis=0)).tolist()],
        unit="ms",
        runtime=runtime,
        batch_size=size,
    )


def _by_process(
    runtime: str, size: int, batches: list[BatchSamples], measurements: list[Measurement]
) -> Iterator[Series]:
    """Yield what each process says of the figures that `bench check` and a reader may want to compare."""
    processes = [float(i) for i in range(1, len(batches) + 1)]
    where: dict[str, Any] = {"axis": "process", "points": processes, "runtime": runtime, "batch_size": size}
    rates: list[float | None] = [round(1000 * size / fmean(batch.latencies_ms), 3) for batch in batches]
    yield Series(name="throughput", values=rates, unit="1/s", **where)
    for statistic in [m.statistic for m in measurements if m.name == "latency_ms" and m.batch_size == size]:
        percent = float((statistic or "p50").removeprefix("p"))
        found: list[float | None] = [round(float(np.percentile(b.latencies_ms, percent)), 6) for b in batches]
        yield Series(name=f"latency_{statistic}_ms", values=found, unit="ms", **where)


def _change(measurements: list[Measurement], before: Record | None, size: int) -> str:
    """Say how far p50 is from the timing before where it is too far: then one of both was taken in an odd hour.

    A timing that was disturbed tells nothing; one that is unstable for this very reason does, so
    that a machine that has changed for good is believed the second time.
    """
    trusted = before and any(
        timing.batch_size == size and (timing.validity == "valid" or "".join(timing.reasons[:1]).startswith(EARLIER))
        for timing in before.timings
    )
    if before is None or not trusted:
        return ""

    def rise(name: str, statistic: str | None = None) -> float | None:
        old = before.value(name, statistic=statistic, batch_size=size)
        new = [m.value for m in measurements if (m.name, m.statistic, m.batch_size) == (name, statistic, size)]
        return new[0] / old - 1 if old and new else None

    change, work = rise("latency_ms", "p50"), rise("machine_work_ms")
    if change is None or -CHANGED_UNSTABLE / (1 + CHANGED_UNSTABLE) <= change <= CHANGED_UNSTABLE:
        return ""
    machine = "" if work is None else f"; a fixed piece of work took {work:+.0%}"
    return f"{EARLIER} ({before.created[:10]}, {before.created[11:16]} UTC) was another: p50 is {change:+.0%}{machine}"


def _trust(runtime: str, size: int, batches: list[BatchSamples], kept: list[BatchSamples], change: str) -> Timing:
    others = max(batch.others_cores for batch in kept)
    steal, drift = max(batch.steal for batch in kept), max(batch.drift for batch in kept)
    reasons = [told] if (told := _disagree(kept)) else []
    if others > OTHERS_UNSTABLE:
        reasons.append(f"other processes kept {others:.1f} cores busy")
    if steal > STEAL_UNSTABLE:
        reasons.append(f"the hypervisor took {steal:.0%} of the time")
    if drift > DRIFT_UNSTABLE:
        reasons.append(f"the two halves of a process's calls differ by {drift:.0%}")
    doubts = (reading.doubt for batch in kept for reading in batch.figures.values() if reading.doubt)
    reasons += list(dict.fromkeys(doubts))[:MOST_DOUBTS]
    reasons += [change] if change else []
    validity: Literal["valid", "unstable", "invalid"] = "unstable" if reasons else "valid"
    if others > OTHERS_INVALID:
        validity = "invalid"
    if len(kept) < len(batches):
        reasons.append(f"one of {len(batches)} processes, away from all the others, left out")
    return Timing(runtime=runtime, batch_size=size, validity=validity, reasons=tuple(reasons))
