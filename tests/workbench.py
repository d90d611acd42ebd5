"""What a worker does with plugins, by hand and in this process: load, divide, build, train."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import factory
import pytest
from conftest import ROOT

from bench import store
from bench.catalog import Catalog
from bench.planning import plan, suite
from bench.records import Artifact, Cell, Record, Use
from bench.runner import local
from bench.runner.settings import Settings
from bench.tasks import Home
from bench.work import data
from bench.work.recipe import Recipe
from bench.work.training import Trained, Trainer

CATALOG = Catalog()


def told_on(backend: str, program: Path) -> Any:
    """Run a program on a Keras backend, in a process of its own, and return the JSON that it prints."""
    pytest.importorskip(backend, exc_type=ImportError)
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "work")))
    done = subprocess.run(
        [sys.executable, str(program)],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def written(
    *recipes: str,
    dataset: str = "digits(train_size=200)",
    architecture: str = "mlp(width=4, depth=1)",
    seeds: str = "[0]",
    training: str = "epochs: 2, batch_size: 32",
    more: str = "",
) -> str:
    """Return a suite of one network on one dataset, without timings, as a person writes it."""
    rows = "\n".join(f"  r{i}: {recipe}" for i, recipe in enumerate(recipes))
    return (
        f'title: T\ndatasets: ["{dataset}"]\narchitectures: ["{architecture}"]\n'
        f"recipes:\n{rows}\nseeds: {seeds}\ntraining: {{{training}}}\nthreads: 1\nmeasure: {{runtimes: []}}\n{more}"
    )


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


def deploy(runtime: str, artifact: Artifact, home: Home, threads: int = 1) -> Any:
    """Return a network deployed on a runtime."""
    from bench.work import deployment

    return deployment.deploy(CATALOG, CATALOG.resolve("runtimes", runtime), home, artifact, threads)


def run(place: Path, text: str, catalog: Catalog = CATALOG, **options: Any) -> list[Record]:
    """Execute what is due of a suite but for timings, node after node in this process, and return the new records."""
    import keras

    from bench.work import worker

    (place / "mine.yaml").write_text(text)
    home = Home(place / "home", session="bench")
    made = plan.make(suite.read(place / "mine.yaml", catalog), catalog, place / "results", home.artifacts, **options)
    settings = Settings(
        suite="mine",
        results=place / "results",
        home=home,
        plugins=catalog.folders,
        backend=options.get("backend", "tensorflow"),
        threads=1,
        workers=1,
        timeout_s=None,
        commit=None,
        dirty=None,
    )
    found: dict[str, Record] = {}
    for name, step in made.steps.items():
        if step.due and step.node.kind != "measure":
            headers = {parent: made.steps[parent].record for parent in step.node.parents}
            known = {parent: header.artifact for parent, header in headers.items() if header and header.artifact}
            known |= {parent: found[parent].artifact for parent in step.node.parents if parent in found}
            if all(known.values()):
                trained = found.get(step.node.parents[0]) if step.node.diagnostic else None
                if step.node.diagnostic and trained is None:
                    header = headers[step.node.parents[0]]
                    trained = header and store.read_file(header.path, Record)
                task = local.task_of(step.node, settings, threads=1, parents=known, trained=trained)
                keras.utils.clear_session()  # as a fresh process begins
                found[name] = worker.execute(task)
                store.write(place / "results", found[name])
    return list(found.values())
