"""What a worker does with plugins, by hand and in this process: load, divide, build, train."""

from typing import Any

import factory

from bench.catalog import Catalog
from bench.records import Artifact, Cell, Use
from bench.work import data
from bench.work.recipe import Recipe
from bench.work.training import Trained, Trainer

CATALOG = Catalog()


def load(call: str, catalog: Catalog = CATALOG) -> data.Dataset:
    """Load a dataset as published."""
    use = catalog.resolve("datasets", call)
    return data.load(catalog.load("datasets", use.name).load, use.name, catalog.given("datasets", use))


def prepare(call: str, fold: int = 0, validation: float = 0.0, catalog: Catalog = CATALOG) -> data.Split:
    """Load and divide a dataset, its options applied."""
    use = catalog.resolve("datasets", call)
    loader = catalog.load("datasets", use.name).load
    return data.prepare(loader, use, catalog.given("datasets", use), fold, validation)


def recipe(
    architecture: str = "mlp",
    techniques: tuple[str, ...] = (),
    *,
    catalog: Catalog = CATALOG,
    asked: dict[str, Trained] | None = None,
    **settings: Any,
) -> Recipe:
    """Return a cell's plugins as functions; `asked` are the networks that its techniques name, by cell id."""
    calls = {"optimizer": "optimizers", "schedule": "schedules", "loss": "losses"}
    settings = {k: catalog.resolve(calls[k], v) if k in calls else v for k, v in settings.items()}
    cell = Cell(
        dataset=Use("made_here"),
        source="made here",
        architecture=catalog.resolve("architectures", architecture),
        techniques=tuple(catalog.resolve("techniques", call) for call in techniques),
        training=factory.settings(**settings),
    )
    return Recipe(catalog, cell, lambda name: (asked or {})[name])


def build(architecture: str, learn: data.Learn, techniques: tuple[str, ...] = (), catalog: Catalog = CATALOG) -> Any:
    """Return an untrained network, the techniques' `model` doors opened."""
    return recipe(architecture, techniques, catalog=catalog).build(learn)


def trainer(learn: data.Learn, techniques: tuple[str, ...] = (), seed: int = 0, **settings: Any) -> Trainer:
    """Return a trainer that reports to nobody."""
    return recipe("mlp", techniques, **settings).trainer(learn, seed, lambda *_: None)


def deploy(runtime: str, artifact: Artifact, path: Any, conversions: Any, threads: int = 1) -> Any:
    """Return a network deployed on a runtime."""
    from bench.work.deployment import Deployable

    use = CATALOG.resolve("runtimes", runtime)
    network = Deployable(artifact, path, threads, conversions)
    return CATALOG.load("runtimes", use.name).deploy(network, **CATALOG.given("runtimes", use, "deploy"))
