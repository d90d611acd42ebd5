"""Numbers in the one-line texts of `check` and `findings`, which the site shows as they are."""

from typing import Any

MINUS = "\N{MINUS SIGN}"


def difference(value: float, low: float | None, high: float | None, unit: str) -> str:
    """Return a difference with its interval, where it has one: `+0.40 points [−0.10, +0.90]`."""
    text = amount(value, unit, sign=True)
    if low is None or high is None:
        return text
    return f"{text} [{amount(low, unit, sign=True, bare=True)}, {amount(high, unit, sign=True, bare=True)}]"


def amount(value: float, unit: str, *, sign: bool = False, bare: bool = False) -> str:
    """Return a value with its unit, or without if `bare`; `points` and `%` are given as 0 to 1, bytes told in kB."""
    if unit == "B":
        value, unit = value / 1000, "kB"
    scaled = f"{100 * value:{'+' * sign}.2f}" if unit in {"points", "%"} else f"{value:{'+' * sign}.3g}"
    text = scaled.replace("-", MINUS)
    return text if bare or unit in {"", "1"} else f"{text} {unit}"


def inert(cell: Any) -> Any:
    """Return a cell of a table that no spreadsheet takes for a formula; only texts are looked at.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    is_formula = isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{cell}" if is_formula else cell
