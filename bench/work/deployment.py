"""What runtime plugins are handed and what they return."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.catalog import Catalog
from bench.records import Artifact, Use
from bench.tasks import Home
from bench.work import converted


@dataclass(frozen=True)
class Deployable:
    """A network on disk, to be deployed.

    Attributes:
        artifact: What it is.
        path: Where it lies; of one that was converted for the runtime, where that file lies.
        threads: CPU threads that the runtime may use.
    """

    artifact: Artifact
    path: Path
    threads: int


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


def deploy(catalog: Catalog, runtime: Use, home: Home, artifact: Artifact, threads: int) -> Deployed:
    """Load a network into a runtime, converted first if it does not run that format."""
    network = Deployable(artifact, converted.file(catalog, runtime, home, artifact), threads)
    made: Callable[..., Deployed] = catalog.load("runtimes", runtime.name).deploy
    return made(network, **catalog.given("runtimes", runtime, "deploy"))
