"""What has become of a job → a record, a dataset's fate, how far it is."""

from typing import Any

import msgspec

from bench import store
from bench.errors import DataError, RecordError, Unsupported, first_line, is_out_of_memory
from bench.records import Record, Status, Use
from bench.runner.workers import Died, Job, Late
from bench.tasks import Progress, Sample, Task, failure, provenance, record


def outcome(job: Job, task: Task) -> Any:
    """Return what the worker returned, or the record of what became of it."""
    try:
        return job.result()
    except Late:
        return failure(task, "timeout", "TimeoutError", "stopped after its time limit; raise --timeout")
    except Died as died:
        if died.exitcode == -9:
            return failure(task, "out_of_memory", "Killed", "the worker was killed (signal 9), most likely for memory")
        return failure(task, "failed", "WorkerDied", str(died))
    except Unsupported as error:
        return failure(task, "unsupported", type(error).__name__, str(error))
    except MemoryError as error:
        return failure(task, "out_of_memory", "MemoryError", str(error) or "no memory left")
    except Exception as error:
        status: Status = "out_of_memory" if is_out_of_memory(error) else "failed"
        return failure(task, status, type(error).__name__, first_line(error), "".join(error.__notes__))


def measured(task: Task, samples: list[Sample], sitting: str, before: Record | None = None) -> Record:
    """Return the record of a timing; what took turns shares a sitting, `before` is the timing before."""
    from bench.measure.summary import summarize

    summary = summarize(task, samples, before)
    done = record(
        task,
        "finished",
        provenance=provenance(task, device=samples[0].device),
        phases_s={"measure": round(sum(sample.duration_s for sample in samples), 3)},
        measurements=summary.measurements,
        series=summary.series,
        timings=summary.timings,
        sitting=sitting,
        runtime_packages=tuple(sorted(task.node.packages)),
    )
    try:
        store.encode(done)  # a figure that no record can hold is the node's fault, not the whole run's
    except RecordError as error:
        return failure(task, "failed", "RecordError", str(error))
    return done


def progress(task: Task) -> Progress | None:
    """Return how far a training says that it is."""
    try:
        return msgspec.json.decode((task.folder / "progress.json").read_bytes(), type=Progress)
    except (OSError, msgspec.DecodeError):
        return None


def loaded(use: Use, job: Job) -> Any:
    """Return what a job says of a dataset; raise DataError, whatever has become of it."""
    try:
        return job.result()
    except Died as error:
        fault = f"loading it ended its process with exit code {error.exitcode}; is there enough memory?"
        raise DataError(f"{use}: {fault}") from error
    except Late as error:
        raise DataError(f"{use}: loading it took longer than its time limit; raise --timeout") from error
    except RuntimeError as error:
        raise DataError(f"{use}: its load: {first_line(error)}") from error
