"""What runtime plugins are handed and what they return."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.records import Artifact


@dataclass(frozen=True)
class Deployable:
    """A network on disk, to be deployed.

    Attributes:
        artifact: What it is.
        path: Where it lies.
        threads: CPU threads that the runtime may use.
        conversions: Folder of converted networks, kept for the next process that deploys them.
    """

    artifact: Artifact
    path: Path
    threads: int
    conversions: Path

    def converted(self, suffix: str, convert: Callable[[Path], None]) -> Path:
        """Return the network converted to another format; `convert` writes the file if it is not there yet.

        The suffix should name the converter's version and end like the format's files.
        """
        path = self.conversions / f"{self.path.stem}-{suffix}"
        if not path.exists():
            self.conversions.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{os.getpid()}-{path.name}")
            convert(draft)
            draft.replace(path)
        return path


@dataclass(frozen=True)
class Deployed:
    """A network ready to predict.

    Attributes:
        prepare: Moves raw examples (n, …), of the dataset's own type, to where the runtime wants
            them; not timed.
        predict: Maps what `prepare` returned to outputs (n, classes) float32 in host memory; timed.
        size_bytes: Size of what is deployed.
        batch_size: The only one that it takes; None where any goes.
        device: What it runs on, where that is not what Keras computes on.
    """

    prepare: Callable[[NDArray[np.generic]], Any]
    predict: Callable[[Any], NDArray[np.float32]]
    size_bytes: int
    batch_size: int | None = None
    device: str | None = None

    def outputs(self, examples: NDArray[np.generic], batch_size: int = 256) -> NDArray[np.float32]:
        """Predict all examples batch by batch."""
        batch_size = self.batch_size or batch_size
        starts = range(0, len(examples), batch_size)
        return np.concatenate([self.predict(self.prepare(examples[i : i + batch_size])) for i in starts])
