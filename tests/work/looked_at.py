"""What diagnostics are handed in tests: networks that were built to have what they look for."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import workbench
from PIL import Image

from bench.records import Diagnosis, Series
from bench.work import data
from bench.work.evaluation import Outcome

CATALOG = workbench.CATALOG


def module(name: str) -> Any:
    return CATALOG.load("diagnostics", name)


def facts(classes: int = 3, **more: Any) -> data.Facts:
    return data.Facts(source="made here", classes=tuple("abcdefghij"[:classes]), **more)


def outcome(
    network: keras.Model | None,
    x: Any,
    y: Any,
    folder: Path,
    *,
    outputs: Any = None,
    classes: int = 3,
    series: tuple[Series, ...] = (),
) -> Outcome:
    """Return what a diagnostic is handed, of examples that are training and test part at once."""
    file = folder / "network.keras"
    if network is not None:
        network.save(file)
        outputs = network.predict(x, verbose=0) if outputs is None else outputs
    part = data.Part(np.asarray(x), np.asarray(y))
    split = data.Split(facts(classes), part, data.Part(x[:0], y[:0]), part)
    return Outcome(np.asarray(outputs, np.float32), split, file, series)


def pixels(png: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(png)))


def images(n: int = 40, side: int = 8, channels: int = 1) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, side, side, channels)).astype(np.uint8), np.arange(n) % 3


def values(found: Diagnosis) -> dict[str, float]:
    return {m.name: m.value for m in found.measurements}
