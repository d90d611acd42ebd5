"""Meters: what they read, what they doubt, and what a machine that does not tell leaves out."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.catalog import Catalog
from bench.errors import PluginError
from bench.measure.meters import Block, Meters, Reading

CATALOG = Catalog()
BLOCK = Block(2, [1.0] * 50, 0.05)
condition, energy, memory = (CATALOG.load("meters", name) for name in ("condition", "energy", "memory"))


def test_all_meters_read_this_machine() -> None:
    meters = Meters(CATALOG)
    meters.begin()
    found = meters.end(BLOCK)
    assert {"memory_bytes", "machine_work_ms"} <= found.keys()
    assert all(np.isfinite(reading.value) and reading.value >= 0 for reading in found.values())


def test_no_meter_counts_the_work_of_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for module in (condition, energy, memory):
        read, name = module.read, module.__name__.rpartition(".")[2]
        monkeypatch.setattr(module, "read", lambda read=read, name=name: order.append(name) or read())
    meters = Meters(CATALOG)
    meters.begin()
    meters.end(BLOCK)
    assert order == ["condition", "energy", "memory", "memory", "energy", "condition"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return {'watts': 3.0}", r"'watts' must be a Reading\(value, unit\), its value finite; got 3.0"),
        ("return {'watts': Reading(float('nan'), 'W')}", "'watts' must be a Reading"),
        ("return 3.0", "its 'figures' must return a dict of Readings; got float"),
        ("return {'latency_ms': Reading(1.0, 'ms')}", "'latency_ms' is what every timing records itself"),
        ("return {'memory_bytes': Reading(1.0, 'B')}", "its figure 'memory_bytes' is another meter's, too"),
        ("raise OSError('no such sensor')", "its 'figures' raises OSError: no such sensor; mend it"),
    ],
)
def test_a_meter_that_breaks_the_contract_is_named(tmp_path: Path, body: str, says: str) -> None:
    (tmp_path / "meters").mkdir()
    name = tmp_path.name  # as an imported module is kept by its name
    (tmp_path / "meters" / f"{name}.py").write_text(
        '"""Own."""\nfrom bench.measure.meters import Block, Reading\n\n\ndef read(): ...\n\n\n'
        f"def figures(before, after, block):\n    {body}\n"
    )
    meters = Meters(Catalog([tmp_path]))
    meters.begin()
    with pytest.raises(PluginError, match=f"^meters/{name}: {says}"):
        meters.end(BLOCK)


def test_memory_is_that_of_the_process() -> None:
    before = memory.figures(memory.read(), memory.read(), BLOCK)["memory_bytes"].value
    more = np.ones(50_000_000, np.uint8)
    after = memory.figures(memory.read(), memory.read(), BLOCK)["memory_bytes"].value
    assert 40e6 < after - before < 90e6
    assert more.size


def test_memory_on_boards_is_that_of_the_process_and_absent_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*held: tuple[int, int | None]) -> dict[str, object]:
        processes = [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in held]
        library = SimpleNamespace(nvmlDeviceGetComputeRunningProcesses=lambda board: processes)
        monkeypatch.setattr(memory.nvml, "boards", lambda: [(library, 0), (library, 1), (None, 2)])
        return memory.figures(memory.read(), memory.read(), BLOCK)

    mine, other = os.getpid(), os.getpid() + 1
    found = listed((mine, 5_000_000), (other, 7))["accelerator_memory_bytes"]
    assert found == Reading(10_000_000, "B", "lower"), "of two boards, and the third does not tell"
    for held in ([(other, 7)], [(mine, None)], []):
        assert "accelerator_memory_bytes" not in listed(*held), "absent, never zero"


def test_energy_is_a_share_for_each_example_and_counters_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    monkeypatch.setattr(energy.nvml, "boards", list)
    assert energy.figures(energy.read(), energy.read(), BLOCK) == {}, "absent, never zero"
    for name, at in (("intel-rapl:0", 900_000), ("intel-rapl:1", 100_000), ("intel-rapl:0:0", 5), ("intel-rapl:2", 7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text("psys" if at == 7 else "package-0")
        (tmp_path / name / "energy_uj").write_text(f"{at}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000000\n")
    before = energy.read()
    assert len(before) == 2, "packages; their parts, and the whole board, count once"
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("400000\n")
    found = energy.figures(before, energy.read(), BLOCK)
    assert found["cpu_energy_j"].value == pytest.approx((0.2 + 0.3) / 100)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert energy.figures(before, energy.read(), BLOCK)["cpu_energy_j"].value == pytest.approx(0.3 / 100)


def test_a_machine_that_has_changed_is_doubted() -> None:
    calm, slow = condition.State(1.0, 3.0, 0), condition.State(1.3, 2.0, 2)
    assert not any(one.doubt for one in condition.figures(calm, calm, BLOCK).values())
    found = condition.figures(calm, slow, BLOCK)
    assert found["machine_work_ms"].doubt == "a fixed piece of work took 30% longer after"
    assert found["throttled"].doubt == "throttled for heat 2 times"
    assert found["clock_ghz"].value == 2.5
    assert condition.figures(slow, calm, BLOCK)["machine_work_ms"].doubt.endswith("longer before")
    silent = condition.State(1.0, None, None)
    assert condition.figures(silent, silent, BLOCK).keys() == {"machine_work_ms"}
