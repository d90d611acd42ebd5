"""A recorded network for a person who wants to use it: its file, a card, and a program that runs it."""

import os
import shutil
from pathlib import Path

from bench import dataset_record, store
from bench.catalog import Catalog
from bench.errors import BenchError, shortened
from bench.overview import Found, find_run
from bench.records import Measurement, Record
from bench.runner.process import environment
from bench.runner.workers import Kind, once
from bench.suite_record import SuiteCell
from bench.tasks import home

FILES = {
    "keras": "network.keras",
    "litert": "network.tflite",
    "onnx": "network.onnx",
    "openvino": "network.xml",
    "saved_model": "network",
}
"""What each format is called in the folder that a person gets; a SavedModel is a folder, OpenVINO has another file."""
CLASSES_IN_FULL = 30

_LOAD = {
    "keras": """\
import keras
network = keras.models.load_model("network.keras", compile=False)
outputs = np.asarray(network(x.astype(np.float32)))[0]""",
    "saved_model": """\
import tensorflow as tf
network = tf.saved_model.load("network")
outputs = network.serve(tf.constant(x, tf.float32)).numpy()[0]""",
    "litert": """\
from ai_edge_litert.interpreter import Interpreter
network = Interpreter("network.tflite")
network.allocate_tensors()
entry, leave = network.get_input_details()[0], network.get_output_details()[0]
scale, zero = entry["quantization"]
if scale:
    limits = np.iinfo(entry["dtype"])
    x = np.clip(np.round(x / scale) + zero, limits.min, limits.max)
network.set_tensor(entry["index"], x.astype(entry["dtype"]))
network.invoke()
outputs, (scale, zero) = network.get_tensor(leave["index"])[0].astype(np.float32), leave["quantization"]
outputs = (outputs - zero) * scale if scale else outputs""",
    "onnx": """\
import onnxruntime
network = onnxruntime.InferenceSession("network.onnx")
entry = network.get_inputs()[0]
kind = {"tensor(double)": "float64", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}.get(entry.type, "float32")
outputs = network.run(None, {entry.name: x.astype(kind)})[0][0]""",
    "openvino": """\
import openvino
network = openvino.Core().compile_model("network.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})  # as measured
outputs = network(x.astype(network.input(0).get_element_type().to_dtype()))[0][0]""",
}
"""How each format is run on `x`, one example with a batch axis."""
_NEEDS = {
    "keras": ("keras", "tensorflow"),
    "saved_model": ("tensorflow",),
    "litert": ("ai-edge-litert",),
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
}


def hand_over(results: Path, run: str, to: str, destination: Path, catalog: Catalog) -> Path:
    """Write a run's network, `README.md` and `run.py` into a new or empty folder, and return it.

    Raise BenchError for a run that has none here, a folder that holds something, and what cannot be converted.
    """
    reading = store.read(results)
    found = find_run(reading, run, results)
    made = [one for one in found.records if one.artifact and one.status == "finished"]
    if not made:
        raise BenchError(f"{found.id}: has no finished network (bench show {found.id})")
    record = next((one for one in made if one.node == "derive"), made[-1])
    assert record.artifact is not None
    file = home().artifacts / record.artifact.file
    if not file.exists():
        cure = f"bench run {record.suite} --artifacts makes it anew"
        raise BenchError(f"{found.id}: its network is not on this machine; {cure}")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise BenchError(f"{destination}: is there already and not empty; name a new folder")
    is_new = not destination.exists()
    destination.mkdir(parents=True, exist_ok=True)
    kind = Kind.of("keras", variables=environment(os.environ.get("KERAS_BACKEND", "tensorflow"), 1))
    job = once(kind, home().logs / "workers.log", "bench.work.exporting:export", file, to, destination)
    try:
        written: Path = job.result()
    except BenchError as error:
        if is_new:
            shutil.rmtree(destination, ignore_errors=True)
        raise BenchError(f"{found.id}: {error}") from error
    row = next((cell for cell in reading.suites[record.suite].cells if cell.cell_id == record.cell_id), None)
    (destination / "run.py").write_text(program(record, to), encoding="utf-8")
    card = _card(found, record, row, to, _size(written), catalog, _columns(results, record, catalog))
    (destination / "README.md").write_text(card, encoding="utf-8")
    return destination


def _columns(results: Path, record: Record, catalog: Catalog) -> list[str]:
    """Return the names of a table's columns as the network takes them; none where nothing here says so."""
    dataset = record.cell.dataset
    if record.data is None or dataset.name not in catalog.names("datasets"):
        return []
    explored = dataset_record.find(results, catalog.plain(dataset), record.data.source)
    if explored is None or record.data.shape != (len(explored.columns),):
        return []
    return [shortened(column.name, 60).replace("|", "\\|") for column in explored.columns]


def _size(path: Path) -> int:
    beside = [path.with_suffix(".bin")] if path.suffix == ".xml" else []
    files = [*path.rglob("*")] if path.is_dir() else [path, *beside]
    return sum(file.stat().st_size for file in files if file.is_file())


def program(record: Record, to: str) -> str:
    """Return a short Python program that runs a network on one example and prints the answer."""
    assert record.data is not None
    shape, classes = record.data.shape, record.data.classes
    if len(shape) == 3:
        height, width, channels = shape
        mode = "L" if channels == 1 else "RGB"
        what, usage, given, picture = "a picture", "FILE", 1, "from PIL import Image\n"
        reading = f'picture = Image.open(sys.argv[1]).convert("{mode}").resize(({width}, {height}))\n'
        reading += f"x = np.asarray(picture).reshape(1, {height}, {width}, {channels})  # 0–255, as they are"
    else:
        what, usage, given, picture = f"{shape[0]} numbers", "NUMBER …", shape[0], ""
        reading = "x = np.array([[float(word) for word in sys.argv[1:]]])  # raw columns; nan for a missing one"
    answer = "print(float(outputs[0]))"
    if classes:
        limit = 0.5 if record.artifact and record.artifact.outputs == "probabilities" else 0.0
        best = f"int(outputs[0] > {limit}) if len(outputs) == 1 else int(outputs[:{len(classes)}].argmax())"
        answer = f"classes = {list(classes)!r}\nprint(classes[{best}])"
    return (
        f'"""Print the network\'s answer to {what}: python run.py {usage} (pip install {_needs(record, to)})."""\n'
        f"import sys\n\nimport numpy as np\n{picture}\n"
        f"if len(sys.argv) != {given + 1}:\n    sys.exit(__doc__)\n{reading}\n{_LOAD[to]}\n{answer}\n"
    )


def _needs(record: Record, to: str) -> str:
    pictures = ("pillow",) if record.data and len(record.data.shape) == 3 else ()
    return " ".join((*_NEEDS[to], *pictures, "numpy"))


def _card(
    found: Found, record: Record, row: SuiteCell | None, to: str, size: int, catalog: Catalog, columns: list[str]
) -> str:
    assert record.data is not None
    assert record.artifact is not None
    cell, data = record.cell, record.data
    known = catalog.names("datasets")
    licence = catalog.card("datasets", cell.dataset.name).licence if cell.dataset.name in known else None
    lines = [
        f"# {row.label if row else found.id}",
        "",
        f"A network for `{cell.dataset}`, made by keras-bench: `{cell.architecture}`"
        + (f", then {', '.join(f'`{use}`' for use in cell.techniques)}" if cell.techniques else "")
        + (f"; {cell.training.epochs} epochs, seed {record.seed}." if record.seed is not None else "."),
        "",
        "| | |",
        "|---|---|",
    ]
    rows = [
        ("File", f"`{FILES[to]}`, {size:,} bytes"),
        ("Input", _input(record, columns)),
        ("Preparation", _preparation(to)),
        ("Output", _output(record)),
        *_scores(record),
        *_timings(found, record, to),
        ("Data", f"{data.source}, {data.n_train:,} examples to learn from, {data.n_test:,} to test"),
        ("Licence of the data", licence or "not stated; ask its source"),
        ("Network", f"SHA-256 `{record.artifact.digest}`; run `{found.id}`, recorded {record.created}"),
    ]
    lines += [f"| {name} | {value} |" for name, value in rows]
    if record.artifact.format != to:
        lines += ["", f"Converted from the {record.artifact.format} network on which the scores were taken."]
    lines += ["", f"`python run.py` prints its answer to one example; it needs `pip install {_needs(record, to)}`.", ""]
    return "\n".join(lines)


def _preparation(to: str) -> str:
    integers = "; an input of integers wants them by its own scale, as in `run.py`" if to == "litert" else ""
    return f"inside the network: give it the data as they are{integers}"


def _input(record: Record, columns: list[str]) -> str:
    assert record.data is not None
    shape = record.data.shape
    if len(shape) == 3:
        return f"(n, {', '.join(map(str, shape))}), pixels 0–255, channels last"
    named = f": {', '.join(columns)}" if columns else ""
    return f"(n, {shape[0]}), the table's raw columns in order, NaN for missing{named}"


def _output(record: Record) -> str:
    assert record.data is not None
    assert record.artifact is not None
    classes = record.data.classes
    if not classes:
        return "(n, 1), the value itself"
    named = ", ".join(classes[:CLASSES_IN_FULL]) + (", …" if len(classes) > CLASSES_IN_FULL else "")
    return f"{record.artifact.outputs} of {len(classes)} classes: {named}"


def _scores(record: Record) -> list[tuple[str, str]]:
    """Return what the network reached on the test set, each with its interval."""
    wanted = ("accuracy", "balanced_accuracy", "roc_auc", "r2", "rmse", "accuracy_drop")
    found: dict[str, Measurement] = {}
    for m in record.measurements:
        if m.name in wanted and m.split in {"test", None}:
            found.setdefault(m.name, m)
    return [(name.replace("_", " ").capitalize(), _score(found[name])) for name in wanted if name in found]


def _score(m: Measurement) -> str:
    ends = f" (95 %: {m.low:.4f} to {m.high:.4f})" if m.low is not None and m.high is not None else ""
    return f"{m.value:.4f}{ends} on {m.n:,} test examples" if m.n else f"{m.value:.4f}{ends}"


def _timings(found: Found, record: Record, to: str) -> list[tuple[str, str]]:
    """Return the timings of this very network on runtimes that run the format; of one that is not valid, why."""
    runs = {"keras": ("keras", "tf_function", "xla", "jax", "torch"), "onnx": ("onnxruntime",)}.get(to, (to,))
    digest = record.artifact.digest if record.artifact else ""
    again = f"bench measure {record.suite} takes"
    rows = []
    for one in found.records:
        if not one.measure or one.parents[:1] != (digest,) or not one.measure.runtime.name.startswith(runs):
            continue
        single = next((timing for timing in one.timings if timing.batch_size == 1), None)
        p50 = one.value("latency_ms", statistic="p50", batch_size=1)
        if single is None or p50 is None:
            continue
        where = f"{one.provenance.hardware.cpu}, {one.measure.threads} thread(s)"
        told = f"{p50:.3f} ms, half of all calls with one example; {where}"
        if single.validity != "valid":
            why = f": {shortened(single.reasons[0])}" if single.reasons else ""
            told = f"{single.validity}, so not to be relied on{why}; {again} it again"
        rows.append((f"Latency on {one.measure.name}", told.replace("|", "\\|")))
    return rows or [("Latency", f"no timing on what runs this file; {again} one")]
