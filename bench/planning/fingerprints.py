"""What a result depends on: fingerprints of source files, and versions of packages."""

import ast
import importlib.metadata
import io
import tokenize
from functools import cache
from hashlib import sha256
from pathlib import Path

from bench.records import NodeKind

PACKAGE = Path(__file__).parent.parent
PLUMBING = {"catalog", "errors", "records", "stats", "store", "tasks"}
"""Modules of bench that plugins and the training core import and that no trained or timed figure depends on."""
CORE = {
    "train": ("work/training", "work/evaluation", "work/network", "work/deployment"),
    "derive": ("work/training", "work/evaluation", "work/network", "work/deployment"),
    "measure": ("measure/latency",),
}
"""The modules that a node's result depends on beside its plugins, with all that they import."""


def core(kind: NodeKind) -> dict[str, str]:
    """Return the fingerprints of the harness's own modules that a node's result depends on."""
    return {key: value for name in CORE[kind] for key, value in code_of(name, PACKAGE / f"{name}.py").items()}


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the installed versions of packages; those that are not installed are left out."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def listing(path: Path) -> str:
    """Return 8 hex digits of the names, sizes and times of change of a file, or of all files in a folder."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = sha256()
    for file in files:
        if file.is_file():
            state = file.stat()
            digest.update(f"{file.relative_to(path)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:8]


def code_of(key: str, path: Path) -> dict[str, str]:
    """Return `{key: fingerprint}` of a file and, transitively, of the modules of bench that it imports."""
    return dict(_code_of(key, path))


@cache
def _code_of(key: str, path: Path) -> tuple[tuple[str, str], ...]:
    found = {key: fingerprint(path)}
    for node in ast.walk(ast.parse(path.read_bytes())):
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


@cache
def fingerprint(path: Path) -> str:
    """Return 8 hex digits of the code in a file; comments, docstrings, blank lines and trailing space do not count.

    Works on the text, not on a dump of the syntax tree, so it is the same on every Python.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            docstring = node.body[0]
            assert docstring.end_lineno is not None
            lines[docstring.lineno - 1 : docstring.end_lineno] = [""] * (docstring.end_lineno - docstring.lineno + 1)
    code = "\n".join(line.rstrip() for line in lines if line.strip())
    return sha256(code.encode()).hexdigest()[:8]
