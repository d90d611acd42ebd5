"""One node from top to bottom, in a worker process.

`execute` trains, reads, derives or looks at a network; `prepare` makes one ready to be timed.
Whatever goes wrong with a node becomes its record; only a fault of the machine (a crash, a kill, a
time limit) is left to the runner to record. Heavy: imported in worker processes alone.
"""

import shutil
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

import keras
import msgspec
import numpy as np

from bench import disk, store
from bench.blocks.keras_integers import is_quantized
from bench.catalog import Catalog
from bench.errors import DataError, Diverged, NotInstalled, Unsupported, is_out_of_memory
from bench.files import contents
from bench.planning.compatibility import EVALUATED_ON, is_trained, too_small
from bench.planning.fingerprints import code_of
from bench.records import Artifact, Diagnosis, Measurement, Record, Series, Status, Table, canonical, cell_id
from bench.runner.process import visible
from bench.tasks import (
    COMPARED,
    EXPECTED,
    FRAMEWORKS,
    Progress,
    Task,
    failure,
    is_importable,
    provenance,
    record,
    versions,
)
from bench.work import (
    converted,
    data,
    decoded,
    deployment,
    derived,
    evaluation,
    network,
    notices,
    stored,
    taken,
    training,
)
from bench.work.checkpoint import Checkpoints
from bench.work.device import device
from bench.work.faults import cause
from bench.work.phases import Phases
from bench.work.recipe import Recipe
from bench.work.trained import Trained
from bench.work.watching import Watching


@dataclass(frozen=True)
class Made:
    """What a node leaves before it is judged; `described` is the Keras network whose layers it has, if any."""

    artifact: Artifact
    described: keras.Model | None = None
    figures: list[Measurement] = field(default_factory=list)
    series: tuple[Series, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)
    jit_compile: bool | None = None
    stages: tuple[training.Stage, ...] = ()
    watching: Watching | None = None


def execute(task: Task) -> Record:
    """Run a `train`, `derive` or `diagnose` node and return its record, whatever happens."""
    keras.config.disable_traceback_filtering()  # or it wraps what a plugin raises in words of its own
    with _node_folder(task):
        try:
            done = _diagnose(task) if task.node.kind == "diagnose" else _train_or_derive(task)
            store.encode(done)  # a figure that no record can hold is the node's fault, not the whole run's
            return done
        except Unsupported as error:
            told = traceback.format_exc() if error.__cause__ else None
            return failure(task, "unsupported", type(error).__name__, str(error), told)
        except Diverged as error:
            return failure(task, "diverged", "Diverged", str(error))
        except MemoryError as error:
            return failure(task, "out_of_memory", "MemoryError", str(error) or "no memory left")
        except Exception as error:
            traceback.print_exc()
            status: Status = "out_of_memory" if is_out_of_memory(error) else "failed"
            return failure(task, status, *cause(error, task.plugins), traceback.format_exc())


def prepare(task: Task) -> Path:
    """Convert the parent's network for a `measure` node and lay out what it is timed on; errors go to the runner."""
    assert task.parent is not None and task.node.measure is not None
    catalog, spec = Catalog(task.plugins), task.node.measure
    facts = catalog.card("runtimes", spec.runtime.name).facts(spec.runtime)
    if facts.install and not is_importable(facts.packages[0]):
        raise NotInstalled(f"{facts.packages[0]} is not installed ({facts.install})")
    converted.file(catalog, spec.runtime, task.home, task.parent)
    split = _split(task, catalog)
    answers = Answers(task, catalog, task.parent, split.facts)
    only = None if task.parent.format == "keras" else answers.deployed.batch_size
    if only and set(spec.batch_sizes) != {only}:
        raise Unsupported(f"the network takes batches of {only} alone; batch_sizes: [{only}] times it")
    task.folder.mkdir(parents=True, exist_ok=True)
    path = task.folder / "examples.npy"
    np.save(path, split.test.x[: max(*spec.batch_sizes, COMPARED)])
    np.save(path.with_name(EXPECTED), answers.kept(split.test)[:COMPARED])
    return path


def _train_or_derive(task: Task) -> Record:
    phases, catalog, node = Phases(), Catalog(task.plugins), task.node
    training.begin(node.cell.training, node.seed)
    training.remember_compiled(task.home.compiled)
    with phases("load"):
        _verify_files(task, catalog)
        split = _split(task, catalog)
        recipe = Recipe(catalog, node.cell, cache(lambda cell: _trained(task, split, _named(task, cell))))
        learn = recipe.learn(split.learn, node.fold)

    if node.kind == "derive":
        make = _derive
    else:
        make = _train if is_trained(catalog.card("architectures", node.cell.architecture.name)) else _read
    made = make(task, catalog, recipe, learn, phases)

    with phases("evaluate"):
        untouched = split.train
        split = data.Split(learn.facts, learn.train, learn.validation, split.test)
        artifact, figures = made.artifact, made.figures
        answers = Answers(task, catalog, artifact, split.facts)
        outputs = answers.kept_to(split.test)
        if make is _read:
            taken.require_numbers(node.cell.architecture.parameters["path"], outputs, split.test.x)
        judged = evaluation.evaluate(outputs, split)
        figures += judged.measurements
        figures += evaluation.overfitting(answers.to(untouched), untouched, split.facts, judged.measurements)
        if node.kind == "derive":
            assert task.parent is not None
            before = Answers(task, catalog, task.parent, split.facts).kept_to(split.test)
            figures += derived.figures(outputs, before, split)
            figures += stored.figures(artifact, task.home.artifacts)
            for note in notices.undone(catalog, task, figures):
                _tell(note)
        given = node.cell.architecture.parameters
        if make is _read and (table := taken.doubt(figures, answers.deployed.outputs, learn, artifact.outputs, given)):
            _tell(taken.told(given["path"], table))
            made = replace(made, tables={"scales": table})
        if made.stages:
            learned = _judge_stages(made, split)
            figures += learned.measurements
            made = replace(made, series=(*made.series, learned.series), tables=made.tables | {"tasks": learned.table})
        layers = network.layer_table(made.described) if made.described else stored.layers(artifact, task.home.artifacts)
        figures += network.complexity(layers) + network.size(artifact, task.home.artifacts)
    if "fit" in phases.seconds:
        figures.append(Measurement(name="fit_s", value=phases.seconds["fit"], unit="s", better="lower"))
    return record(
        task,
        "finished",
        provenance=provenance(task, device=device(), jit_compile=made.jit_compile),
        phases_s=phases.seconds,
        data=data.describe(split),
        artifact=artifact,
        measurements=tuple(figures),
        series=made.series,
        tables=made.tables,
        watched=node.watches,
        watch_faults=made.watching.faults if made.watching else {},
        confusion=judged.confusion,
        correct=judged.correct,
        layers=layers,
    )


def _train(task: Task, catalog: Catalog, recipe: Recipe, learn: data.Learn, phases: Phases) -> Made:
    """Build the network, open the techniques' doors, fit, save."""
    cell, checkpoints = task.node.cell, Checkpoints(task.checkpoints, device())
    with phases("build"):
        architecture = catalog.card("architectures", cell.architecture.name)
        if reason := too_small(cell, architecture, learn.train.x.shape[1:]):  # of a person's own pictures
            raise Unsupported(reason)
        model = recipe.build(learn)
        trainer = recipe.trainer(learn, task.node.seed or 0, _reporter(task), checkpoints, task.home.features)
        watching = Watching(recipe, task, trainer)
    with phases("fit"):
        takeover = next(recipe.doors("fit"), None)
        product = takeover(trainer, model) if takeover else trainer.fit(model)
    phases.seconds["fit"] += checkpoints.resumed_s
    phases.move(watching.seconds, "fit", "watch")
    with phases("save"):
        trained = network.main_head(product.network)
        artifact = disk.patiently(lambda: network.save(trained, task.home.artifacts), _tell)
    return Made(
        artifact=artifact,
        described=trained,
        figures=_figures(product),
        series=(*product.series, *watching.series()),
        tables=product.tables,
        jit_compile=training.jit_compile(),
        stages=product.stages,
        watching=watching,
    )


def _read(task: Task, catalog: Catalog, recipe: Recipe, learn: data.Learn, phases: Phases) -> Made:
    """Take a network that is trained already from a person's file."""
    use = task.node.cell.architecture
    with phases("read"):
        found = recipe.bound("architectures", use, "read")(task.folder)
        artifact = network.keep(found, task.home.artifacts)
        answers = Answers(task, catalog, artifact, learn.facts)
        file = task.home.artifacts / artifact.file
        kind = taken.kind(use.parameters, found, file, lambda: answers.deployed, learn)
    described = found if isinstance(found, keras.Model) else None
    return Made(msgspec.structs.replace(artifact, outputs=kind), described)


def _derive(task: Task, catalog: Catalog, recipe: Recipe, learn: data.Learn, phases: Phases) -> Made:
    """Let the last technique make a new network from the parent's, or from those of all seeds."""
    cell, checkpoints = task.node.cell, Checkpoints(task.checkpoints, device())
    before = cell_id(msgspec.structs.replace(cell, techniques=cell.techniques[:-1]))
    parents = [artifact for name, artifact in task.parents.items() if name.startswith(before)]
    job = training.Job(
        parents=tuple(_trained(task, learn, artifact) for artifact in parents),
        learn=learn,
        settings=cell.training,
        seed=task.node.seed or 0,
        folder=task.folder,
        trainer=recipe.trainer(learn, task.node.seed or 0, _reporter(task), checkpoints, task.home.features),
    )
    with phases("fit"):
        (after,) = recipe.doors("after", cell.techniques[-1:])
        product = after(job)
    phases.seconds["fit"] += checkpoints.resumed_s
    with phases("save"):
        artifact = disk.patiently(lambda: network.keep(product.network, task.home.artifacts), _tell)
        artifact = msgspec.structs.replace(artifact, outputs=product.outputs or parents[0].outputs)
    # A converted network does as much as the Keras network that it was made from.
    described = product.network
    if isinstance(described, Path):
        described = job.parent.network if parents[0].format == "keras" else None
    elif any(map(is_quantized, described._flatten_layers())):
        described = _trained(task, learn, parents[0]).network  # packed weights and scales are not counted as weights
    return Made(artifact, described, _figures(product), product.series, product.tables)


def _judge_stages(made: Made, split: data.Split) -> evaluation.Continual:
    """Judge a network as it was after each of its tasks, without its auxiliary heads; it ends as it is now."""
    network, outputs = made.described, []
    assert network is not None
    for stage in made.stages:
        network.set_weights(stage.weights)
        outputs.append(network.predict(split.test.x, batch_size=256, verbose=0))
    return evaluation.continual(outputs, [stage.classes for stage in made.stages], split)


def _diagnose(task: Task) -> Record:
    """Let a diagnostic look at a finished network."""
    phases, catalog, use = Phases(), Catalog(task.plugins), task.node.diagnostic
    assert use is not None and task.parent is not None
    if task.fault:
        return record(task, "failed", error=task.fault)
    training.begin(task.node.cell.training, task.node.seed)
    with phases("load"):
        split = _split(task, catalog)
        recipe = Recipe(catalog, task.node.cell, lambda cell: _trained(task, split, _named(task, cell)))
    with phases("diagnose"):
        outcome = evaluation.Outcome(
            outputs=Answers(task, catalog, task.parent, split.facts).kept_to(split.test),
            split=split,
            file=task.home.artifacts / task.parent.file,
            series=task.series,
        )
        found: Diagnosis = recipe.bound("diagnostics", use, "diagnose")(outcome)
    return record(
        task,
        "finished",
        provenance=provenance(task, device=device()),
        phases_s=phases.seconds,
        data=data.describe(split),
        measurements=found.measurements,
        diagnostics={use.name: msgspec.structs.replace(found, measurements=())},
    )


def _figures(product: training.Product) -> list[Measurement]:
    return [
        Measurement(name=name, value=float(value), unit=unit, better="none")
        for name, (value, unit) in product.figures.items()
    ]


def _named(task: Task, cell: str) -> Artifact:
    """Return what the node was given of a cell that a technique names."""
    found = [artifact for name, artifact in task.parents.items() if name.startswith(cell)]
    assert found, f"{task.node.id} was not given a network of {cell}"
    return found[0]


def _trained(task: Task, learn: data.Learn, artifact: Artifact) -> Trained:
    return Trained(task.home.artifacts / artifact.file, artifact.outputs, learn.facts)


def _split(task: Task, catalog: Catalog) -> data.Split:
    cell = task.node.cell
    loader = decoded.loader(catalog, cell.dataset, task.home)
    own = catalog.given("datasets", cell.dataset)
    return data.prepare(loader, cell.dataset, own, task.node.fold, cell.training.validation)


def _verify_files(task: Task, catalog: Catalog) -> None:
    """Refuse a person's own files that have changed since the plan was made."""
    cell = task.node.cell
    for kind, use in (("datasets", cell.dataset), ("architectures", cell.architecture)):
        for name, found in contents.of_use(catalog, kind, use, task.home.contents).items():
            if task.node.code.get(name) != found:
                raise DataError(f"{name.removeprefix(contents.PREFIX)}: changed since the run was planned; run again")


class Answers:
    """What a finished network answers, on the runtime that its accuracy is taken on."""

    def __init__(self, task: Task, catalog: Catalog, artifact: Artifact, facts: data.Facts) -> None:
        """Load nothing yet."""
        self._task = task
        self._catalog = catalog
        self._artifact = artifact
        self._runtime = catalog.resolve("runtimes", EVALUATED_ON[artifact.format])
        self._facts = facts

    @cached_property
    def deployed(self) -> deployment.Deployed:
        """The network, ready to predict."""
        task = self._task
        return deployment.deploy(self._catalog, self._runtime, task.home, self._artifact, task.threads)

    def to(self, part: data.Part) -> evaluation.Floats:
        """Return the outputs for all examples, as logits (n, classes) or values (n, 1)."""
        return evaluation.logits(self.deployed.outputs(part.x), self._artifact.outputs, self._facts)

    def kept_to(self, part: data.Part) -> evaluation.Floats:
        """Return the same, computed once for all nodes that ask for it."""
        return evaluation.logits(self.kept(part), self._artifact.outputs, self._facts)

    def kept(self, part: data.Part) -> evaluation.Floats:
        """Return them as the network gives them, (n, outputs), computed once for all nodes that ask for it."""
        card = self._catalog.card("runtimes", self._runtime.name)
        used = versions((*FRAMEWORKS, *card.facts(self._runtime).packages))
        how = (code_of(card), used, self._task.backend, device())
        key = sha256(canonical((self._artifact.digest, part.fingerprint, how))).hexdigest()[:32]
        kept = self._task.home.outputs / f"{key}.npy"
        try:
            raw: evaluation.Floats = np.load(kept)
        except (OSError, ValueError, EOFError):  # not there, or cut short by a power cut
            raw = self.deployed.outputs(part.x)
            with suppress(OSError):  # a full disk, say: they are computed again
                kept.parent.mkdir(parents=True, exist_ok=True)
                draft = self._task.folder / "outputs.npy"
                np.save(draft, raw)
                draft.replace(kept)
        return raw


def _reporter(task: Task) -> training.Report:
    """Return a function that leaves each epoch's metrics where the runner looks for them."""

    def report(epoch: int, epochs: int, metrics: dict[str, float]) -> None:
        progress = Progress(epoch=epoch, epochs=epochs, metrics=metrics)
        draft = task.folder / ".progress.json"
        with suppress(OSError):  # a full disk is no reason to end a healthy training
            draft.write_bytes(msgspec.json.encode(progress))  # atomic, but not worth waiting for the disk
            draft.replace(task.folder / "progress.json")

    return report


def _tell(text: str) -> None:
    with visible():
        print(f"bench: {text}", file=sys.stderr)


@contextmanager
def _node_folder(task: Task) -> Iterator[None]:
    shutil.rmtree(task.folder, ignore_errors=True)
    task.folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(task.folder, ignore_errors=True)
