"""The site's pages, from records made by hand; nothing here needs MkDocs or a browser."""

import posixpath
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import factory
import msgspec
import numpy as np
import pytest
import sample_suites
import timings
from scipy import stats as scipy_stats

from bench import stats, store
from bench.catalog import Catalog
from bench.query import Query, fields_of
from bench.records import Diagnosis, Record, Use
from bench.site import charts, drawing, figures, model
from bench.site.contents import Site, gather
from bench.site.pages import again, only
from bench.site.rendering import destination
from bench.suite_record import Claim, Exclusion, SuiteRecord

HOSTILE = "</title><script>alert('x')</script><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Collects the tags of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        """Return an attribute's values, in the order of the page."""
        return [value for _, attributes in self.found if (value := attributes.get(attribute))]


def text(html: str) -> str:
    """Return what a reader sees, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def built(folder: Path, suite: SuiteRecord, records: list[Record]) -> Site:
    """Return the site of one suite."""
    store.write_suite(folder, suite)
    for record in records:
        store.write(folder, record)
    return gather(folder, Catalog())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    results = tmp_path_factory.mktemp("results")
    sample_suites.write_results(results)
    return gather(results, Catalog())


def test_home_answers_in_numbers(site: Site) -> None:
    shown = text(site.pages["index.md"].html)
    assert "custom_cnn · augment 97.0 % (95.2 to 98.2) accuracy 3" in shown
    assert "Of 3 statements put to the test, 1 is supported, 0 refuted and 2 undecided." in shown
    assert "✓ supported Augmentation helps the custom CNN" in shown


def test_suite_ranks_with_ties_and_names_what_failed(site: Site) -> None:
    shown = text(site.pages["suites/digits/index.md"].html)
    assert "1 custom_cnn · augment 97.0 % 95.2 to 98.2 %" in shown
    assert "To be surely worse than the best, a row must lie about 5 points behind it." in shown
    assert shown.index("2= custom_cnn · plain") < shown.index("2= custom_cnn · quantize")
    assert "resnet20 · plain train failed 0, 1 shapes (8, 4) and (8, 3)" in shown
    assert "resnet20 · plain train timeout 2 stopped after 60 s" in shown
    assert "resnet20 · quantize: quantize takes no network of this size" in shown


def test_regression_suite_is_ranked_by_r2(site: Site) -> None:
    shown = text(site.pages["suites/housing/index.md"].html)
    assert shown.index("1 mlp · plain · epochs=30 0.756") < shown.index("2 mlp · plain · epochs=10 0.686")


def test_cell_of_a_derived_network_names_its_parent(site: Site) -> None:
    page = next(page for page in site.pages.values() if page.title == "custom_cnn · quantize")
    assert "Derived from custom_cnn · plain : accuracy −1.7 ± 4.7 points against it (n = 3 pairs)" in text(page.html)
    assert "both give the same answer on 98.0 % of the test set" in text(page.html)


def test_cell_that_never_finished_still_has_a_page(site: Site) -> None:
    page = next(page for page in site.pages.values() if page.title == "resnet20 · plain")
    assert "ValueError: shapes (8, 4) and (8, 3)" in text(page.html)
    assert page.html.count("Traceback of train") == 2  # two seeds share theirs


def test_command_picks_exactly_its_cell() -> None:
    for suite, _ in (sample_suites.digits_suite(), sample_suites.housing_suite()):
        axes = {"epochs": ["10", "30"]} if suite.name == "housing" else {}
        suite = msgspec.structs.replace(suite, axes={**suite.axes, **axes})
        for cell in suite.cells:
            query = Query(only(suite, cell))
            assert [row for row in suite.cells if query.matches(fields_of(row, 0, 0))] == [cell]


def test_command_names_a_plugin_among_the_settings_by_its_call() -> None:
    cell = factory.cell(optimizer=Use("sgd", {"momentum": 0.9}))
    suite = factory.suite_record([factory.suite_cell(cell)])
    suite = msgspec.structs.replace(suite, axes={**suite.axes, "optimizer": ["adam", "sgd(momentum=0.9)"]})
    assert only(suite, suite.cells[0]) == "optimizer='sgd(momentum=0.9)'"


def test_every_link_leads_somewhere(site: Site) -> None:
    folders = {destination(path) for path in site.pages} | {"measuring", "architecture"}
    files = {name for page in site.pages.values() for name in page.files}
    for path, page in site.pages.items():
        tags = Tags(page.html)
        assert not [source for source in tags.values("src") if "//" in source], f"{path} loads from another host"
        for link in tags.values("href") + tags.values("src"):
            if link.startswith("#"):
                assert link[1:] in tags.values("id"), (path, link)
            elif not link.startswith("https://"):
                target = posixpath.normpath(posixpath.join(destination(path), unquote(link).partition("#")[0]))
                assert target in folders | files | {"."}, (path, link)


def test_ids_are_unique_on_a_page(site: Site) -> None:
    for path, page in site.pages.items():
        ids = Tags(page.html).values("id")
        assert len(ids) == len(set(ids)), path


def test_every_chart_has_words_and_data(site: Site) -> None:
    page = site.pages["suites/digits/index.md"]
    pictures = [attributes for tag, attributes in Tags(page.html).found if tag == "svg"]
    assert len(pictures) == 2
    assert all(picture["role"] == "img" and picture["aria-labelledby"] for picture in pictures)
    assert "custom_cnn · augment" in page.files["suites/digits/trade-off-1.csv"]
    assert page.files["suites/digits/effects-1.csv"].startswith("group,label,")


def test_names_from_files_are_escaped(tmp_path: Path) -> None:
    cell = factory.suite_cell(factory.cell(), HOSTILE, label=HOSTILE)
    record = factory.record(suite="demo")
    assert record.data is not None
    record = factory.replace(
        record,
        data=msgspec.structs.replace(record.data, classes=(HOSTILE, "b", "c", "d")),
        diagnostics={"x": Diagnosis(title=HOSTILE, picture_svg="<svg/>")},
    )
    claim = Claim(statement=HOSTILE, compare="seed=0", against="seed=1")
    suite = factory.suite_record([cell], findings=[claim], exclusions=[Exclusion(label=HOSTILE, reason=HOSTILE)])
    suite = msgspec.structs.replace(suite, title=HOSTILE, about=HOSTILE)
    failed = factory.unfinished(suite="demo", seed=1, message=HOSTILE)
    made = built(tmp_path, suite, [record, failed])
    for path, page in made.pages.items():
        tags = Tags(page.html)
        assert not {"script", "title"} & {tag for tag, _ in tags.found if tag != "title" or "<svg" not in page.html}, (
            path
        )
        assert not tags.values("onerror"), path
    assert "<" not in str(made.navigation)


def test_empty_results_say_how_to_begin(tmp_path: Path) -> None:
    made = gather(tmp_path / "absent", Catalog())
    assert made.problems == ()
    assert "bench run" in made.pages["index.md"].html


def test_broken_record_is_named_and_skipped(tmp_path: Path) -> None:
    sample_suites.write_results(tmp_path)
    broken = next((tmp_path / "digits").glob("*/train-*.json"))
    broken.write_text("{")
    made = gather(tmp_path, Catalog())
    assert [broken.name in problem for problem in made.problems] == [True]
    for path in ("index.md", "suites/digits/index.md"):
        assert broken.name in made.pages[path].html
    assert broken.name not in made.pages["suites/housing/index.md"].html


def test_records_without_their_suite_are_named(tmp_path: Path) -> None:
    store.write(tmp_path, factory.record(suite="lost"))
    assert "lost" in gather(tmp_path, Catalog()).problems[0]


def test_plugin_that_is_gone_still_renders(tmp_path: Path) -> None:
    cell = factory.cell(architecture="long_gone", techniques=("forgotten",))
    made = built(tmp_path, factory.suite_record([factory.suite_cell(cell)]), [factory.record(cell)])
    page = next(page for path, page in made.pages.items() if "long" in path)
    assert "long_gone" in page.html
    assert "catalogue/architectures/long_gone" not in page.html


def test_equal_figures_give_equal_pictures() -> None:
    suite, records = sample_suites.digits_suite()
    figure = figures.trade_off(model.view(suite, records).boards[0], 1)
    assert figure is not None
    assert drawing.draw(figure) == drawing.draw(figure)


def test_chart_takes_its_colours_from_the_page() -> None:
    suite, records = sample_suites.digits_suite()
    row = model.view(suite, records).boards[0].rows[0]
    picture = drawing.draw(figures.learning_curves(row)[0]).body
    assert "currentColor" in picture
    assert "var(--bench-0" in picture
    assert "#010203" not in picture
    assert "font-family" not in picture


def test_data_of_a_chart_are_those_of_the_records() -> None:
    suite, records = sample_suites.digits_suite()
    row = model.view(suite, records).boards[0].rows[0]
    figure = next(figure for figure in figures.learning_curves(row) if figure.name == "epoch-loss")
    lines = charts.table(figure.chart).splitlines()
    assert lines[0] == "curve,seed,epoch,loss (nat),low,high"
    assert len(lines) == 1 + 2 * (1 + 3) * 10, "mean and three runs, of training and validation"
    (mean,) = [line.split(",") for line in lines if line.startswith("train,,10.0,")]
    runs = [float(line.split(",")[3]) for line in lines if re.match(r"train,\d,10\.0,", line)]
    assert float(mean[3]) == pytest.approx(sum(runs) / 3)
    half = scipy_stats.t.ppf(0.975, 2) * np.std(runs, ddof=1) / 3**0.5
    assert float(mean[5]) - float(mean[3]) == pytest.approx(half)


def test_runs_of_seeds_that_another_suite_asked_for_are_not_counted_as_this_ones() -> None:
    view = model.view(factory.suite_record(seeds=(0, 1)), [factory.record(seed=seed) for seed in range(3)])
    assert (view.runs, len(view.rows[0].models)) == (2, 3)


@pytest.mark.parametrize("published", [True, False])
def test_folds_widen_an_interval_only_where_they_have_test_sets_of_their_own(published: bool) -> None:
    fingerprint = "published" if published else None
    runs = [
        factory.record(seed=seed, fold=fold, test_fingerprint=fingerprint) for seed in range(3) for fold in range(3)
    ]
    (row,) = model.view(factory.suite_record(folds=(0, 1, 2)), runs).rows
    scores = [score for run in runs if (score := stats.score(run, "accuracy"))]
    alone = stats.interval(stats.Runs([msgspec.structs.replace(score, test="one") for score in scores]))
    assert row.score is not None
    assert row.score.value == pytest.approx(alone.value)
    assert (row.score == alone) is published


def page_of(site: Site, title: str) -> str:
    return text(next(page for page in site.pages.values() if page.title == title).html)


def test_a_network_trained_anew_is_not_shown_with_the_latency_of_the_old(tmp_path: Path) -> None:
    old, new = factory.record(accuracy=0.8), factory.record(accuracy=0.95, created=factory.LATER)
    made = built(tmp_path, factory.suite_record(), [old, timings.timed(batch_sizes=(1,)), new])
    assert f"{100 * (new.value('accuracy') or 0):.1f} %" in page_of(made, "mlp · plain")
    assert "1 timing of earlier networks of this row is left out; the newest has not" in page_of(made, "mlp · plain")
    assert "– not timed since made anew" in text(made.pages["suites/demo/index.md"].html)


def test_a_derived_network_says_that_its_parent_was_made_anew_since(tmp_path: Path) -> None:
    suite, records = sample_suites.digits_suite()
    plain = next(row.cell for row in suite.cells if row.label == "custom_cnn · plain")
    since = [factory.record(plain, suite="digits", seed=seed, created=factory.LATER) for seed in range(3)]
    made = built(tmp_path, suite, [*records, *since])
    assert "Derived from an earlier network of custom_cnn · plain : accuracy" in page_of(made, "custom_cnn · quantize")


def test_rows_that_a_suite_no_longer_asks_for_are_listed(tmp_path: Path) -> None:
    now = factory.cell(epochs=30)
    gone = [
        factory.record(factory.cell(epochs=10, techniques=techniques), seed=seed, created=factory.LATER)
        for techniques in ([], ["augment"])
        for seed in range(3)
    ]
    failed = factory.unfinished(factory.cell(architecture="cnn", epochs=30))
    elsewhere = factory.record(factory.cell(architecture="vit"), suite="other")
    made = built(
        tmp_path, factory.suite_record([factory.suite_cell(now)]), [factory.record(now), *gone, failed, elsewhere]
    )
    page = made.pages["suites/demo/index.md"]
    shown = text(page.html.partition('id="earlier"')[2])
    assert re.search(r"mlp · epochs=10 \d\d\.\d % \(\d\d\.\d to \d\d\.\d\) Accuracy 3 2026-02-02", shown)
    assert re.search(r"mlp · augment · epochs=10 \d\d\.\d % \(\d\d\.\d to \d\d\.\d\) Accuracy 3 2026-02-02", shown)
    assert "cnn · epochs=30 failed 0 2026-01-02" in shown
    assert "vit" not in shown
    assert "Earlier rows" in [name for _, name in page.headings]
    assert "epochs=10" not in text(page.html.partition('id="earlier"')[0])


def test_steps_of_present_rows_are_no_earlier_rows() -> None:
    start, middle, end = (factory.cell(techniques=techniques) for techniques in ([], ["prune"], ["prune", "quantize"]))
    first = factory.record(start)
    assert first.artifact is not None
    second = factory.record(middle, node="derive", parents=(first.artifact.digest,))
    assert second.artifact is not None
    last = factory.record(end, node="derive", parents=("teacher's", second.artifact.digest))
    suite = factory.suite_record([factory.suite_cell(end)])
    assert model.view(suite, [first, second, last]).earlier == ()
    timed = [first, second, timings.timed(middle), last]  # only rows are timed, so that was one
    assert [row.cell.label for row in model.view(suite, timed).earlier] == ["mlp · prune"]


def test_many_classes_show_their_confusions_alone(tmp_path: Path) -> None:
    size = 30
    table = [[5 if true == guess else 0 for guess in range(size)] for true in range(size)]
    table[3][7] = 4
    record = factory.record()
    assert record.data is not None
    names = tuple(f"kind {index}" for index in range(size))
    record = factory.replace(
        record, confusion=table, data=msgspec.structs.replace(record.data, classes=names, class_counts={})
    )
    made = built(tmp_path, factory.suite_record(), [record])
    page = next(page for page in made.pages.values() if page.title == "mlp · plain")
    assert "bench-matrix" not in page.html
    assert "kind 3 kind 7 4 44.4 %" in text(page.html)


def test_importing_the_site_is_light() -> None:
    heavy = "matplotlib mkdocs scipy pandas tensorflow keras"
    code = f"import sys, bench.site; print([name for name in '{heavy}'.split() if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_is_quoted_for_a_shell(tmp_path: Path) -> None:
    suite, _ = sample_suites.digits_suite()
    call = "csv(path='mine.csv', target='price $')"
    row = msgspec.structs.replace(suite.cells[0], dataset=call)
    suite = msgspec.structs.replace(suite, axes=suite.axes | {"datasets": [call, "digits"]})
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {again(suite, row)}"], capture_output=True, check=True)
    words = printed.stdout.decode().splitlines()
    assert words[:5] == ["bench", "run", "digits", "--fresh", "--only"]
    fields = fields_of(row, 0, 0)
    assert Query(words[5]).matches(fields)
    assert not Query(words[5]).matches(fields | {"dataset": "digits"})
