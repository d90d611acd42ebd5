"""Timing: what is called when, how much, and what a disturbed timing says of itself."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factory
import numpy as np
import pytest
import timings
from timings import summary

from bench.catalog import Catalog
from bench.measure import latency
from bench.measure.hardware import hardware
from bench.measure.meters import Meters
from bench.measure.profiles import PROFILES
from bench.records import MeasureSpec, Use
from bench.runner import machine_lock
from bench.stats import smallest_count
from bench.tasks import BatchSamples, Sample
from bench.work.deployment import Deployed

METERS = Meters(Catalog())
SMOKE = MeasureSpec(Use("litert"), "smoke", (1, 8), 1)


def sleeper(seconds: float, calls: list[int]) -> Deployed:
    def predict(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        time.sleep(seconds)
        return x.reshape(len(x), -1)

    return Deployed(prepare=lambda x: x.astype(np.float32), predict=predict, size_bytes=1)


def sampled(deployed: Deployed, x: np.ndarray, spec: MeasureSpec) -> list[BatchSamples]:
    watch = latency.Stopwatch(deployed, spec, METERS)
    return [watch.steady(x, size, watch.first_call_ms(x, size)) for size in spec.batch_sizes]


@pytest.fixture(autouse=True)
def _anywhere() -> Iterator[None]:
    """Bring the test's own process back to all cores."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


def test_a_process_takes_its_share_of_samples_after_the_warm_up() -> None:
    calls: list[int] = []
    one, eight = sampled(sleeper(0.01, calls), np.zeros((20, 4), np.uint8), SMOKE)
    assert len(one.latencies_ms) >= 32, "as many calls as its share asks for, and as long"
    assert len(eight.latencies_ms) >= 32
    assert min(one.latencies_ms) >= 10.0
    assert one.first_call_ms >= 10.0
    attempts = 1 + latency.AGAIN
    assert calls.count(1) - len(one.latencies_ms) >= 11, "a first call and ten of warm-up"
    assert calls.count(1) <= 1 + attempts * (25 + 45), "not much more than the profile asks for"
    assert set(calls) == {1, 8}
    assert 0 <= one.steal <= 1


def test_a_process_stays_on_as_many_cores_as_it_has_threads() -> None:
    calls: list[int] = []
    sampled(sleeper(0, calls), np.zeros((20, 4), np.uint8), SMOKE)
    assert len(os.sched_getaffinity(0)) == 1


def test_what_is_disturbed_is_measured_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def timed(*arguments: object) -> BatchSamples:
        attempts.append(arguments)
        drift = 0.3 if len(attempts) < 3 else 0.0
        return BatchSamples(1, 1.0, [1.0] * 32, drift=drift)

    monkeypatch.setattr(latency, "_timed", timed)
    (found,) = sampled(sleeper(0, []), np.zeros((3, 4), np.uint8), MeasureSpec(Use("litert"), "smoke", (1,), 1))
    assert (len(attempts), found.drift) == (3, 0.0)
    attempts[:] = []
    monkeypatch.setattr(latency, "_timed", lambda *_: attempts.append(0) or BatchSamples(1, 1.0, [1.0], others_cores=1))
    (found,) = sampled(sleeper(0, []), np.zeros((3, 4), np.uint8), MeasureSpec(Use("litert"), "smoke", (1,), 1))
    assert len(attempts) == 1 + latency.AGAIN
    assert found.others_cores == 1, "what is disturbed to the last says so"


def test_a_busy_neighbour_is_seen() -> None:
    """Another process that computes on a core that we may use, all the time."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.3)
        spec = MeasureSpec(Use("litert"), "smoke", (1,), 1)
        (found,) = sampled(sleeper(0.001, []), np.zeros((3, 4), np.uint8), spec)
    finally:
        neighbour.kill()
        neighbour.wait()
    assert found.others_cores > 0.5
    assert latency.is_disturbed(found)


def test_a_batch_may_be_larger_than_the_test_set() -> None:
    calls: list[int] = []
    sampled(sleeper(0.001, calls), np.zeros((3, 4), np.uint8), MeasureSpec(Use("litert"), "smoke", (16,), 1))
    assert set(calls) == {16}


@pytest.mark.parametrize("name", ["smoke", "standard", "rigorous"])
def test_each_profile_takes_the_samples_that_its_percentiles_need(name: str) -> None:
    profile = PROFILES[name]
    assert profile.samples >= max(smallest_count(percent) for percent in profile.percentiles)
    assert profile.warmup_calls >= 10
    assert profile.processes >= 2


def measured(value: float, *, n: int = 32, **disturbed: float) -> Sample:
    return timings.process([value] * n, **disturbed)


def test_processes_count_the_same_however_many_calls_they_made() -> None:
    found = summary([measured(1.0, n=900), measured(1.1, n=100)])
    figures = {(m.name, m.statistic): m for m in found.measurements}
    middle = 1.1**0.5
    for percent in ("p50", "p90"):
        assert figures["latency_ms", percent].value == pytest.approx(middle)
        assert figures["latency_ms", percent].n == 1000
    assert figures["throughput", "mean"].value == pytest.approx(1000 / middle)
    assert figures["first_call_ms", "p50"].value == 9.0
    sketch, *by_process = found.series
    assert sketch.values == [pytest.approx(middle, abs=1e-6)] * 101
    assert {curve.name: curve.values for curve in by_process} == {
        "throughput": [1000.0, pytest.approx(1000 / 1.1, abs=1e-3)],
        "latency_p50_ms": [1.0, 1.1],
        "latency_p90_ms": [1.0, 1.1],
    }


def test_a_percentile_and_the_sketch_agree() -> None:
    draw = factory.rng("latencies")
    found = summary([timings.process(draw.lognormal(0, 0.3, size=n)) for n in (40, 70, 500)])
    sketch = found.series[0]
    shown = dict(zip(sketch.points, sketch.values, strict=True))
    for m in found.measurements:
        if m.name == "latency_ms":
            assert m.value == pytest.approx(shown[int((m.statistic or "p")[1:]) / 100], abs=1e-6)


def test_intervals_cover_the_truth_though_calls_of_a_process_are_alike() -> None:
    """Each process is slower or faster as a whole; order statistics of pooled calls covered half of the time."""
    draw, covered = factory.rng("processes"), []
    for _ in range(200):
        levels = draw.normal(0, 0.05, size=5)
        found = summary([timings.process(np.exp(level + draw.normal(0, 0.02, size=60))) for level in levels])
        p50 = next(m for m in found.measurements if m.name == "latency_ms" and m.statistic == "p50")
        covered.append(p50.low is not None and p50.high is not None and p50.low <= 1.0 <= p50.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_one_process_has_no_interval() -> None:
    (p50,) = [m for m in summary([measured(1.0)]).measurements if m.name == "latency_ms"]
    assert (p50.low, p50.high, p50.n) == (None, None, 32)


def test_throughput_has_an_interval_over_the_processes() -> None:
    found = next(
        m for m in summary([measured(1.0), measured(1.1), measured(1.05)]).measurements if m.statistic == "mean"
    )
    logs = -np.log([1.0, 1.1, 1.05])
    low, high = 1000 * np.exp(logs.mean() + 4.3027 * logs.std(ddof=1) / 3**0.5 * np.array([-1, 1]))
    assert found.value == pytest.approx(1000 * np.exp(logs.mean()))
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-4), pytest.approx(high, rel=1e-4))
    assert found.n == 96


def test_too_few_samples_give_no_percentile() -> None:
    names = {(m.name, m.statistic) for m in summary([measured(1.0, n=5), measured(1.0, n=5)]).measurements}
    assert ("throughput", "mean") in names
    assert not {name for name in names if name[0] == "latency_ms"}


@pytest.mark.parametrize(
    ("samples", "validity", "says"),
    [
        ([measured(1.0), measured(1.05)], "valid", ""),
        ([measured(1.0), measured(1.2)], "unstable", "differ by 20%"),
        ([measured(1.0), measured(1.0, others=0.5)], "unstable", "0.5 cores busy"),
        ([measured(1.0), measured(1.0, others=1.5)], "invalid", "1.5 cores busy"),
        ([measured(1.0, steal=0.1), measured(1.0)], "unstable", "hypervisor took 10%"),
        ([measured(1.0, drift=0.3), measured(1.0)], "unstable", "halves of a process's calls differ by 30%"),
        ([*[measured(1.0)] * 4, measured(1.3)], "valid", "one of 5 processes, away from all the others, left out"),
        ([*[measured(1.0)] * 3, measured(1.3)], "unstable", "differ by 30%"),
        ([*[measured(1.0)] * 4, *[measured(1.3)] * 2], "unstable", "differ by 30%, p50 is known within 15%"),
        ([measured(1.0 + i * 0.016) for i in range(8)], "valid", ""),
        ([measured(1.0 + i * 0.03) for i in range(8)], "unstable", "differ by 21%, p50 is known within 6%"),
    ],
)
def test_a_disturbed_timing_says_so(samples: list[Sample], validity: str, says: str) -> None:
    (timing,) = summary(samples).timings
    assert timing.validity == validity
    assert says in " ".join(timing.reasons)


CHANGED = "the timing before (2026-01-02, 03:04 UTC) was another: p50 is +30%"


@pytest.mark.parametrize(
    ("before", "validity"),
    [
        ({"p50_ms": 1.04}, "valid"),
        ({"p50_ms": 0.96}, "valid"),
        ({"p50_ms": 1.06}, "unstable"),
        ({"p50_ms": 0.94}, "unstable"),
        ({"p50_ms": 0.94, "batch_sizes": (2,)}, "valid"),
        ({"p50_ms": 0.94, "reasons": ("one of 5 processes, away from all the others, left out",)}, "unstable"),
        ({"p50_ms": 0.94, "validity": "unstable", "reasons": ("the hypervisor took 9% of the time",)}, "valid"),
        ({"p50_ms": 0.94, "validity": "unstable", "reasons": ("differ by 9%", CHANGED)}, "valid"),
        ({"p50_ms": 0.94, "validity": "unstable", "reasons": (CHANGED,)}, "unstable"),
        ({"p50_ms": 1.0, "validity": "unstable", "reasons": (CHANGED,)}, "valid"),
    ],
)
def test_a_timing_that_the_one_before_contradicts_says_so(before: dict[str, Any], validity: str) -> None:
    """Unless that one was disturbed; a change is believed when it is seen for the second time."""
    (timing,) = summary([measured(1.0), measured(1.0)], timings.timed(**before)).timings
    assert timing.validity == validity
    assert [reason.startswith("the timing before (") for reason in timing.reasons] == [True] * (validity != "valid")


def test_hardware_is_the_same_twice_and_names_the_processor() -> None:
    first = hardware()
    hardware.cache_clear()
    assert hardware() == first
    assert first.cpu
    assert first.cores >= 1


def test_measuring_waits_for_training_and_trainings_share(tmp_path: Path) -> None:
    script = (
        "import fcntl, os, sys\n"
        f"file = os.open({str(machine_lock.FOLDER / machine_lock.MACHINE)!r}, os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(file, fcntl.LOCK_SH)\n"
        "print(1, flush=True)\n"
        "sys.stdin.read()\n"
    )
    machine_lock.FOLDER.mkdir(mode=0o700)
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdout.readline()
    waited: list[str] = []
    with machine_lock.hold(alone=False, waiting=lambda: waited.append("training")):
        pass

    def release() -> None:
        waited.append("measuring")
        assert other.stdin is not None
        other.stdin.close()

    with machine_lock.hold(alone=True, waiting=release):
        assert other.wait() == 0
    assert waited == ["measuring"]
