"""Datasets as arrays on disk: decoded once, there at once for every process that comes after.

A copy belongs to the code that made it and to the state of the files it came from, so it never
changes a result. What does not match its published checksums is never kept.
"""

import shutil
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import numpy as np

from bench.catalog import Catalog
from bench.files import contents, downloads
from bench.planning.fingerprints import code_of
from bench.records import Use, canonical
from bench.tasks import Home, versions
from bench.work.data import Dataset, Facts, Loader

WORTHWHILE_S = 0.2
"""Datasets that load faster are not kept."""
DECODERS = ("numpy", "pandas", "pillow", "scikit-learn")
ARRAYS = ("x", "y", "x_test", "y_test")


def loader(catalog: Catalog, use: Use, home: Home) -> Loader:
    """Return the `load` of a dataset's plugin, which decodes only what no process has decoded before."""
    facts = catalog.card("datasets", use.name).facts(use)
    load: Callable[..., Dataset] = catalog.load("datasets", use.name).load
    if not facts.handle and not facts.paths:
        return load  # where it comes from is unsaid, so nobody would see it change

    def remembered(**parameters: Any) -> Dataset:
        folder = home.decoded / f"{use.name}-{_state(catalog, use, parameters, home)}"
        if (known := _read(folder)) is not None:
            return known
        started = time.monotonic()
        dataset = load(**parameters)
        if time.monotonic() - started > WORTHWHILE_S and dataset.verified is not False:
            # The download may have come in between.
            _write(home.decoded / f"{use.name}-{_state(catalog, use, parameters, home)}", dataset)
        return dataset

    return remembered


def _state(catalog: Catalog, use: Use, parameters: dict[str, Any], home: Home) -> str:
    """Return 16 hex digits of all that a decoded dataset depends on."""
    card = catalog.card("datasets", use.name)
    files = contents.of_use(catalog, "datasets", use, home.contents)
    handle = card.facts(use).handle
    published = contents.listing(downloads.cache() / "datasets" / handle) if handle else ""
    return sha256(canonical((code_of(card), versions(DECODERS), parameters, files, published))).hexdigest()[:16]


def _read(folder: Path) -> Dataset | None:
    """Map the arrays, if they are there and whole; what is changed of them stays in this process."""
    try:
        facts = msgspec.json.decode((folder / "facts.json").read_bytes(), type=Facts)
        arrays = {name: np.load(path, mmap_mode="c") for name in ARRAYS if (path := folder / f"{name}.npy").exists()}
    except (OSError, ValueError, EOFError, msgspec.DecodeError):
        shutil.rmtree(folder, ignore_errors=True)  # cut short by a power cut
        return None
    return Dataset(**arrays, **{name: getattr(facts, name) for name in Facts.__dataclass_fields__})


def _write(folder: Path, dataset: Dataset) -> None:
    draft = folder.with_name(f".{token_hex(8)}")
    draft.mkdir(parents=True)
    try:
        for name in ARRAYS:
            array = getattr(dataset, name)
            if array is not None:
                np.save(draft / f"{name}.npy", array)
        facts = Facts(**{name: getattr(dataset, name) for name in Facts.__dataclass_fields__})
        (draft / "facts.json").write_bytes(msgspec.json.encode(facts))
        draft.rename(folder)
    except OSError:  # another process was first, or the disk is full: it is decoded again next time
        shutil.rmtree(draft, ignore_errors=True)
