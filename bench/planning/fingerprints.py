"""What a result's code is: fingerprints of source files that say the same however they are written."""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from keyword import iskeyword
from pathlib import Path
from types import ModuleType

from bench.cards import Card
from bench.catalog import PACKAGE
from bench.records import NodeKind

PLUMBING = {
    "cards",
    "catalog",
    "disk",
    "errors",
    "limits",
    "measure/hardware",
    "measurements",
    "planning/fingerprints",
    "records",
    "stats",
    "store",
    "tasks",
    "work/answers",
    "work/converted",
}
"""Modules of bench that plugins and the training core import and that no trained or timed figure depends on."""
TRAINING = (
    "work/recipe",
    "work/training",
    "work/drivers/tensorflow",
    "work/drivers/jax",
    "work/drivers/torch",
    "work/evaluation",
    "work/network",
    "work/deployment",
)
CORE = {
    "train": TRAINING,
    "derive": (*TRAINING, "work/derived", "work/stored"),
    "measure": ("measure/latency", "measure/summary", "measure/timing"),
    "diagnose": ("work/evaluation", "work/deployment"),
}
"""The modules that a node's result depends on beside its plugins, with all that they import."""
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER}
_OPENING, _CLOSING = {"(", "[", "{"}, {")", "]", "}"}


def core(kind: NodeKind) -> dict[str, str]:
    """Return the fingerprints of the harness's own modules that a node's result depends on."""
    return {key: value for name in CORE[kind] for key, value in _code_of(name, PACKAGE / f"{name}.py")}


def code_of(card: Card) -> dict[str, str]:
    """Return the fingerprints of a plugin's file and, transitively, of the modules of bench that it imports."""
    return dict(_code_of(f"{card.kind}/{card.name}", card.path))


def code_of_block(block: ModuleType) -> dict[str, str]:
    """Return the same of a module of bench that has been imported."""
    assert block.__file__ is not None
    return dict(_code_of(block.__name__.removeprefix("bench.").replace(".", "/"), Path(block.__file__)))


@cache
def _code_of(key: str, path: Path) -> tuple[tuple[str, str], ...]:
    found = {key: fingerprint(path)}
    tree = ast.parse(path.read_bytes())
    tree.body = [node for node in tree.body if not _is_for_types_alone(node)]
    for node in ast.walk(tree):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bench":
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names if alias.name.startswith("bench.")]
        for module in modules:
            name = module.removeprefix("bench").strip(".").replace(".", "/")
            source = PACKAGE / f"{name}.py"
            if name and name not in PLUMBING and source != path and source.is_file():
                found.update(_code_of(name, source))
    return tuple(sorted(found.items()))


def _is_for_types_alone(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def fingerprint(path: Path) -> str:
    """Return 8 hex digits of the code in a file.

    Comments, docstrings (of attributes, too), empty lines, line breaks within brackets and the
    comma that a formatter adds before a closing bracket do not count. Works on tokens, not on a
    dump of the syntax tree, so it is the same on every Python.
    """
    digest = sha256()
    for word in _without_magic_commas(_tokens(path.read_text(encoding="utf-8"))):
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()[:8]


def _tokens(text: str) -> Iterator[str]:
    """Yield the words of a program that mean something; a block's indentation is one word of fixed width."""
    lines = text.splitlines(keepends=True)
    skipped = _docstrings(text)
    begun: list[tuple[int, int]] = []
    after_docstring = False
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind == "FSTRING_START":  # from Python 3.12 on, where older ones have one word for the whole
            begun.append(token.start)
        elif kind == "FSTRING_END":
            start = begun.pop()
            if not begun:
                yield _between(lines, start, token.end)
        elif begun or token.type in _LAYOUT:
            continue
        elif token.start in skipped:
            after_docstring = True
        elif after_docstring and token.type == tokenize.NEWLINE:
            after_docstring = False
        elif token.type in {tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}:
            yield kind
        else:
            yield token.string


def _docstrings(text: str) -> set[tuple[int, int]]:
    """Return where the statements begin that are nothing but a string; columns in characters."""
    lines = text.splitlines()
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            column = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
            found.add((node.lineno, column))
    return found


def _between(lines: list[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    (first, left), (last, right) = start, end
    if first == last:
        return lines[first - 1][left:right]
    return "".join([lines[first - 1][left:], *lines[first : last - 1], lines[last - 1][:right]])


def _without_magic_commas(words: Iterator[str]) -> Iterator[str]:
    """Leave out a comma before a closing bracket, but for the one that makes a tuple of a single item."""
    commas = [0]
    may_be_tuple = [False]
    before, held = "", False
    for word in words:
        if held:
            held = False
            if word not in _CLOSING or (may_be_tuple[-1] and commas[-1] == 1):
                yield ","
        if word == ",":
            commas[-1] += 1
            held = True
        else:
            if word in _OPENING:
                called = before in {")", "]"} or (before.isidentifier() and not iskeyword(before))
                # (a,) is a tuple, f(a,) is not; x[a,] is one, [a,] is not
                may_be_tuple.append((word == "(" and not called) or (word == "[" and called))
                commas.append(0)
            elif word in _CLOSING:
                may_be_tuple.pop()
                commas.pop()
            yield word
        before = word
