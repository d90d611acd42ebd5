"""Numbers and texts as the site's pages write them."""

import pytest

from bench.site import words
from bench.site.rendering import inline, markdown, plain
from bench.stats import Interval


@pytest.mark.parametrize(
    ("interval", "percent", "shown"),
    [
        (Interval(value=0.987, low=0.986, high=0.988, n=3), True, "98.70 % ± 0.10"),
        (Interval(value=0.8719, low=0.8654, high=0.8784, n=1), True, "87.19 % ± 0.65"),
        (Interval(value=0.759, low=0.738, high=0.780, n=3), True, "75.9 % ± 2.1"),
        (Interval(value=0.987, low=0.98, high=0.989, n=3), True, "98.70 % (98.00 to 98.90)"),
        (Interval(value=0.98712, low=0.98708, high=0.98716, n=3), True, "98.71 % ± 0.00"),
        (Interval(value=0.5, low=None, high=None, n=1), True, "50.0 %"),
        (Interval(value=0.244, low=0.2341, high=0.2539, n=3), False, "0.2440 ± 0.0099"),
        (None, True, "–"),
    ],
)
def test_intervals_in_words(interval: Interval | None, percent: bool, shown: str) -> None:
    assert words.spread(interval, percent).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (words.milliseconds(0.00042), "0.420 µs"),
        (words.milliseconds(0.24), "0.240 ms"),
        (words.milliseconds(44.2), "44.2 ms"),
        (words.seconds(4000), "67 min"),
        (words.size(52_000), "52.0 kB"),
        (words.compact(34_826), "34.8 k"),
        (words.difference(Interval(value=-0.014, low=-0.032, high=0.004, n=3), True), "−1.4 ± 1.8"),
        (words.signed(0), "0"),
        (words.plural(1, "run"), "1 run"),
        (words.number(None), "–"),
    ],
)
def test_numbers_in_words(made: str, shown: str) -> None:
    assert made.replace("\u00a0", " ") == shown


def test_descriptions_are_markdown_without_html() -> None:
    html = markdown("A *word*, <b>bold</b>, ![p](http://x/p.png), [bad](javascript:alert(1)), [good](https://a.b)")
    assert "<em>word</em>" in html
    assert "<b>" not in html
    assert "<img" not in html
    assert "javascript" not in html
    assert 'href="https://a.b"' in html
    assert '<a href="https://arxiv.org/abs/1">' in markdown("A paper, https://arxiv.org/abs/1.")


def test_short_texts_are_escaped() -> None:
    assert inline("`a<b` & c") == "<code>a&lt;b</code> &amp; c"
    assert "<" not in plain("</title><script>")
