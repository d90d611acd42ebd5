"""Timings on pages: of the newest network, of one machine, by runtime."""

from pathlib import Path

import factory
import timings
from test_site import built

from bench.records import Measurement, Series
from bench.site import figures, model
from bench.site.charts import Lines


def test_timings_of_two_machines_are_never_mixed() -> None:
    here = [timings.timed(hardware="here", seed=seed, p50_ms=2.0) for seed in range(3)]
    there = [timings.timed(hardware="there", seed=0, p50_ms=0.5)]
    models = [factory.record(seed=seed) for seed in range(3)]
    row = model.view(factory.suite_record(), [*models, *here, *there]).boards[0].rows[0]
    assert {timing.hardware: timing.p50_ms.value for timing in row.deployments if timing.batch_size == 1} == {
        "here": 2.0,
        "there": 0.5,
    }
    assert row.fastest is not None
    assert row.fastest.hardware == "here"


def test_timings_follow_the_network_that_they_are_of() -> None:
    old, new = factory.record(), factory.record(created=factory.LATER)
    assert new.artifact is not None
    slow = timings.timed(p50_ms=9.0, created="2026-03-01T00:00:00Z")  # of the old network, though made last
    fast = timings.timed(p50_ms=1.0, parent=new.artifact.digest, created=factory.LATER)
    (row,) = model.view(factory.suite_record(), [old, new, fast, slow]).rows
    assert (row.fastest and row.fastest.p50_ms.value, row.outdated) == (1.0, 1)
    again = factory.replace(new, artifact=old.artifact)  # trained again, to the last bit the same
    (row,) = model.view(factory.suite_record(), [old, again, slow]).rows
    assert (row.fastest and row.fastest.p50_ms.value, row.outdated) == (9.0, 0)


def test_the_machine_is_that_of_the_timings_shown() -> None:
    old = [factory.record(), *(timings.timed(hardware="here", runtime=name) for name in ("litert", "keras"))]
    new = factory.record(created=factory.LATER)
    assert new.artifact is not None
    moved = timings.timed(hardware="there", parent=new.artifact.digest, created=factory.LATER)
    (row,) = model.view(factory.suite_record(), [*old, new, moved]).rows
    assert row.fastest is not None
    assert row.fastest.hardware == "there"


def test_a_page_shows_what_its_suite_asks_for_on_the_machine_where_that_was_timed(tmp_path: Path) -> None:
    own = timings.timed(hardware="ours", runtime="litert", p50_ms=2.0)
    others = [timings.timed(hardware="theirs", runtime=name, suite="other") for name in ("litert", "xla", "torch")]
    (row,) = model.view(factory.suite_record(), [factory.record(), own, *others]).rows
    assert row.fastest is not None
    assert row.fastest.hardware == "ours"
    assert {timing.runtime for timing in row.deployments} == {"litert", "xla"}, "and not torch"
    assert len(row.records) == 5, "every execution is listed"
    untimed = factory.replace(factory.suite_record(), runtimes=[])
    (row,) = model.view(untimed, [factory.record(), own, *others]).rows
    assert row.deployments == (), "a suite that times nothing shows no timings of others"
    for suite, has_latency in ((factory.suite_record(), True), (untimed, False)):
        page = built(tmp_path / str(has_latency), suite, [factory.record(), own]).pages["suites/demo/index.md"].html
        assert ("Latency p50" in page, "Latency profile" in page) == (has_latency, has_latency)


def test_timings_with_other_threads_are_listed_and_not_compared() -> None:
    own = timings.timed(p50_ms=2.0)
    assert own.measure is not None
    quick = timings.timed(p50_ms=0.5, suite="other")
    quick = factory.replace(quick, measure=factory.replace(own.measure, threads=4))
    (row,) = model.view(factory.suite_record(), [factory.record(), own, quick]).rows
    assert row.fastest is not None
    assert (row.fastest.threads, row.fastest.p50_ms.value) == (1, 2.0)
    assert {timing.threads for timing in row.deployments} == {1, 4}


def test_what_a_meter_reads_has_a_column_and_a_chart_is_of_one_machine(tmp_path: Path) -> None:
    here, there = (timings.timed(hardware=name, runtime="xla") for name in ("here", "there"))
    watts = [
        Measurement(name=name, value=0.25, unit=unit, better="lower", runtime="xla", batch_size=1)
        for name, unit in (("sun_energy_j", "J"), ("rain_j", "J"), ("rain_ms", "ms"))
    ]
    line = Series(name="latency_ms", axis="quantile", points=[0.0, 1.0], values=[1.0, 2.0], unit="ms", runtime="xla")
    more = [timings.timed(hardware="here", runtime="jax", seed=seed) for seed in (0, 1)]
    measured = factory.replace(here, measurements=(*here.measurements, *watts), series=(line,))
    elsewhere = factory.replace(there, series=(line,))
    suite = factory.suite_record()
    made = built(tmp_path, suite, [factory.record(), measured, elsewhere, *more])
    html = made.pages[f"suites/demo/{suite.cells[0].cell_id}.md"].html
    table = html[html.index("<th", html.index('id="latency"')) :]
    assert table.index(">Memory<") < table.index(">Sun energy<") < table.index(">Throughput<")
    assert ">Rain j<" in table and ">Rain ms<" in table
    assert "0.25\N{NO-BREAK SPACE}J" in table
    view = model.view(suite, [factory.record(), measured, elsewhere, *more])
    figure = figures.latencies(view.rows[0])
    assert figure is not None
    assert isinstance(figure.chart, Lines)
    assert [line.label for line in figure.chart.lines] == ["xla", "jax"], "here, and none of there"
    assert figure.caption.endswith("Test CPU (here).")


def test_three_runtimes_are_compared_and_two_are_not(tmp_path: Path) -> None:
    compared = [
        timings.timed(runtime="litert", p50_ms=2.0),
        timings.timed(runtime="xla", p50_ms=1.0, validity="unstable", reasons=("steal",)),
        timings.timed(runtime="jax", p50_ms=3.0),
    ]
    other = factory.cell(architecture="lenet5")  # timed by one runtime: there is nothing to compare
    single = [factory.record(other), timings.timed(other, runtime="litert")]
    suite = factory.suite_record([factory.suite_cell(factory.cell()), factory.suite_cell(other)])
    for count, is_shown in ((2, False), (3, True)):
        made = built(tmp_path / str(count), suite, [factory.record(), *single, *compared[:count]])
        html = made.pages["suites/demo/index.md"].html
        assert ('id="runtimes"' in html) == is_shown
    table = html[html.index('id="runtimes"') :]
    assert table.index(">litert<") < table.index(">jax<") < table.index(">xla<"), "what is unstable comes last"
    assert "(1.00\N{NO-BREAK SPACE}ms)" in table
    head = table[: table.index("</thead>")]
    assert "mlp · plain" in head and "lenet5 · plain" not in head


def test_a_failed_timing_of_the_new_network_is_named_though_the_old_was_timed() -> None:
    new = factory.record(created=factory.LATER)
    assert new.artifact is not None
    of_new = {"measure": timings.timed().measure, "parents": (new.artifact.digest,), "created": factory.LATER}
    failed = factory.replace(factory.unfinished(node="measure"), **of_new)
    of_old = factory.replace(failed, parents=timings.timed().parents, created=factory.CREATED)
    (row,) = model.view(factory.suite_record(), [factory.record(), of_old, timings.timed(), new, failed]).rows
    assert row.faults == (failed,)
