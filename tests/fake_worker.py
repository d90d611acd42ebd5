"""A worker without TensorFlow, so that the whole flow can be tested in seconds.

It does what `bench.work.worker` and `bench.measure.timing` promise: `execute` returns a record and
leaves an artifact, `prepare` a file of examples, `sample` returns timings.
Magic learning rates make it crash, hang, diverge or raise.
"""

import hashlib
import os
import time
from pathlib import Path

import factory

from bench.records import Artifact
from bench.tasks import BatchSamples, Record, Sample, Task, failure, record

CRASHES, HANGS, DIVERGES, RAISES, NO_MEMORY = 0.666, 0.777, 0.888, 0.999, 0.555


def execute(task: Task) -> Record:
    rate = task.node.cell.training.learning_rate
    if rate == CRASHES:
        os._exit(7)
    if rate == NO_MEMORY:
        os.kill(os.getpid(), 9)
    if rate == HANGS:
        time.sleep(60)
    if rate == RAISES:
        raise RuntimeError("the worker has a fault")
    if rate == DIVERGES:
        return failure(task, "diverged", "Diverged", "the loss became nan in epoch 1; lower the learning rate")
    assert task.node.kind == "train" or task.parent is not None
    if task.parent:
        assert (task.home.artifacts / task.parent.file).exists()
    digest = hashlib.sha256(task.node.id.encode()).hexdigest()
    task.home.artifacts.mkdir(parents=True, exist_ok=True)
    (task.home.artifacts / f"{digest[:32]}.keras").write_text(task.node.id)
    like = factory.record(task.node.cell, seed=task.node.seed, accuracy=0.97)
    return record(
        task,
        "finished",
        phases_s={"fit": 1.5},
        artifact=Artifact(digest=digest, format="keras", file=f"{digest[:32]}.keras", size_bytes=9, outputs="logits"),
        data=like.data,
        measurements=like.measurements,
        series=like.series,
        confusion=like.confusion,
        correct=like.correct,
    )


def prepare(task: Task) -> Path:
    assert task.parent is not None
    mark = task.home.root / f"preparing-{os.getppid()}-{task.parent.digest}"
    mark.mkdir()  # of one run no two at a time, as both would convert the network
    time.sleep(0.02)
    mark.rmdir()
    task.folder.mkdir(parents=True)
    (task.folder / "examples").write_text(task.node.id)
    return task.folder / "examples"


def sample(task: Task, examples: Path) -> Sample:
    assert examples.read_text() == task.node.id
    assert task.parent is not None
    assert (task.home.artifacts / task.parent.file).exists()
    spec = task.node.measure
    assert spec is not None
    batches = tuple(
        BatchSamples(batch_size=size, first_call_ms=5.0, latencies_ms=[0.5 + 0.001 * i for i in range(40)])
        for size in spec.batch_sizes
    )
    return Sample(batches=batches, size_bytes=9, duration_s=0.1, load_ms=4.0)
