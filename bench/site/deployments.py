"""Timings joined over seeds: one line for each runtime, number of threads, batch size and machine."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from bench import stats
from bench.measure.meters import OURS
from bench.measurements import Better
from bench.records import Record
from bench.stats import Interval

OWN = OURS | {"memory_bytes", "memory_own_bytes"}
"""What has a column of its own, or none."""
HEALTH = {"machine_work_ms", "clock_ghz", "throttled"}
"""What only says whether a timing can be trusted."""


class Place(NamedTuple):
    """Where timings compare: only with each other."""

    hardware: str
    """The machine's fingerprint."""
    threads: int


class Meter(NamedTuple):
    """A figure that a meter reads."""

    name: str
    unit: str
    better: Better


class Deployment(Struct, frozen=True):
    """What was measured on one runtime at one batch size on one machine, over all seeds."""

    runtime: str
    machine: str
    hardware: str
    """The machine's fingerprint; timings compare only where it is equal."""
    threads: int
    batch_size: int
    p50_ms: Interval
    p90_ms: float | None
    p99_ms: float | None
    first_call_ms: float | None
    cold_start_ms: float | None
    """Loading and the first call at the smallest batch size; null where that was not measured."""
    memory_bytes: float | None
    """Resident memory of the process that was timed."""
    deployed_bytes: float | None
    """Size of the file that the runtime reads."""
    throughput: float | None
    """Examples a second."""
    validity: str
    reasons: tuple[str, ...]
    calls: int
    """Timed calls of all seeds."""
    meters: dict[Meter, float]
    """What other meters have read."""

    @property
    def place(self) -> Place:
        """Return the machine and the threads."""
        return Place(self.hardware, self.threads)

    @property
    def is_valid(self) -> bool:
        """Tell whether the timing can be trusted."""
        return self.validity == "valid"


def join(measures: Iterable[Record]) -> tuple[Deployment, ...]:
    """Return the timings of `measure` records of one cell, fastest runtime first at each batch size.

    Of each seed and fold the newest counts, whatever its profile.
    """
    groups: dict[tuple[str, int, int, str], dict[tuple[int | None, int], Record]] = defaultdict(dict)
    for record in sorted(measures, key=lambda record: record.created):
        if record.measure is not None:
            fingerprint = record.provenance.hardware.fingerprint
            for batch_size in record.measure.batch_sizes:
                key = (record.measure.name, record.measure.threads, batch_size, fingerprint)
                groups[key][record.seed, record.fold] = record
    found = (_deployment(*key, list(records.values())) for key, records in groups.items())
    return tuple(sorted((d for d in found if d), key=lambda d: (d.hardware, d.batch_size, d.p50_ms.value)))


def place(record: Record) -> Place | None:
    """Return where a timing was taken, None of what is none."""
    return Place(record.provenance.hardware.fingerprint, record.measure.threads) if record.measure else None


def machine(record: Record) -> str:
    """Return the hardware of a record as a reader names it."""
    hardware = record.provenance.hardware
    return ", ".join((hardware.cpu, *hardware.accelerators))


def _deployment(runtime: str, threads: int, batch_size: int, hardware: str, records: list[Record]) -> Deployment | None:
    def values(name: str, **where: str) -> list[float]:
        found = (record.value(name, batch_size=batch_size, **where) for record in records)
        return [value for value in found if value is not None]

    def mean(name: str, **where: str) -> float | None:
        return _mean(values(name, **where))

    of_smallest = [one for one in records if one.measure and batch_size == min(one.measure.batch_sizes)]
    starts = [record.value("cold_start_ms") for record in of_smallest]
    files = [record.value("deployed_bytes") for record in records]
    medians = values("latency_ms", statistic="p50")
    if not medians:
        return None
    timings = [t for record in records for t in record.timings if t.batch_size == batch_size]
    worst = max((t.validity for t in timings), key=("valid", "unstable", "invalid").index, default="valid")
    timed = [m for record in records for m in record.measurements if m.name == "latency_ms" and m.statistic == "p50"]
    return Deployment(
        runtime=runtime,
        machine=machine(records[0]),
        hardware=hardware,
        threads=threads,
        batch_size=batch_size,
        p50_ms=stats.mean_interval(medians),
        p90_ms=mean("latency_ms", statistic="p90"),
        p99_ms=mean("latency_ms", statistic="p99"),
        first_call_ms=mean("first_call_ms"),
        cold_start_ms=_mean([v for v in starts if v is not None]),
        memory_bytes=mean("memory_bytes"),
        deployed_bytes=_mean([v for v in files if v is not None]),
        throughput=mean("throughput"),
        validity=worst,
        reasons=tuple(dict.fromkeys(reason for t in timings for reason in t.reasons)),
        calls=sum(m.n or 0 for m in timed if m.batch_size == batch_size),
        meters=_meters(records, batch_size),
    )


def _meters(records: list[Record], batch_size: int) -> dict[Meter, float]:
    read: dict[Meter, list[float]] = defaultdict(list)
    for m in (m for record in records for m in record.measurements):
        if m.batch_size == batch_size and m.statistic is None and m.name not in OWN | HEALTH:
            read[Meter(m.name, m.unit, m.better)].append(m.value)
    return {meter: sum(values) / len(values) for meter, values in read.items()}


def _mean(known: list[float]) -> float | None:
    return sum(known) / len(known) if known else None
