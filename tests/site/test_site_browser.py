"""The built site in a real browser: what a reader's machine loads, shows and lets them reach."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import factory
import msgspec
import pytest
import sample_suites

from bench import store
from bench.catalog import Catalog
from bench.records import Use
from bench.site import build
from bench.site.adapter import SiteReport
from bench.tasks import Home
from bench.work import exploration

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (group `tests`)")
pytestmark = pytest.mark.slow
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


EXPLORED = ("digits", "wine")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SiteReport]:
    results, output = tmp_path_factory.mktemp("results"), tmp_path_factory.mktemp("built") / "site"
    sample_suites.write_results(results)
    for dataset in EXPLORED:
        assert exploration.survey(Use(dataset), (), results, Home(output.parent / "home")) is None
    return output, build(results, output, Catalog())


@pytest.fixture(scope="module")
def address(built: tuple[Path, SiteReport]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built[0]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator["playwright.Browser"]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


def one_of_each_kind(folder: Path) -> list[str]:
    """Return the addresses of pages, one from each template."""
    found = {}
    for path in sorted(folder.rglob("index.html")):
        parts = path.relative_to(folder).parent.parts
        kind = (parts[0], len(parts)) if parts else ("home", 0)
        found.setdefault(kind, "/".join(parts) + "/" * bool(parts))
    return list(found.values())


def test_all_pages_are_written(built: tuple[Path, SiteReport]) -> None:
    output, report = built
    assert report.problems == ()
    assert len(list(output.rglob("index.html"))) == report.pages + 2  # measuring and architecture
    assert (output / "suites/digits/leaderboard.csv").read_text().count("\n") == 8


def test_titles_stay_text_in_the_frame_too(tmp_path: Path) -> None:
    hostile = "</title><script>alert('x')</script>"
    suite = msgspec.structs.replace(factory.suite_record(), title=hostile)
    store.write_suite(tmp_path / "results", suite)
    build(tmp_path / "results", tmp_path / "site", Catalog())
    for page in (tmp_path / "site").rglob("index.html"):
        assert "<script>alert" not in page.read_text(), page


@needs_browser
@pytest.mark.parametrize("size", SIZES)
def test_pages_load_nothing_foreign_and_fit(
    built: tuple[Path, SiteReport], address: str, browser: "playwright.Browser", size: str
) -> None:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    requests: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    for path in (*one_of_each_kind(built[0]), *(f"catalogue/datasets/{name}/" for name in EXPLORED)):
        page.goto(address + path, wait_until="load")
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{path} is {overflow} px wider than the {size}"
    page.close()
    assert faults == []
    assert {urlsplit(url).netloc for url in requests if not url.startswith("data:")} == {urlsplit(address).netloc}


@needs_browser
def test_every_internal_link_leads_somewhere(address: str, browser: "playwright.Browser") -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    waiting, seen = [address], {address}
    while waiting:
        here = waiting.pop()
        answer = context.request.get(here)
        assert answer.ok, f"{here}: {answer.status}"
        if "text/html" not in answer.headers["content-type"]:
            continue
        page.set_content(answer.text())
        links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
        for link in links:
            target = urljoin(here, link).partition("#")[0]
            if target.startswith(address) and target not in seen:
                seen.add(target)
                waiting.append(target)
    context.close()
    assert any(url.endswith(".csv") for url in seen)


@needs_browser
def test_leaderboard_sorts_by_a_pressed_heading(address: str, browser: "playwright.Browser") -> None:
    page = browser.new_page()
    page.goto(address + "suites/digits/")
    first = page.locator(".bench-board tbody tr:first-child th")
    assert first.inner_text() == "custom_cnn · augment"
    heading = page.locator(".bench-board th", has_text="Latency p50")
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert "quantize" in first.inner_text()
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.locator(".bench-board tbody tr:last-child th").inner_text() == "resnet20 · plain"
    page.close()


@needs_browser
def test_leaderboard_hides_what_is_beyond_a_budget(address: str, browser: "playwright.Browser") -> None:
    page = browser.new_page()
    page.goto(address + "suites/digits/")
    shown = page.locator(".bench-board").first.locator("tbody tr:visible")
    every = shown.count()
    latencies = shown.evaluate_all("rows => rows.map(row => row.cells[4].dataset.sort).filter(Boolean).map(Number)")
    limit = sorted(latencies)[len(latencies) // 2]
    form = page.locator(".bench-budget").first
    form.get_by_label("Latency at most").fill(str(limit))
    assert shown.count() == sum(value <= limit for value in latencies) < every
    assert form.locator("output").inner_text() == f"{shown.count()} of {every} rows fit"
    form.get_by_label("Accuracy at least").fill("100")
    assert shown.count() == 0
    form.get_by_label("Latency at most").fill("")
    form.get_by_label("Accuracy at least").fill("")
    assert shown.count() == every
    page.close()


@needs_browser
def test_frame_works_under_its_policy(
    address: str, built: tuple[Path, SiteReport], browser: "playwright.Browser"
) -> None:
    """Search, the palette's toggle and copying go on, and no script or style of the frame is refused."""
    cell = next(path.name for path in sorted((built[0] / "suites/digits").iterdir()) if path.is_dir())
    for path in ("", "suites/digits/", f"suites/digits/{cell}/", "404.html"):
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        refused: list[str] = []
        page.on("console", lambda message, refused=refused: refused.append(message.text))
        page.goto(address + path)
        page.locator("label[for=__palette_1]:visible").click()
        page.locator("label[for=__palette_2]:visible").click()
        assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
        page.reload()
        assert page.locator("body").get_attribute("data-md-color-scheme") == "slate"
        copy = page.locator(".md-code__button, .md-clipboard")
        if path.count("/") == 3:
            copy.first.click(force=True)
            page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('bench run digits'))")
        if path != "404.html":  # whose links begin at the host's root
            page.locator(".md-search__input").focus()
            page.keyboard.type("augment", delay=20)
            page.locator(".md-search-result__item").first.wait_for()
        context.close()
        assert refused == [], path


@needs_browser
def test_a_script_in_a_page_is_refused(address: str, browser: "playwright.Browser") -> None:
    """Were a text of a record ever written unescaped, the policy would still stop it."""
    page = browser.new_page()

    def inject(route: "playwright.Route") -> None:
        html = route.fetch().text()
        bad = "<script>window.bad = 1</script><img src=x onerror='window.bad = 1'><a id=j href='javascript:bad=1'>j</a>"
        route.fulfill(body=html.replace("<article", bad + "<article", 1), content_type="text/html")

    page.route(address, inject)
    page.goto(address)
    assert page.locator("#j").count() == 1
    page.locator("#j").click(force=True)
    page.wait_for_timeout(200)
    assert page.evaluate("window.bad") is None
    page.close()


@needs_browser
def test_charts_follow_the_dark_scheme(address: str, browser: "playwright.Browser") -> None:
    shades = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(address + "suites/digits/")
        shades.append(page.eval_on_selector(".bench-figure svg text", "text => getComputedStyle(text).fill"))
        page.close()
    assert shades[0] != shades[1]
