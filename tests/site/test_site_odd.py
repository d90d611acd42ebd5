"""Records that no harness would write and that are valid nonetheless: every page is still drawn."""

from pathlib import Path
from typing import Any

import factory
import hostile
import msgspec
import pytest
import timings
from test_site import built

from bench.catalog import Catalog
from bench.limits import COUNTS, PROPORTIONS
from bench.records import Data, Diagnosis, Measurement, Record, Series, Table
from bench.site import words
from bench.site.contents import Site, gather
from bench.stats import Interval

HUGE = 1e100
"""The largest figure that a record may hold."""


def site_of(folder: Path, *records: Record) -> Site:
    """Return the site of one cell with three seeds, the first ones' records replaced."""
    made = [*records, *(factory.record(seed=seed) for seed in range(len(records), 3))]
    return built(folder, factory.suite_record(), made)


def series(points: list[float], values: list[float | None], **fields: str) -> tuple[Series, ...]:
    return (Series(**{"name": "loss", "axis": "epoch", "points": points, "values": values, **fields}),)


@pytest.mark.parametrize(
    ("points", "values"),
    [
        ([], []),
        ([1.0], [0.5]),
        ([1.0], [None]),
        ([1.0, 2.0], [HUGE, -HUGE]),
        ([HUGE, -HUGE], [0.0, 1.0]),
        ([1.0, 1.0], [5e-324, 0.0]),
        ([-1.0, 0.0], [-1.0, 0.0]),
        ([float(index) for index in range(20_000)], [0.5] * 20_000),
    ],
)
def test_odd_curves(tmp_path: Path, points: list[float], values: list[float | None]) -> None:
    curves = series(points, values)
    diagnosis = Diagnosis("Odd", series(points, values, axis="x"))
    odd = factory.replace(factory.record(), series=curves, diagnostics={"odd": diagnosis})
    slow = timings.timed()
    quantiles = series(points, values, name="latency_ms", axis="quantile")
    made = site_of(
        tmp_path, odd, factory.record(seed=1), factory.record(seed=2), factory.replace(slow, series=quantiles)
    )
    page = next(page for path, page in made.pages.items() if path.startswith("suites/demo/digits"))
    assert "epoch-loss-title" in page.html
    assert made.problems == ()


@pytest.mark.parametrize("value", [HUGE, -HUGE, 1e15, -1.0, 0.0, 5e-324])
def test_odd_measurements(tmp_path: Path, value: float) -> None:
    def odd(record: Record) -> Record:
        changed = tuple(
            factory.replace(m, value=value, low=m.low and value, high=m.high and value)
            if m.name not in PROPORTIONS and (value >= 0 or m.name not in COUNTS)  # which no record can have
            else m
            for m in record.measurements
        )
        return factory.replace(record, measurements=changed)

    cells = [factory.cell(techniques=techniques) for techniques in ((), ("augment",))]
    records = [make(cell, seed=seed) for cell in cells for seed in range(3) for make in (factory.record, timings.timed)]
    rows = [factory.suite_cell(cell, name) for cell, name in zip(cells, ("plain", "augment"), strict=True)]
    made = built(tmp_path, factory.suite_record(rows), [odd(record) for record in records])
    assert made.problems == ()
    assert "leaderboard.csv" in made.pages["suites/demo/index.md"].html


@pytest.mark.parametrize("size", [0, 1, 2000])
def test_odd_numbers_of_classes(tmp_path: Path, size: int) -> None:
    names = tuple(f"class {index}" for index in range(size))
    table = [[int(true == guess) for guess in range(size)] for true in range(size)]
    record = factory.record()
    data = record.data
    assert isinstance(data, Data)
    share = {"unit": "1", "better": "higher"}
    per_class = tuple(Measurement(name="f1", value=0.5, class_name=name, **share) for name in names)
    odd = factory.replace(
        record,
        data=msgspec.structs.replace(data, classes=names, class_counts={}),
        confusion=table,
        measurements=(*record.measurements, *per_class),
    )
    assert site_of(tmp_path, odd).problems == ()


def test_nothing_but_the_fields_that_must_be(tmp_path: Path) -> None:
    bare = factory.replace(
        factory.record(fold=4, seed=2**32 - 1),
        **dict.fromkeys(("measurements", "series", "layers", "parents"), ()),
        **dict.fromkeys(("data", "artifact", "confusion", "correct")),
        phases_s={"": 1e10},
        diagnostics={"": Diagnosis("")},
        tables={"": Table("", (), ())},
    )
    assert site_of(tmp_path, bare, factory.replace(bare, node="diagnose"), factory.replace(bare, node="measure"))


@pytest.mark.parametrize(
    ("sample", "fields"),
    [
        (0, {"parts": []}),
        (0, {"parts": [{"name": "train", "n": 0, "class_counts": [0, 0], "fingerprint": "a"}] * 2}),
        (0, {"classes": ["one of more"]}),
        (0, {"images": {"shape": [], "channel_means": [], "channel_deviations": [], "samples": {}, "tiles": 0}}),
        (1, {"columns": [{"name": "age", "missing": 0, "mean": 1.0}]}),
        (1, {"target": {"name": "age", "missing": 0, "categories": ["red"]}}),
        (1, {"correlated": []}),
        (1, {"correlations": [[HUGE], [HUGE, HUGE]]}),
    ],
)
def test_a_dataset_that_does_not_fit_itself_is_named_and_left_out(
    tmp_path: Path, sample: int, fields: dict[str, Any]
) -> None:
    files = {path: hostile.data(record) for path, record in hostile.samples().items()}
    files[f"datasets/digits-{sample}.json"] |= fields
    hostile.write(tmp_path, files)
    site = gather(tmp_path, Catalog())
    (problem,) = site.problems
    assert problem.startswith(f"{tmp_path}/datasets/digits-{sample}.json: not a record: ")
    assert site.pages["catalogue/datasets/digits.md"].html.count("Test examples also in training") == 1


@pytest.mark.parametrize("value", [HUGE, -HUGE, 5e-324, 0.0, 1e15, 1e16])
def test_odd_numbers_stay_short(value: float) -> None:
    interval = Interval(value=value, low=-HUGE, high=HUGE, n=3)
    written = [
        *(write(value) for write in (words.number, words.milliseconds, words.seconds, words.size, words.rate)),
        *(words.count(value), words.percent(value), words.percent(value, 1), words.compact(value), words.signed(value)),
        *(words.measured("x", unit, value) for unit in ("ms", "s", "B", "FLOP", "1", "nat")),
        *(write(interval, share) for write in (words.spread, words.ends, words.difference) for share in (True, False)),
        *(words.gap(value, share) for share in (True, False)),
    ]
    assert [text for text in written if len(text) > 60] == []
