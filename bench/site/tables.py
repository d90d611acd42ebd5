"""The tables that take more than a lookup: confusion, classes, provenance, and the leaderboard as CSV."""

import csv
import io
import re

from msgspec import Struct

from bench import wording
from bench.records import Record
from bench.site import words
from bench.site.deployments import Meter
from bench.site.model import SuiteView
from bench.site.rows import Row
from bench.stats import Interval

MOST_CLASSES = 20
"""With more classes the whole confusion matrix cannot be read, so only its largest errors are shown."""
MOST_ERRORS = 20
SCORES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "top_5_accuracy": "Top-5 accuracy",
    "coarse_accuracy": "Accuracy of superclasses",
    "mistakes_within_superclass": "Mistakes within the right superclass",
    "precision": "Precision, mean of classes",
    "recall": "Recall, mean of classes",
    "f1": "F1, mean of classes",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "loss": "Log loss",
    "calibration_error": "Expected calibration error",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "r2": "R²",
    "generalization_gap": "Generalization gap (training − test)",
    "average_incremental_accuracy": "Accuracy on all classes so far, mean of tasks",
    "forgetting": "Forgetting, mean of tasks",
}
"""By measurement, in the order in which a cell's page shows them."""
METERED = {
    "cpu_energy_j": "Of the processors for an example, all that goes on there",
    "accelerator_energy_j": "Of the boards for an example, all that goes on there",
    "accelerator_memory_bytes": "What the process holds on the boards, for the largest batch too",
}


class Class(Struct, frozen=True):
    """How well one class is told from the others, as means over seeds."""

    name: str
    precision: float | None
    recall: float | None
    f1: float | None


class Error(Struct, frozen=True):
    """Examples of one class taken for another, over all runs."""

    true: str
    predicted: str
    count: int
    share: float
    """Of the examples of the true class."""


class Confusions(Struct, frozen=True):
    """Counts over all runs; rows are true classes."""

    classes: tuple[str, ...]
    rows: list[list[int]]
    runs: int
    whole: bool
    """There are few enough classes to show the matrix."""
    errors: list[Error]
    """The largest, by count."""


class Fault(Struct, frozen=True):
    """A step of a cell that never finished, for some seeds and one reason."""

    row: Row
    step: str
    outcome: str
    seeds: list[str]
    reason: str


def faults(view: SuiteView) -> list[Fault]:
    """Return what did not work, seeds that failed alike on one line."""
    found: dict[tuple[str, ...], Fault] = {}
    for row in view.rows:
        for record in row.faults:
            step = f"measure on {record.measure.name}" if record.measure else str(record.diagnostic or record.node)
            outcome, reason = record.status.replace("_", " "), record.error.message if record.error else ""
            seed = "–" if record.seed is None else str(record.seed)
            alike = found.setdefault(
                (row.cell.cell_id, step, outcome, reason),
                Fault(row=row, step=step, outcome=outcome, seeds=[], reason=reason),
            )
            if seed not in alike.seeds:
                alike.seeds.append(seed)
    return list(found.values())


def confusions(row: Row) -> Confusions | None:
    """Return the sum of the networks' confusion matrices, or None where there is none."""
    found = [record for record in row.models if record.confusion and record.data]
    if not found:
        return None
    data = found[-1].data
    assert data is not None
    same = [
        record.confusion for record in found if record.confusion and record.data and record.data.classes == data.classes
    ]
    size = len(same[0])
    total = [[sum(table[true][guess] for table in same) for guess in range(size)] for true in range(size)]
    names = data.classes if len(data.classes) == size else tuple(str(index) for index in range(size))
    errors = [
        Error(true=names[true], predicted=names[guess], count=count, share=count / sum(total[true]))
        for true in range(size)
        for guess, count in enumerate(total[true])
        if count and guess != true
    ]
    return Confusions(
        classes=names,
        rows=total,
        runs=len(same),
        whole=size <= MOST_CLASSES,
        errors=sorted(errors, key=lambda error: -error.count)[:MOST_ERRORS],
    )


def scores(row: Row) -> list[tuple[str, Interval, bool]]:
    """Return title, interval over seeds and whether it reads in percent, of all else that the test set says."""
    titles = SCORES | ({"loss": "Mean squared error"} if row.mean("rmse") is not None else {})
    found = ((name, title, row.interval(name)) for name, title in titles.items() if name != row.metric.name)
    shares = words.SHARES | ({"generalization_gap"} if row.metric.percent else set())
    return [(title, interval, name in shares) for name, title, interval in found if interval]


def per_class(row: Row) -> list[Class]:
    """Return precision, recall and F1 of each class, in the dataset's order."""
    names = dict.fromkeys(m.class_name for record in row.models for m in record.measurements if m.class_name)
    return [
        Class(
            name=name,
            precision=row.mean("precision", name),
            recall=row.mean("recall", name),
            f1=row.mean("f1", name),
        )
        for name in names
    ]


def meters(row: Row) -> list[tuple[Meter, tuple[str, str, str]]]:
    """Return what meters have read of a row's timings, each with the head of its column."""
    found = list(dict.fromkeys(meter for timing in row.deployments for meter in timing.meters))
    titles = [words.named(re.sub(r"_(bytes|j|ms|ghz)$", "", meter.name)) for meter in found]
    return [
        (
            meter,
            (
                title if titles.count(title) == 1 else words.named(meter.name),
                "descending" if meter.better == "higher" else "ascending",
                METERED.get(meter.name, f"{meter.name}, as its meter says"),
            ),
        )
        for meter, title in zip(found, titles, strict=True)
    ]


def provenance(record: Record) -> list[tuple[str, str]]:
    """Return where a record comes from, as names and values."""
    of, hardware = record.provenance, record.provenance.hardware
    data = record.data
    clean = {True: " with uncommitted changes", False: "", None: ""}[of.dirty]
    verified = {True: "match", False: "do not match", None: "none published"}
    rows = [
        ("Commit", f"{of.commit}{clean}" if of.commit else ""),
        ("Made", record.created),
        ("Processor", f"{hardware.cpu}, {hardware.cores} cores, {hardware.memory_gib:g} GiB"),
        ("Accelerators", ", ".join((*hardware.accelerators, *([hardware.driver] if hardware.driver else [])))),
        ("Instruction sets", ", ".join(hardware.instruction_sets)),
        ("System", f"{hardware.system}, Python {of.python}"),
        ("Packages", ", ".join(f"{name} {version}" for name, version in sorted(of.packages.items()))),
        ("Execution", f"{of.backend} on {of.device}, threads: {of.threads}"),
        ("Determinism", f"op determinism {'on' if of.determinism else 'off'}, XLA {_known(of.jit_compile)}"),
        ("Hardware fingerprint", hardware.fingerprint),
    ]
    if data:
        rows += [
            ("Data", f"{data.source}; published checksums: {verified[data.verified]}"),
            ("Examples", f"{data.n_train:,} training, {data.n_validation:,} validation, {data.n_test:,} test"),
            ("Test set’s fingerprint", data.test_fingerprint),
        ]
    if record.artifact:
        rows.append(("Network’s digest", record.artifact.digest))
    return [(name, value) for name, value in rows if value]


def leaderboard(view: SuiteView) -> str:
    """Return the boards of a suite as CSV, values as they are in the records."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    costs = ("parameters", "size_bytes", "flops", "fit_s")
    head = ["dataset", "rank", "row", "cell_id", "metric", "value", "low", "high", "n", *costs]
    writer.writerow([*head, "runtime", "latency_p50_ms", "throughput_per_s", "deployed_bytes"])
    for board in view.boards:
        for row in board.rows:
            score = (row.score.value, row.score.low, row.score.high, row.score.n) if row.score else (None,) * 4
            fastest = row.fastest
            timing: tuple[object, ...] = (None,) * 4
            if fastest:
                timing = (fastest.runtime, fastest.p50_ms.value, fastest.throughput, fastest.deployed_bytes)
            rank, cell = board.ranks.get(row.cell.cell_id), row.cell
            metric = board.metric.name
            names = (board.dataset, rank, cell.label, cell.cell_id, metric)
            writer.writerow(map(wording.inert, (*names, *score, *map(row.mean, costs), *timing)))
    return out.getvalue()


def _known(switch: bool | None) -> str:
    return "as Keras chooses" if switch is None else "on" if switch else "off"
