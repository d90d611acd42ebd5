"""Numbers as a reader sees them: percent, units with prefixes, no more digits than are known."""

import re
from math import floor, isfinite, log10

from bench.stats import Interval
from bench.wording import MINUS

NBSP = "\u00a0"
NONE = "–"
MOST_PLACES = 6
MOST_IN_FULL = 1e15
SHARES = frozenset(
    {
        "accuracy",
        "accuracy on all classes so far",
        "average_incremental_accuracy",
        "balanced_accuracy",
        "best accuracy so far",
        "top_5_accuracy",
        "coarse_accuracy",
        "mistakes_within_superclass",
        "calibration_error",
        "f1",
        "forgetting",
        "precision",
        "recall",
        "agreement",
        "sparsity",
        "confidence",
        "quantized",
        "quantized_share",
    }
)
"""Measurements of unit 1 that read better in percent."""


def percent(share: float, decimals: int | None = None) -> str:
    """Return a proportion in percent; with `decimals` None, without trailing zeros."""
    text = f"{100 * share:.4g}" if decimals is None else _written(100 * share, f".{decimals}f")
    return f"{text.replace('-', MINUS)}{NBSP}%"


def number(value: float | None, in_percent: bool = False) -> str:
    """Return a value on its own, in percent or with four significant digits."""
    if value is None or not isfinite(value):
        return NONE
    return percent(value, 1) if in_percent else _digits(value, 4)


def entry(value: str | float | bool | None) -> str:
    """Return a value of a technique's table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return count(value) if value == int(value) else number(value)
    return NONE if value is None else value


def spread(interval: Interval | None, in_percent: bool = False) -> str:
    """Return `98.70 % ± 0.10`, or `98.70 % (98.12 to 98.91)` where the interval is lopsided."""
    if interval is None:
        return NONE
    value, low, high = interval.value, interval.low, interval.high
    if low is None or high is None:
        return number(value, in_percent)
    scale, unit = (100, f"{NBSP}%") if in_percent else (1, "")
    below, above = scale * (value - low), scale * (high - value)
    places = _places(max(below, above), in_percent)
    text = f"{_fixed(scale * value, places)}{unit}"
    if abs(below - above) <= 0.05 * max(below, above):
        return f"{text} ±{NBSP}{_fixed(above, places)}"
    return f"{text} ({_fixed(scale * low, places)} to {_fixed(scale * high, places)})"


def ends(interval: Interval, in_percent: bool = False) -> str:
    """Return the two ends of an interval, empty where too little is known."""
    low, high = interval.low, interval.high
    if low is None or high is None:
        return ""
    scale, unit = (100, f"{NBSP}%") if in_percent else (1, "")
    places = _places(scale * (high - low) / 2, in_percent)
    return f"{_fixed(scale * low, places)} to {_fixed(scale * high, places)}{unit}"


def gap(size: float, in_percent: bool = False) -> str:
    """Return how far apart two values are, with two significant digits."""
    return f"{_digits(100 * size, 2)}{NBSP}points" if in_percent else _digits(size, 2)


def difference(interval: Interval, in_percent: bool = False) -> str:
    """Return a signed difference with its interval; in percent it counts points and carries no unit."""
    scale = 100 if in_percent else 1
    value, low, high = interval.value, interval.low, interval.high
    half = scale * max(value - low, high - value) if low is not None and high is not None else None
    places = _places(abs(scale * value) if half is None else half, in_percent)
    sign = "+" if value > 0 else ""
    text = f"{sign}{_fixed(scale * value, places)}"
    return text if half is None else f"{text} ±{NBSP}{_fixed(half, places)}"


def signed(value: float) -> str:
    """Return `+2`, `0` or `−2`."""
    return f"{value:+.3g}".replace("-", MINUS) if value else "0"


def milliseconds(value: float | None) -> str:
    """Return a latency, in microseconds below a tenth of a millisecond."""
    if value is None:
        return NONE
    scaled, unit = (1000 * value, "µs") if value < 0.1 else (value, "ms")
    places = min(max(2 - floor(log10(scaled)), 0), MOST_PLACES) if scaled > 0 else 0
    return f"{_written(scaled, f',.{places}f')}{NBSP}{unit}"


def rate(value: float | None) -> str:
    """Return examples a second."""
    return NONE if value is None else f"{compact(value)}/s"


def seconds(value: float | None) -> str:
    """Return a duration of any length."""
    if value is None:
        return NONE
    if value < 120:
        return f"{_digits(value, 3)}{NBSP}s"
    minutes = value / 60
    return f"{minutes:.0f}{NBSP}min" if minutes < 120 else f"{_written(minutes / 60, '.1f')}{NBSP}h"


def size(value: float | None) -> str:
    """Return bytes in decimal units."""
    return _prefixed(value, "B")


def compact(value: float | None) -> str:
    """Return a count with three digits: 2,212 as `2.21 k`."""
    return _prefixed(value, "")


def count(value: float | None) -> str:
    """Return a count in full."""
    return NONE if value is None else _written(value, ",.0f")


def measured(name: str, unit: str, value: float | None) -> str:
    """Return a measurement's value with its unit, by its name."""
    match unit:
        case "ms":
            return milliseconds(value)
        case "s":
            return seconds(value)
        case "B":
            return size(value)
        case "FLOP":
            return compact(value)
        case "1":
            return number(value, True) if name in SHARES else compact(value) if name == "parameters" else number(value)
    return number(value) if value is None else f"{number(value)}{NBSP}{unit}".strip()


def named(name: str) -> str:
    """Return a measurement's name as words: `epochs_to_90` as `Epochs to 90 %`."""
    text = re.sub(r"_to_(\d+)$", rf" to \1{NBSP}%", name).replace("_", " ")
    return text[:1].upper() + text[1:]


def plural(n: int, noun: str) -> str:
    """Return `1 run` or `3 runs`."""
    return f"{n:,}{NBSP}{noun}{'' if n == 1 else 's'}"


def _places(half: float, in_percent: bool) -> int:
    """Return how many decimals a value deserves: so many that its interval's half width has two digits."""
    fewest, most = (1, 2) if in_percent else (0, 4)
    if half <= 0 or not isfinite(half):
        return fewest if in_percent else 3
    return min(max(1 - floor(log10(half)), fewest), most)


def _fixed(value: float, places: int) -> str:
    text = _written(value, f",.{places}f")
    return text.lstrip("-") if not float(text.replace(",", "")) else text.replace("-", MINUS)


def _digits(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    places = max(digits - 1 - floor(log10(abs(value))), 0)
    text = _written(value, f",.{min(places, MOST_PLACES)}f")
    return (text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text).replace("-", MINUS)


def _written(value: float, form: str) -> str:
    """Return a number in a form of `format`, in powers of ten where that would be a line of digits."""
    return f"{value:{form}}" if abs(value) < MOST_IN_FULL else f"{value:.4g}"


def _prefixed(value: float | None, unit: str) -> str:
    if value is None:
        return NONE
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            places = max(2 - floor(log10(abs(value) / scale)), 0)
            return f"{_written(value / scale, f',.{places}f')}{NBSP}{prefix}{unit}"
    return f"{_digits(value, 3)}{NBSP}{unit}".strip()
