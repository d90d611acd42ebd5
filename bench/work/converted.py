"""Networks converted for a runtime that does not run their format, each once for all that take the same file."""

import secrets
import sys
from hashlib import sha256
from pathlib import Path

from bench.catalog import Catalog
from bench.planning.fingerprints import code_of_module
from bench.records import Artifact, Use, canonical
from bench.tasks import PACKAGES, Home, versions


def file(catalog: Catalog, runtime: Use, home: Home, artifact: Artifact) -> Path:
    """Return the file of a network that a runtime reads, made by its `convert` unless it is there already.

    What is made goes by the module that `convert` is written in, by what that is given and by the packages which
    it names: two settings of a runtime have one file, and so have two runtimes with `convert` from one block.
    """
    path = home.artifacts / artifact.file
    suffix = catalog.card("runtimes", runtime.name).facts(runtime).converts.get(artifact.format)
    if suffix is None:
        return path
    make = catalog.load("runtimes", runtime.name).convert
    given = catalog.given("runtimes", runtime, "convert")
    module = sys.modules[make.__module__]
    used = versions((*PACKAGES, *getattr(module, "PACKAGES", ())))
    made_by = sha256(canonical((code_of_module(module), given, used))).hexdigest()[:8]
    converter = make.__module__.rpartition(".")[2]
    converted = home.conversions / f"{path.stem}-{converter}-{made_by}{suffix}"
    if not converted.exists():
        converted.parent.mkdir(parents=True, exist_ok=True)
        draft = converted.with_name(f".{secrets.token_hex(8)}{converted.suffix}")  # two processes may be at it
        make(path, draft, **given)
        draft.replace(converted)
    return converted
