"""Networks converted for a runtime that does not run their format, each once for all that take the same file."""

import inspect
import os
import secrets
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.cards import Card
from bench.catalog import Catalog
from bench.planning.fingerprints import code_of, code_of_block
from bench.records import Artifact, Use, canonical
from bench.tasks import PACKAGES, Home, versions


def file(catalog: Catalog, runtime: Use, home: Home, artifact: Artifact) -> Path:
    """Return the file of a network that a runtime reads, made by its `convert` unless it is there already."""
    path = home.artifacts / artifact.file
    card = catalog.card("runtimes", runtime.name)
    suffix = card.facts(runtime).converts.get(artifact.format)
    if suffix is None:
        return path
    convert = catalog.load("runtimes", runtime.name).convert
    given = card.given(runtime, "convert") if "convert" in card.doors else {}
    name, made_by = _converter(card, runtime, convert)
    # Each backend exports in its own way; of a runtime with one of its own, the process that times is not the
    # one that converts.
    backend = None if card.facts(runtime).backend else os.environ.get("KERAS_BACKEND", "tensorflow")
    digest = sha256(canonical((name, made_by, given, backend))).hexdigest()[:8]
    converted = home.conversions / f"{path.stem}-{name}-{digest}{suffix}"
    if not converted.exists():
        converted.parent.mkdir(parents=True, exist_ok=True)
        draft = converted.with_name(f".{secrets.token_hex(8)}{converted.suffix}")  # two processes may be at it
        convert(path, draft, **given)
        draft.replace(converted)
    return converted


def _converter(card: Card, runtime: Use, convert: Callable[..., None]) -> tuple[str, Any]:
    """Return the name of what converts, and all that it depends on: one for runtimes that take it from one block."""
    if inspect.isfunction(convert) and convert.__module__.startswith("bench.blocks."):
        block = sys.modules[convert.__module__]
        code, packages = code_of_block(block), block.PACKAGES
        return block.__name__.rpartition(".")[2], (convert.__qualname__, code, versions((*PACKAGES, *packages)))
    return runtime.name, (code_of(card), versions((*PACKAGES, *card.facts(runtime).packages)))
