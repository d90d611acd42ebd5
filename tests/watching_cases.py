"""What looks on changes nothing, and every diagnostic finds something, on the backend that KERAS_BACKEND names.

Run as a program, it prints as JSON: which watchers left the network as it is without them, what
became of each diagnostic, and whether a training that was cut in two tells the same.
"""

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import workbench

from bench.catalog import Catalog
from bench.work.checkpoint import Checkpoints
from bench.work.network import digest

CATALOG = Catalog()
WATCHERS = [card.name for card in CATALOG.cards("diagnostics") if "watch" in card.doors]
RECIPE = '["augment(shift=1)", "dropout(rate=0.2, inside=0.2)", "mixup(alpha=0.4)"]'
"""All that draws while it trains."""


class Cut(Exception):
    """Stands for a kill."""


def suite(names: list[str]) -> str:
    """Return a suite with these diagnostics of a network that draws, moves averages and has every kind of layer."""
    return workbench.written(
        RECIPE,
        architecture="custom_cnn(width=4, depth=2)",
        training="epochs: 2, batch_size: 32, validation: 0.1",
        more=f"diagnostics: [{', '.join(names)}]",
    )


def trained(names: list[str]) -> tuple[str, dict[str, str]]:
    """Return the digest of the network that is trained under these eyes, and what became of each diagnostic."""
    with tempfile.TemporaryDirectory() as folder:
        network, *found = workbench.run(Path(folder), suite(names), backend=keras.backend.backend())
    assert network.artifact is not None
    assert network.watch_faults == {}, network.watch_faults
    told = {one.diagnostic.name: one.error.message if one.error else one.status for one in found if one.diagnostic}
    return network.artifact.digest, told


def cut_in_two(names: list[str]) -> bool:
    """Tell whether a training that is killed after its second epoch and goes on has seen what a whole one sees."""
    learn = workbench.prepare("digits(train_size=200)").learn

    def train(folder: str, stops: bool) -> tuple[str, Any]:
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        recipe = workbench.recipe("mlp(width=8)", ("dropout",), epochs=4, batch_size=32)
        trainer = recipe.trainer(learn, 0, report(stops))
        trainer.checkpoints = Checkpoints(Path(folder), every_s=0)
        tell = [CATALOG.load("diagnostics", name).watch(trainer) for name in names]
        network = recipe.build(learn)
        trainer.fit(network)
        seen = [(one.chart, one.name, one.points, one.values) for each in tell for one in each() if one.unit != "s"]
        return digest(network), seen

    def report(stops: bool) -> Any:
        def note(epoch: int, epochs: int, metrics: dict[str, float]) -> None:
            if stops and epoch == 3:
                raise Cut

        return note

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = train(one, stops=False)
        with suppress(Cut):
            train(other, stops=True)
        return bool(train(other, stops=False) == whole)


def main() -> dict[str, Any]:
    """Return all that is asked."""
    alone, _ = trained([])
    return {
        "same": {name: trained([name])[0] == alone for name in WATCHERS} | {"all": trained(WATCHERS)[0] == alone},
        "became": trained(CATALOG.names("diagnostics"))[1],
        "cut": cut_in_two(WATCHERS),
    }


if __name__ == "__main__":
    print(json.dumps(main()))
