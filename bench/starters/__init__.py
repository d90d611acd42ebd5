"""Files to start from: `bench new architecture NAME` copies the one beside this that bears the kind's name."""

import re
from keyword import iskeyword
from pathlib import Path

from bench.catalog import Catalog
from bench.errors import BenchError


def write(kind: str, name: str, plugins: Path) -> Path:
    """Write a plugin that works as it is, or a suite, under a new name; return its path.

    Plugins go to `plugins/<kind>s/`, suites to `suites/`. Raise BenchError for a name that is
    taken or cannot be one.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or iskeyword(name):
        rule = "small letters, digits and underscores, starts with a letter, and is no word of Python's own"
        raise BenchError(f"'{name}': a name is {rule}")
    folder = Path("suites") if kind == "suite" else plugins / f"{kind}s"
    if kind != "suite" and name in Catalog().names(f"{kind}s"):
        raise BenchError(f"{kind}s has a '{name}' already; take another name (bench list {kind}s)")
    path = folder / f"{name}{'.yaml' if kind == 'suite' else '.py'}"
    if path.exists():
        raise BenchError(f"{path}: is there already; nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    starter = Path(__file__).with_name(f"{kind}{path.suffix}")
    path.write_text(starter.read_text(encoding="utf-8").replace("NAME", name), encoding="utf-8")
    return path
