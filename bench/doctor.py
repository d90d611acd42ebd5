"""What is on this machine: datasets, pretrained weights, runtimes, backends, devices."""

import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from bench.cards import Card
from bench.catalog import Catalog
from bench.files.downloads import cache
from bench.measure.hardware import hardware
from bench.tasks import is_importable, versions

BACKENDS = {
    "tensorflow": "pip install keras-bench",
    "jax": 'pip install "keras-bench[jax]"',
    "torch": 'pip install "keras-bench[torch]"',
}
"""Each with the command that brings it."""


class Examination(Struct, frozen=True):
    """One line each: what, whether it is here, and where or what to do."""

    hardware: str
    datasets: dict[str, str]
    weights: dict[str, str]
    runtimes: dict[str, str]
    backends: dict[str, str]


def examine(catalog: Catalog) -> Examination:
    """Look for everything without importing a framework or asking the network."""
    machine = hardware()
    devices = ", ".join(machine.accelerators) or "no accelerator"
    return Examination(
        hardware=f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, {devices}",
        datasets={card.name: _dataset(card) for card in catalog.cards("datasets")},
        weights={path.name: f"{path.stat().st_size / 2**20:.1f} MiB" for path in _weights()},
        runtimes={
            card.name: _packages(card.literals.get("PACKAGES", ()), card.literals.get("INSTALL", ""))
            for card in catalog.cards("runtimes")
        },
        backends={name: _packages((name,), install) for name, install in BACKENDS.items()},
    )


def _dataset(card: Card) -> str:
    if "PATHS" in card.literals:
        return "your own files"
    handle = str(card.literals.get("HANDLE", ""))
    owner, _, rest = handle.partition("/")
    slug, _, version = rest.partition("/versions/")
    if not version or owner == "scikit-learn":
        return "bundled"
    folder = cache() / "datasets" / owner / slug
    if (folder / f"{version}.complete").exists():
        return f"here: {folder / 'versions' / version}"
    return f"not here: downloaded from Kaggle ({handle}) by the first run that needs it"


def _weights() -> list[Path]:
    return sorted((_keras_home() / "models").glob("*.h5"))


def _keras_home() -> Path:
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))


def _packages(names: tuple[str, ...], install: str) -> str:
    """Return which packages are here, and how to get the others; without the first nothing works."""
    cure = f" ({install})" if install else ""
    if names and not is_importable(names[0]):
        return f"not here: {names[0]} is not installed{cure}"
    here = ", ".join(f"{name} {version}" for name, version in versions(names).items())
    variants = tuple(f"{name}-" for name in names[:1])  # one of which may stand for another
    missing = [name for name in names if not is_importable(name) and not name.startswith(variants)]
    return f"here: {here}" + (f"; not installed: {', '.join(missing)}{cure}" if missing else "")


def text(found: Examination) -> str:
    """Return the examination as aligned lines."""
    lines = [f"machine: {found.hardware}"]
    parts: dict[str, dict[str, Any]] = {
        "datasets": found.datasets,
        "pretrained weights": found.weights or {"none": f"in {_keras_home() / 'models'}"},
        "runtimes": found.runtimes,
        "backends": found.backends,
    }
    for title, rows in parts.items():
        width = max(map(len, rows), default=0)
        lines += ["", f"{title}:", *(f"  {name:{width}}  {state}" for name, state in rows.items())]
    return "\n".join(lines)
