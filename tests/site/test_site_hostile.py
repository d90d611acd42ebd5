"""Records of strangers: no text in them becomes a script, an address, a path or a fault."""

import io
import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import hostile
import html5lib
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench.catalog import Catalog
from bench.site import build, safe
from bench.site.contents import Site, gather
from bench.site.safe import slug

FOREIGN = {"iframe", "object", "embed", "base", "frame", "foreignObject", "animate", "set"}
ADDRESSES = {"href", "src", "action", "formaction", "{http://www.w3.org/1999/xlink}href", "srcset", "data", "poster"}
GOOD_ADDRESS = re.compile(r"(https?://|data:image/(webp|png);base64,|[\w./~#-]*$)")
GOOD_ID = re.compile(r"[A-Za-z_][\w.:-]*")


def faults(html: str) -> Iterator[str]:
    """Yield what a browser would make of a page that it must not."""
    ids: Counter[str] = Counter()
    for element in html5lib.parse(html, namespaceHTMLElements=False).iter():
        if not isinstance(element.tag, str):
            continue
        if element.tag.rpartition("}")[2] in FOREIGN:
            yield f"<{element.tag}>"
        for name, value in element.attrib.items():
            if name.lower().startswith("on"):
                yield f"{name}={value[:80]!r}"
            if name in ADDRESSES and not GOOD_ADDRESS.match(value):
                yield f"{name}={value[:80]!r}"
            if name == "id":
                ids[value] += 1
                if not GOOD_ID.fullmatch(value):
                    yield f"id={value[:80]!r}"
            if name in {"aria-labelledby", "for"} and not all(GOOD_ID.fullmatch(one) for one in value.split()):
                yield f"{name}={value[:80]!r}"
    yield from (f"id={name!r} {n} times" for name, n in ids.items() if n > 1)


def scripts(html: str) -> list[Any]:
    return list(html5lib.parse(html, namespaceHTMLElements=False).iter("script"))


def check(site: Site) -> None:
    for path, page in site.pages.items():
        assert ".." not in path and "\0" not in path and len(path) < 255, path
        assert all(".." not in name and "\0" not in name for name in page.files), path
        if hostile.MARK in page.html or hostile.MARK in page.title:
            assert list(faults(page.html)) == [], path
            assert scripts(page.html) == [], path
            assert not safe.UNSEEN.search(page.html), path
            assert "49" not in re.findall(rf"{hostile.MARK}[^<]*?(49)", page.html), path
        for name, text in page.files.items():
            assert not name.endswith(".svg") or not re.search("script|onload", text), (path, name)
    assert all(problem.isprintable() for problem in site.problems)


def free(content: Any) -> frozenset[hostile.Place]:
    return frozenset(place for place in hostile.text_places(content) if not set(place) & hostile.JOINED)


def alone(content: Any) -> list[hostile.Place]:
    return sorted({place for place in hostile.text_places(content) if set(place) & hostile.JOINED})


def files() -> dict[str, Any]:
    return {path: hostile.data(record) for path, record in hostile.samples().items()}


def test_the_samples_fill_every_field_that_takes_a_text() -> None:
    present = {field for record in hostile.samples().values() for field in hostile.filled(record)}
    wanted = set().union(*(hostile.text_fields(kind) for kind in hostile.KINDS))
    assert wanted - present == {("ImageSummary", "samples")} - present


def test_the_samples_are_shown_whole(tmp_path: Path) -> None:
    hostile.write(tmp_path, files())
    site = gather(tmp_path, Catalog())
    assert site.problems == ()
    cell = next(page for path, page in site.pages.items() if path.startswith("suites/demo/digits"))
    for shown in ("Calibration", "Trials", "Confusion", "litert(fast)", "diagnostic-calibration.svg", "Traceback of"):
        assert shown in cell.html
    suite = site.pages["suites/demo/index.md"].html
    assert "trade-off-1-title" in suite and "effects-1-title" in suite
    assert "Correlations" in site.pages["catalogue/datasets/digits.md"].html


@pytest.mark.parametrize("kind", hostile.TEXTS)
def test_hostile_texts_are_shown_as_texts(tmp_path: Path, kind: str) -> None:
    text = hostile.TEXTS[kind]
    hostile.write(tmp_path, {path: hostile.poisoned(one, text, free(one)) for path, one in files().items()})
    site = gather(tmp_path, Catalog())
    check(site)
    assert site.problems == ()
    assert sum(hostile.MARK in page.html for page in site.pages.values()) >= 4  # home, suite, cell, dataset, …


@pytest.mark.parametrize("kind", ["breaks out", "path", "controls"])
def test_hostile_keys_are_shown_as_texts(tmp_path: Path, kind: str) -> None:
    maps = frozenset({"diagnostics", "tables", "packages", "code", "class_counts", "phases_s", "parameters", "plugins"})
    maps |= {"axes", "recipes", "sizes"}
    text = hostile.TEXTS[kind]
    hostile.write(tmp_path, {path: hostile.renamed(one, text, maps) for path, one in files().items()})
    site = gather(tmp_path, Catalog())
    check(site)
    names = [name for page in site.pages.values() for name in page.files if "diagnostic" in name]
    assert Counter(name.rpartition(".")[2] for name in names) == {"csv": 2, "svg": 2, "json": 2}
    assert all(slug(text) in name for name in names)


OTHERS = ("s1.json", "s2.json", "cell/measure-s0.json")
"""Samples whose texts stand in the same places as another's, a further seed's or the derived network's timing."""


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(path for path in hostile.samples() if not path.endswith(OTHERS)))
def test_hostile_texts_by_which_records_are_joined(tmp_path: Path, path: str) -> None:
    for number, place in enumerate(alone(files()[path])):
        of = files()
        of[path] = hostile.poisoned(of[path], hostile.TEXTS["path"], frozenset({place}))
        hostile.write(tmp_path / str(number), of)
        check(gather(tmp_path / str(number), Catalog()))


def test_half_a_character_is_named_and_skipped(tmp_path: Path) -> None:
    hostile.write(tmp_path, files())
    broken = tmp_path / "demo/cell/train-s0.json"
    broken.write_text(broken.read_text().replace('"Dense"', '"\\ud800"'))
    (problem,) = gather(tmp_path, Catalog()).problems
    assert str(broken) in problem


def test_a_picture_that_is_none_is_named_and_left_out(tmp_path: Path) -> None:
    of = files()
    bombs = ("<svg>" * 100_000, "<svg/>", "x", "<svg xmlns='http://www.w3.org/2000/svg'>" + "<g>" * 99)
    for seed, bomb in enumerate(bombs[:3]):
        of[f"demo/cell/train-s{seed}.json"]["diagnostics"]["calibration"]["picture_svg"] = bomb
    of["demo/cell/diagnose.json"]["diagnostics"]["calibration"]["picture_svg"] = bombs[3]
    hostile.write(tmp_path, of)
    site = gather(tmp_path, Catalog())
    assert len(site.problems) == 4
    assert all("picture of the diagnostic 'calibration'" in problem for problem in site.problems)
    pictures = [name for page in site.pages.values() for name in page.files if name.endswith(".svg")]
    assert ["quantize" in name for name in pictures] == [True]  # the other cell's alone


def test_a_raster_that_is_none_is_named_and_left_out(tmp_path: Path) -> None:
    of = files()
    huge, animated = io.BytesIO(), io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(huge, "PNG")
    Image.new("L", (2, 2)).save(animated, "GIF")
    cut = hostile.RASTER[:45]
    bombs = (huge.getvalue(), animated.getvalue(), cut, b"\x89PNG\r\n\x1a\n" + 1000 * b"A")
    places = [f"demo/cell/train-s{seed}.json" for seed in range(3)] + ["demo/cell/diagnose.json"]
    for place, bomb in zip(places, bombs, strict=True):
        of[place]["diagnostics"]["calibration"]["pictures"][0]["png"] = b64encode(bomb[:20_000]).decode()
    hostile.write(tmp_path, of)
    site = gather(tmp_path, Catalog())
    assert len(site.problems) == 4
    assert all("picture of the diagnostic 'calibration'" in problem for problem in site.problems)
    cell = next(page for path, page in site.pages.items() if path.startswith("suites/demo/digits-mlp-"))
    assert list(faults(cell.html)) == []


def test_a_raster_is_drawn_anew() -> None:
    """What stands behind the pixels, a script say, is left behind."""
    out = io.BytesIO()
    words = PngInfo()
    words.add_text("Comment", "<script>alert(1)</script>")
    picture = Image.fromarray(np.arange(9, dtype=np.uint8).reshape(3, 3))
    picture.save(out, "PNG", pnginfo=words, transparency=4)
    clean = b64decode(safe.raster(out.getvalue() + b"<script>"))
    assert b"script" not in clean
    again = Image.open(io.BytesIO(clean))
    assert np.array_equal(np.asarray(again), np.asarray(picture))
    assert again.info["transparency"] == 4
    colours = Image.new("RGB", (4, 4), (9, 8, 7)).quantize(4)
    out = io.BytesIO()
    colours.save(out, "PNG")
    redrawn = Image.open(io.BytesIO(b64decode(safe.raster(out.getvalue()))))
    assert redrawn.convert("RGB").getpixel((0, 0)) == (9, 8, 7)


@pytest.mark.slow
def test_hostile_texts_in_the_frame(tmp_path: Path) -> None:
    """A whole site by MkDocs: scripts are those of the frame, each named in the page's policy."""
    for kind, text in hostile.TEXTS.items():
        results, output = tmp_path / kind / "results", tmp_path / kind / "site"
        hostile.write(results, {path: hostile.poisoned(one, text, free(one)) for path, one in files().items()})
        build(results, output, Catalog())
        for page in output.rglob("*.html"):
            html = page.read_text()
            assert list(faults(html)) == [], page
            (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
            assert "script-src 'self' 'sha256-" in policy
            assert "unsafe" not in policy.replace("style-src-attr 'unsafe-inline'", "")
            for script in scripts(html):
                source, own = script.get("src"), script.text or ""
                digest = b64encode(sha256(own.encode()).digest()).decode()
                assert (
                    script.get("type") == "application/json"
                    or f"'sha256-{digest}'" in policy
                    or (source and "://" not in source)
                )
        index = json.loads((output / "search/search_index.json").read_text())
        assert not [one for one in index["docs"] if "<script" in one["title"] + one["text"]]


def test_names_of_files_and_ids() -> None:
    assert slug("digits-customcnn-8b7533c5") == "digits-customcnn-8b7533c5"
    made = [slug(name) for name in ("../x", "..x", "X", "x.", "index", "", "a" * 5000, "\ud800", 'q"><script>')]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[a-z0-9-]+\.[0-9a-f]{16}", name) for name in made)
