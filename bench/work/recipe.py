"""A cell's plugins as functions: every parameter bound, in the recipe's order, door by door."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.cards import Card
from bench.catalog import PACKAGE, Catalog
from bench.errors import Unsupported
from bench.records import Cell, Use, cell_id
from bench.work import network
from bench.work.answers import checked
from bench.work.checkpoint import Checkpoints
from bench.work.data import SEED, Learn
from bench.work.trained import Trained
from bench.work.training import Report, Trainer, base_loss

Asked = Callable[[str], Trained]
"""Maps a cell's id to the finished network of it that the node was given."""


class Recipe:
    """The functions that a cell's plugins open, ready to be called."""

    def __init__(self, catalog: Catalog, cell: Cell, asked: Asked) -> None:
        """Bind nothing yet; files are imported when a door of theirs is opened."""
        self._catalog = catalog
        self._cell = cell
        self._asked = asked

    def doors(self, door: str, techniques: Sequence[Use] | None = None) -> Iterator[Callable[..., Any]]:
        """Yield one door of each technique that opens it, in order, its parameters bound."""
        for use in self._cell.techniques if techniques is None else techniques:
            if door in self._catalog.card("techniques", use.name).doors:
                yield self.bound("techniques", use, door)

    def bound(self, kind: str, use: Use, door: str) -> Callable[..., Any]:
        """Return a plugin's function with its parameters; a cell among them becomes that cell's network."""
        given = self._catalog.given(kind, use, door)
        for key, cells in use.cells().items():
            if key in given:
                networks = [self._asked(cell_id(cell)) for cell in cells]
                for one in networks:
                    _ = one.network  # loaded before anything is traced: JAX would lose its weights
                given[key] = networks if isinstance(given[key], list) else networks[0]
        function = partial(getattr(self._catalog.load(kind, use.name), door), **given)
        return checked(kind, use.name, door, function)

    def learn(self, learn: Learn, fold: int) -> Learn:
        """Return the learning part as the `data` doors leave it; what they draw follows the fold and not the seed."""
        rng = np.random.default_rng([SEED, fold, 3])
        for door in self.doors("data"):
            learn = door(learn, rng)
        return learn

    def build(self, learn: Learn, **changes: Any) -> keras.Model:
        """Return the cell's untrained network, the architecture's parameters changed, the `model` doors opened."""
        use = self._cell.architecture
        card = self._catalog.card("architectures", use.name)
        model = network.build(
            self._catalog.load("architectures", use.name).build,
            card.given(use, "build") | changes,
            learn,
            name=use.name,
            prepared=card.facts(use).preparation != "none",
        )
        for door in self.doors("model"):
            model = door(model)
        return model

    def trainer(
        self,
        learn: Learn,
        seed: int,
        report: Report,
        checkpoints: Checkpoints | None = None,
        features: Path | None = None,
    ) -> Trainer:
        """Return the trainer, with the doors that act on a training opened in the recipe's order."""
        training, catalog = self._cell.training, self._catalog
        schedule = catalog.card("schedules", training.schedule.name)
        made = Trainer(
            learn=learn,
            settings=training,
            seed=seed,
            report=report,
            make_optimizer=self.bound("optimizers", training.optimizer, "optimizer"),
            factor=self.bound("schedules", training.schedule, "factor"),
            loss=base_loss(self.bound("losses", training.loss, "loss"), learn),
            build=partial(self.build, learn),
            remake=lambda values: Recipe(catalog, catalog.varied(self._cell, values), self._asked).trainer(
                learn, seed, report, features=features
            ),
            step=catalog.card("optimizers", training.optimizer.name).facts(training.optimizer).step,
            checkpoints=checkpoints,
            features=features,
        )
        if "callbacks" in schedule.doors:
            _require_validation(schedule, training.schedule, learn)
            made.damps = True
            made.callbacks += self.bound("schedules", training.schedule, "callbacks")(made)
        for use in self._cell.techniques:
            _require_validation(catalog.card("techniques", use.name), use, learn)
            made.order_door = next(self.doors("order", [use]), made.order_door)
            made.batch_doors += self.doors("batch", [use])
            made.gradient_doors += self.doors("gradient", [use])
            made.optimizer_doors += self.doors("optimizer", [use])
            for wrap in self.doors("loss", [use]):
                made.loss = wrap(made.loss, made)
                # Of the shipped ones, those with a teacher; of a person's own nobody knows.
                is_own = catalog.card("techniques", use.name).path.parent.parent != PACKAGE
                made.asks_of_examples |= is_own or bool(use.cells())
            for open_ in self.doors("callbacks", [use]):
                made.callbacks += open_(made)
        return made


def _require_validation(card: Card, use: Use, learn: Learn) -> None:
    if "validation" in card.facts(use).needs and not learn.validation:
        raise Unsupported(f"{use.name} selects on the validation part, and no example is in it")
