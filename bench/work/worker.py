"""One node from top to bottom, in a worker process.

`execute` trains, reads or derives a network and judges it, `sample` times one. Whatever goes wrong with
a node becomes its record; only a fault of the machine (a crash, a kill, a time limit) is left to
the runner to record. Heavy: imported in worker processes alone.
"""

import gc
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.catalog import Catalog
from bench.errors import DataError, Diverged, Unsupported, first_line
from bench.measure import latency
from bench.planning.compatibility import EVALUATED_ON, is_trained, too_small
from bench.records import Artifact, Cell, Measurement, Record, Series, Status, Use
from bench.store import write_atomic
from bench.tasks import Progress, Sample, Task, failure, provenance, record
from bench.work import data, deployment, evaluation, network, training

Made = tuple[Artifact, list[Measurement], tuple[Series, ...], bool | None]


def execute(task: Task) -> Record:
    """Run a `train` or `derive` node and return its record, whatever happens."""
    with _node_folder(task):
        try:
            return _train_or_derive(task)
        except Unsupported as error:
            return failure(task, "unsupported", "Unsupported", str(error))
        except Diverged as error:
            return failure(task, "diverged", "Diverged", str(error))
        except MemoryError as error:
            return failure(task, "out_of_memory", "MemoryError", str(error) or "no memory left")
        except Exception as error:
            status: Status = "out_of_memory" if type(error).__name__ == "ResourceExhaustedError" else "failed"
            return failure(task, status, type(error).__name__, first_line(error), traceback.format_exc())


def sample(task: Task) -> Sample:
    """Deploy the parent's network and time it in this process; errors go to the runner."""
    started = time.monotonic()
    assert task.parent is not None and task.node.measure is not None
    catalog = Catalog(task.plugins)
    examples = _split(task, catalog).test.x
    with _node_folder(task):
        deployed = deployment.deploy(catalog, task.node.measure.runtime, _deployable(task, task.parent))
        batches, health = latency.sample(deployed, examples, task.node.measure)
    keras.utils.clear_session()
    gc.collect()
    return Sample(
        batches=batches,
        others_cores=health.others_cores,
        steal=health.steal,
        size_bytes=deployed.size_bytes,
        duration_s=time.monotonic() - started,
        device=training.device(),
    )


def _train_or_derive(task: Task) -> Record:
    phases, catalog = Phases(), Catalog(task.plugins)
    training.begin(task.node.cell.training, task.node.seed)
    with phases("load"):
        _verify_files(task, catalog)
        split = _split(task, catalog)
        for door, parameters in _doors(catalog, task.node.cell, "data"):
            split = door(split, **parameters)

    if task.node.kind == "derive":
        make = _derive
    else:
        make = _train if is_trained(catalog.card("architectures", task.node.cell.architecture.name)) else _read
    artifact, figures, series, jit_compile = make(task, catalog, split, phases)

    with phases("evaluate"):
        outputs = _outputs(task, catalog, artifact, split)
        judged = evaluation.evaluate(outputs, split)
        figures += judged.measurements
        if task.parent:
            figures += evaluation.compare(outputs, _outputs(task, catalog, task.parent, split), split)
        diagnostics = {
            use.name: catalog.load("diagnostics", use.name).diagnose(
                evaluation.Outcome(outputs, split), **use.parameters
            )
            for use in task.diagnostics
            if split.facts.task in catalog.card("diagnostics", use.name).literals.get("TASKS", (split.facts.task,))
        }
        # A converted network does as much as the Keras network that it was made from.
        described = artifact if artifact.format == "keras" or task.parent is None else task.parent
        layers = network.layers(described, task.home.artifacts)
        figures += network.complexity(layers) + network.size(artifact, task.home.artifacts)
    if "fit" in phases.seconds:
        figures.append(Measurement(name="fit_s", value=phases.seconds["fit"], unit="s", better="lower"))
    keras.utils.clear_session()
    gc.collect()
    return record(
        task,
        "finished",
        provenance=provenance(task, device=training.device(), jit_compile=jit_compile),
        phases_s=phases.seconds,
        data=data.describe(split),
        artifact=artifact,
        measurements=tuple(figures),
        series=series,
        confusion=judged.confusion,
        correct=judged.correct,
        layers=layers,
        diagnostics=diagnostics,
    )


def _train(task: Task, catalog: Catalog, split: data.Split, phases: "Phases") -> Made:
    """Build the network, open the techniques' doors, fit, save."""
    cell = task.node.cell
    with phases("build"):
        architecture = catalog.card("architectures", cell.architecture.name)
        if reason := too_small(cell, architecture, split.train.x.shape[1:]):  # of a person's own pictures
            raise Unsupported(reason)
        model = network.build(catalog, cell.architecture, split)
        for door, parameters in _doors(catalog, cell, "model"):
            model = door(model, **parameters)
        trainer = training.trainer(catalog, cell.techniques, split, cell.training, task.node.seed or 0, _reporter(task))
    with phases("fit"):
        takeover = next(_doors(catalog, cell, "fit"), None)
        fitted = takeover[0](trainer, model, **takeover[1]) if takeover else trainer.fit(model)
    with phases("save"):
        artifact = network.save(network.main_head(model), task.home.artifacts)
    return artifact, [], fitted.series, fitted.jit_compile


def _read(task: Task, catalog: Catalog, split: data.Split, phases: "Phases") -> Made:
    """Take a network that is trained already from a person's file."""
    use = task.node.cell.architecture
    with phases("read"):
        found = catalog.load("architectures", use.name).read(task.folder, **use.parameters)
        artifact = network.keep(found, task.home.artifacts)
        try:
            answers = _raw_outputs(task, catalog, artifact, split.train.x[:64])
            kind = evaluation.kind_of(answers, split.facts, use.parameters["outputs"])
        except Unsupported as error:
            raise Unsupported(f"{use.parameters['path']}: {error}") from error
        except Exception as error:  # each runtime has its own for a shape that does not fit
            wanted = getattr(found, "input_shape", None)
            takes = f"it takes {wanted[1:]}" if wanted else f"channels last: {first_line(error)}"
            raise Unsupported(
                f"{use.parameters['path']}: does not take examples of shape {split.train.x.shape[1:]}; {takes}"
            ) from error
    return msgspec.structs.replace(artifact, outputs=kind), [], (), None


def _derive(task: Task, catalog: Catalog, split: data.Split, phases: "Phases") -> Made:
    """Let the last technique make a new network from the parent's."""
    assert task.parent is not None
    use = task.node.cell.techniques[-1]
    job = training.Job(
        network=task.home.artifacts / task.parent.file,
        split=split,
        settings=task.node.cell.training,
        seed=task.node.seed or 0,
        folder=task.folder,
        outputs=task.parent.outputs,
    )
    with phases("fit"):
        product = catalog.load("techniques", use.name).after(job, **use.parameters)
    with phases("save"):
        artifact = network.keep(product.network, task.home.artifacts)
        artifact = msgspec.structs.replace(artifact, outputs=task.parent.outputs)
    figures = [
        Measurement(name=name, value=value, unit=unit, better="none") for name, (value, unit) in product.figures.items()
    ]
    return artifact, figures, product.series, None


def _split(task: Task, catalog: Catalog) -> data.Split:
    cell = task.node.cell
    return data.prepare(catalog, cell.dataset, task.node.fold, cell.training.validation)


def _verify_files(task: Task, catalog: Catalog) -> None:
    """Refuse a person's own files that have changed since the plan was made."""
    cell = task.node.cell
    here = catalog.files("datasets", cell.dataset) | catalog.files("architectures", cell.architecture)
    for name, listing in here.items():
        if task.node.code.get(name) != listing:
            raise DataError(f"{name.removeprefix('files/')}: changed since the run was planned; run again")


def _outputs(task: Task, catalog: Catalog, artifact: Artifact, split: data.Split) -> evaluation.Floats:
    """Return an artifact's outputs on the whole test set, as logits (n, classes) or values (n, 1)."""
    return evaluation.logits(_raw_outputs(task, catalog, artifact, split.test.x), artifact.outputs, split.facts)


def _raw_outputs(task: Task, catalog: Catalog, artifact: Artifact, x: NDArray[np.generic]) -> evaluation.Floats:
    runtime = Use(EVALUATED_ON[artifact.format])
    return deployment.deploy(catalog, runtime, _deployable(task, artifact)).outputs(x)


def _deployable(task: Task, artifact: Artifact) -> deployment.Deployable:
    path = task.home.artifacts / artifact.file
    return deployment.Deployable(artifact, path, task.threads, conversions=task.home.conversions)


def _doors(catalog: Catalog, cell: Cell, door: str) -> Iterator[tuple[Callable[..., Any], dict[str, Any]]]:
    """Yield the function and parameters of each technique that opens a door, in the recipe's order."""
    for use in cell.techniques:
        if door in catalog.card("techniques", use.name).doors:
            yield getattr(catalog.load("techniques", use.name), door), use.parameters


def _reporter(task: Task) -> training.Report:
    """Return a function that leaves each epoch's metrics where the runner looks for them."""

    def report(epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        progress = Progress(epoch=epoch, epochs=epochs, metrics=metrics)
        write_atomic(task.folder / "progress.json", msgspec.json.encode(progress))

    return report


@contextmanager
def _node_folder(task: Task) -> Iterator[None]:
    shutil.rmtree(task.folder, ignore_errors=True)
    task.folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(task.folder, ignore_errors=True)


class Phases:
    """A stopwatch: `with phases("fit"): …` adds to `seconds["fit"]`."""

    def __init__(self) -> None:
        """Start with no phase."""
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a phase."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 4)
