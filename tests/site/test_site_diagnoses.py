"""What diagnostics found, on the page of a cell."""

import json
from pathlib import Path
from typing import Any

import factory
import hostile
import numpy as np
from test_site import built

from bench.records import Diagnosis, Measurement, Picture, Record, Series, Table, Use
from bench.site import charts, diagnoses
from bench.site.contents import Site
from bench.site.rendering import Rendered
from bench.site.rows import Row, row_of

SEEDS = (0, 1, 2)


def diagnosed(
    network: Record, found: Diagnosis, name: str = "own", value: float | None = None, **parameters: Any
) -> Record:
    """Return the record of a diagnostic that looked at a network."""
    assert network.artifact is not None
    figures = () if value is None else (Measurement("dead_units", value, "1", "lower"),)
    return factory.replace(
        network,
        node="diagnose",
        diagnostic=Use(name, parameters),
        parents=(network.artifact.digest,),
        artifact=None,
        measurements=figures,
        diagnostics={name: found},
        created=factory.LATER,
    )


def networks() -> list[Record]:
    return [factory.replace(factory.record(seed=seed), diagnostics={}) for seed in SEEDS]


def row(records: list[Record]) -> Row:
    from bench.site.rows import METRICS

    return row_of(factory.suite_record().cells[0], METRICS[0], records)


def page(site: Site) -> Rendered:
    return next(page for path, page in site.pages.items() if path.startswith("suites/demo/digits"))


def test_figures_are_means_over_seeds() -> None:
    made = networks()
    looks = [diagnosed(one, Diagnosis("Own"), value=share) for one, share in zip(made, (0.1, 0.2, 0.3), strict=True)]
    (shown,) = diagnoses.exhibits(row([*made, *looks]), {})
    ((name, value),) = shown.figures
    assert name == "Dead units"
    assert value.startswith("20") and value.endswith("n = 3")


def test_the_page_shows_all_that_was_found(tmp_path: Path) -> None:
    found = Diagnosis(
        "Own look",
        (
            Series("a", "epoch", [1.0, 2.0], [0.5, 0.25], chart="first"),
            Series("b", "epoch", [1.0, 2.0], [5.0, 0.5], chart="second"),
            Series("c", "epoch", [1.0, 2.0], [4.0, 0.4], chart="second"),
        ),
        note="What it is about.",
        pictures=(Picture(hostile.RASTER, "one"), Picture(hostile.RASTER, "two")),
        columns=("left", "right"),
        tables=(Table("Steps", ("what", "value"), (("begin", 1.5),)),),
        logarithmic=True,
    )
    made = networks()
    site = built(tmp_path, factory.suite_record(), [*made, diagnosed(made[0], found, value=0.5)])
    assert site.problems == ()
    html = page(site).html
    for text in (
        "Own look",
        "What it is about.",
        "left",
        "right",
        "one",
        "two",
        "Steps",
        "begin",
        "Dead units",
        "50.0",
    ):
        assert text in html
    assert html.count('src="data:image/png;base64,') == 2
    files = {name.rpartition("/")[2]: text for name, text in page(site).files.items()}
    assert files["diagnostic-own.csv"].splitlines() == ["curve,seed,epoch,first", "a,,1.0,0.5", "a,,2.0,0.25"]
    assert len(files["diagnostic-own-1.csv"].splitlines()) == 5
    assert json.loads(files["diagnostic-own.json"])["title"] == "Own look"


def test_a_mistake_that_seeds_share_is_told() -> None:
    made = networks()
    n = made[0].data.n_test if made[0].data else 0
    right = [np.ones(n, bool) for _ in SEEDS]
    right[0][5] = right[2][5] = False
    made = [
        factory.replace(one, correct=np.packbits(bits).tobytes(), measurements=(), confusion=None)
        for one, bits in zip(made, right, strict=True)
    ]
    pictures = (
        Picture(hostile.RASTER, "a cat", 5),
        Picture(hostile.RASTER, "a dog", 6),
        Picture(hostile.RASTER, "a map"),
    )
    (shown,) = diagnoses.exhibits(row([*made, diagnosed(made[0], Diagnosis("Own", pictures=pictures))]), {})
    assert [one.caption for one in shown.pictures] == ["a cat; wrong with 2 of 3\u00a0seeds", "a dog", "a map"]


def test_points_are_drawn_as_points(tmp_path: Path) -> None:
    series = tuple(Series(name, "first direction", [0.0, 1.0], [1.0, 0.5], chart="PCA") for name in ("cat", "dog"))
    made = networks()
    (shown,) = diagnoses.exhibits(row([*made, diagnosed(made[0], Diagnosis("Own", series, marks="points"))]), {})
    (chart,) = shown.charts
    assert isinstance(chart.chart, charts.Lines)
    assert chart.chart.points
    assert "4\u00a0points of 2 kinds" in chart.finding
    html = page(
        built(tmp_path, factory.suite_record(), [*made, diagnosed(made[0], Diagnosis("Own", series, marks="points"))])
    ).html
    assert "● cat" in html and "● dog" in html


def test_one_diagnostic_of_two_settings_is_shown_twice() -> None:
    made = networks()
    looks = [diagnosed(made[0], Diagnosis(str(bins)), bins=bins) for bins in (5, 10)]
    shown = diagnoses.exhibits(row([*made, *looks]), {})
    assert [one.title for one in shown] == ["5", "10"]
    assert len({one.name for one in shown}) == 2


def test_what_others_saw_is_no_learning_curve() -> None:
    from bench.site import figures

    seen = Series("hidden", "epoch", [1.0, 2.0], [1.0, 2.0], chart="gradient norm", watcher="gradients")
    made = [factory.replace(one, series=(*one.series, seen)) for one in networks()]
    assert "hidden" not in {figure.title for figure in figures.learning_curves(row(made))}
    assert all("Hidden" not in figure.title for figure in figures.learning_curves(row(made)))
