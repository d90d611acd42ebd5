"""Networks from a person's own files: what they answer, on which runtime, and what is refused."""

import struct
import zipfile
from pathlib import Path

import factory
import msgspec
import numpy as np
import pytest
import workbench

from bench import hand_over
from bench.catalog import Catalog
from bench.errors import Unsupported
from bench.files import contents
from bench.planning.compatibility import unsupported
from bench.records import Artifact, MeasureSpec, Record
from bench.tasks import Home, Node, Task
from bench.work import data, evaluation, exporting, worker
from bench.work.deployment import Deployable

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow

CATALOG = Catalog()
LAST_TENSOR = 12
"""Of `softmax_network` as LiteRT."""


def softmax_network(*, outputs: int = 10, activation: str | None = "softmax") -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(outputs, activation=activation)(x))


def files_of(path: Path, place: Path) -> dict[str, str]:
    use = CATALOG.resolve("architectures", f"model_file(path='{path}')")
    return contents.of_use(CATALOG, "architectures", use, place / "contents.json")


def task_of(path: Path, place: Path, *, dataset: str = "digits", **parameters: object) -> Task:
    """Return the node of a model file as a worker is handed it."""
    inside = "".join(f", {key}={value!r}" for key, value in parameters.items())
    cell = msgspec.structs.replace(
        factory.cell(validation=0.0),
        dataset=CATALOG.resolve("datasets", dataset),
        architecture=CATALOG.resolve("architectures", f"model_file(path='{path}'{inside})"),
    )
    code = files_of(path, place) | contents.of_use(CATALOG, "datasets", cell.dataset, place / "contents.json")
    node = Node(id="n", kind="train", cell_id="n", cell=cell, seed=None, fold=0, code=code)
    return Task(node, "s", Home(place / "home", "s"), (), None, None, threads=1, backend="tensorflow")


def evaluated(path: Path, place: Path, *, dataset: str = "digits", **parameters: object) -> Record:
    """Run the node of a model file as a worker does."""
    return worker.execute(task_of(path, place, dataset=dataset, **parameters))


def quantized(model: keras.Model, path: Path, examples: np.ndarray, **how: object) -> None:
    """Write a network as a LiteRT file that computes with 8-bit integers, whose ranges examples tell."""
    import tensorflow as tf

    model.export(
        path,
        format="litert",
        verbose=False,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([one[np.newaxis].astype(np.float32)] for one in examples),
        **how,
    )


def in_integers(**ends: str) -> dict[str, object]:
    """Return what makes the ends of a LiteRT file integers, too: `input` and `output`, each by its type's name."""
    import tensorflow as tf

    types = {f"inference_{end}_type": getattr(tf, name) for end, name in ends.items()}
    return {"target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}, **types}


def exported(model: keras.Model, path: Path) -> Path:
    """Write a network in the format that the file's suffix names."""
    if path.suffix == ".tflite":
        model.export(path, format="litert", verbose=False)
    elif path.suffix == ".onnx":
        onnx_of(model, path)
    else:
        model.save(path)
    return path


def onnx_of(model: keras.Model, path: Path) -> None:
    """Write the one dense layer after the scaling as ONNX, which needs no converter."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    kernel, bias = model.layers[-1].get_weights()
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answer"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 8, 8, 1])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(kernel / 255, "kernel"), numpy_helper.from_array(bias, "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".tflite", ".onnx"])
def test_every_format_is_judged_alike(tmp_path: Path, suffix: str) -> None:
    model = softmax_network()
    record = evaluated(exported(model, tmp_path / f"mine{suffix}"), tmp_path)
    assert record.status == "finished", record.error
    split = workbench.prepare("digits")
    wanted = model.predict(split.test.x.astype(np.float32), verbose=0)
    assert record.value("accuracy") == pytest.approx((wanted.argmax(axis=1) == split.test.y).mean())
    loss = -np.log(wanted[np.arange(len(wanted)), split.test.y]).mean()
    assert record.value("loss") == pytest.approx(loss, rel=1e-4), "probabilities are not taken for logits"
    assert record.artifact is not None
    assert (record.artifact.outputs, record.seed) == ("probabilities", None)
    assert "fit" not in record.phases_s
    assert (tmp_path / f"mine{suffix}").exists(), "the file itself stays where it is"


def test_a_quantized_file_gets_whole_numbers_by_its_own_scale(tmp_path: Path) -> None:
    model, images = softmax_network(), workbench.prepare("digits").train.x[:50]
    quantized(model, tmp_path / "mine.tflite", images, **in_integers(input="int8", output="int8"))
    model.save(tmp_path / "mine.keras")
    whole, small = (evaluated(tmp_path / name, tmp_path) for name in ("mine.keras", "mine.tflite"))
    assert small.value("accuracy") == pytest.approx(whole.value("accuracy"), abs=0.03)
    assert small.value("loss") == pytest.approx(whole.value("loss"), rel=0.05)
    assert small.artifact is not None
    assert small.artifact.outputs == "probabilities"


@pytest.mark.parametrize("kind", ["int8", "uint8"])
def test_openvino_gives_the_answers_of_a_quantized_file(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    images, file = workbench.prepare("digits").test.x[:8], tmp_path / "mine.tflite"
    assert images.max() > 127, "which int8 cannot hold"
    quantized(softmax_network(), file, images, **in_integers(input=kind, output=kind))
    monkeypatch.chdir(tmp_path)
    answers = {}
    for to in ("litert", "openvino"):
        exporting.export(file, to, tmp_path)
        answers[to] = np.array([by_the_program(to, image) for image in images])
    levels = np.abs(answers["litert"] - answers["openvino"]) * 256
    assert levels.max() <= 4, "each rounds in its own way"
    assert (np.ptp(answers["litert"], axis=0) > 0.05).any(), "or anything would agree"
    artifact = Artifact("0" * 32, "litert", file.name, 1, "probabilities")
    deployed = CATALOG.load("runtimes", "openvino").deploy(Deployable(artifact, file, threads=1))
    assert deployed.outputs(images) == pytest.approx(answers["openvino"], abs=1e-6)


def by_the_program(to: str, image: np.ndarray) -> np.ndarray:
    """Return the answers that a handed-over program computes in the working folder."""
    names = {"np": np, "x": image[np.newaxis]}
    exec(hand_over._LOAD[to], names)
    return np.array(names["outputs"])


def test_logits_are_seen_from_the_answers_or_said(tmp_path: Path) -> None:
    path = exported(softmax_network(activation=None), tmp_path / "mine.keras")
    seen, said = evaluated(path, tmp_path), evaluated(path, tmp_path, outputs="logits")
    assert seen.artifact is not None
    assert seen.artifact.outputs == "logits"
    assert seen.value("loss") == said.value("loss")


def test_a_network_that_wants_another_scale_is_given_it(tmp_path: Path) -> None:
    model = softmax_network()
    inputs = keras.Input((8, 8, 1))
    bare = keras.Model(inputs, model.layers[-1](keras.layers.Flatten()(inputs)))
    exported(bare, tmp_path / "bare.keras")
    exported(model, tmp_path / "whole.keras")
    wanted = evaluated(tmp_path / "whole.keras", tmp_path).value("loss")
    assert evaluated(tmp_path / "bare.keras", tmp_path, scale=1 / 255).value("loss") == pytest.approx(wanted, rel=1e-5)
    assert evaluated(tmp_path / "bare.keras", tmp_path).value("loss") != pytest.approx(wanted, rel=0.1)


def test_one_probability_for_two_classes_is_enough(tmp_path: Path) -> None:
    inputs = keras.Input((30,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", kernel_initializer="zeros")(inputs))
    model.layers[-1].bias.assign([-1.0])
    record = evaluated(exported(model, tmp_path / "m.keras"), tmp_path, dataset="breast_cancer")
    share = 1 / (1 + np.exp(1.0))
    benign = workbench.prepare("breast_cancer").test.y == 0
    assert record.value("accuracy") == pytest.approx(benign.mean())
    wanted = -(benign.mean() * np.log(1 - share) + (1 - benign.mean()) * np.log(share))
    assert record.value("loss") == pytest.approx(wanted, rel=1e-5)


def faulty(folder: Path, fault: str) -> tuple[Path, str]:
    """Return a file with a fault, and what should be said of it."""
    path = folder / "mine.keras"
    match fault:
        case "width":
            return exported(softmax_network(outputs=7), path), "outputs of shape (7,), the dataset needs (10,)"
        case "shape":
            inputs = keras.Input((32, 32, 3))
            model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)))
            return exported(model, path), "does not take examples of shape (8, 8, 1)"
        case "two":
            model = softmax_network()
            return exported(keras.Model(model.inputs, [model.output, model.output]), path), "2 outputs; one of each"
        case "code":
            inputs = keras.Input((8, 8, 1))
            model = keras.Model(inputs, keras.layers.Lambda(lambda x: x[:, 0])(inputs))
            return exported(model, folder / "mine.h5"), "Lambda"
        case "climbing":
            exported(softmax_network(), path)
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("../evil", "x")
            return path, "would leave its folder"
        case "bomb":
            exported(softmax_network(), path)
            with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("assets/zeros", b"\0" * 80_000_000)
            return path, "that would become"
        case "tflite":
            (folder / "mine.tflite").write_bytes(b"nothing")
            return folder / "mine.tflite", "mine.tflite"
    path.write_bytes(b"nothing")
    return path, "not a zip archive"


@pytest.mark.parametrize("fault", ["width", "shape", "two", "code", "climbing", "bomb", "tflite", "text"])
def test_a_file_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, fault: str) -> None:
    path, says = faulty(tmp_path, fault)
    record = evaluated(path, tmp_path)
    assert record.status in {"failed", "unsupported"}
    assert record.error is not None
    assert path.name in record.error.message
    assert says in record.error.message
    assert "\n" not in record.error.message


def wrong_tensor(network: bytes) -> bytes:
    """Let a LiteRT network answer with a tensor that it does not have: sound as a file, and no network."""
    at = network.rindex(struct.pack("<2I", 1, LAST_TENSOR))
    return network[:at] + struct.pack("<2I", 1, 99) + network[at + 8 :]


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        *((suffix, lambda network: network[: len(network) // 2]) for suffix in (".keras", ".h5", ".tflite", ".onnx")),
        *((suffix, lambda network: b"") for suffix in (".keras", ".h5", ".tflite", ".onnx")),
        *((suffix, lambda network: network[:40] + b"\xff" * 40 + network[80:]) for suffix in (".tflite", ".onnx")),
        (".tflite", wrong_tensor),
    ],
)
def test_a_damaged_file_has_failed_and_is_not_unsupported(tmp_path: Path, suffix: str, damage) -> None:  # type: ignore[no-untyped-def]
    path = exported(softmax_network(), tmp_path / f"mine{suffix}")
    path.write_bytes(damage(path.read_bytes()))
    record = evaluated(path, tmp_path)
    assert record.error is not None
    assert (record.status, record.error.type) == ("failed", "DataError")
    assert record.error.message.startswith(f"{path}: ")
    assert "shape" not in record.error.message
    assert "\n" not in record.error.message


@pytest.mark.parametrize("suffix", [".keras", ".tflite", ".onnx"])
def test_a_whole_file_for_another_shape_is_unsupported(tmp_path: Path, suffix: str) -> None:
    path = exported(softmax_network(), tmp_path / f"mine{suffix}")
    record = evaluated(path, tmp_path, dataset="breast_cancer")
    assert record.error is not None
    assert record.status == "unsupported"
    assert f"{path}: does not take examples of shape (30,)" in record.error.message


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    path = exported(softmax_network(), tmp_path / "mine.keras")
    planned = files_of(path, tmp_path)
    exported(softmax_network(activation=None), path)
    task = task_of(path, tmp_path)
    record = worker.execute(msgspec.structs.replace(task, node=msgspec.structs.replace(task.node, code=planned)))
    assert record.error is not None
    assert "changed since the run was planned" in record.error.message


@pytest.mark.parametrize(
    ("name", "techniques", "says"),
    [
        ("m.keras", ["augment"], "model_file is not trained, and augment acts on training"),
        ("m.tflite", ["quantize"], "quantize takes keras networks, model_file leaves one of format litert"),
        ("m.keras", ["quantize"], ""),
        ("m.pt", [], "model_file reads .keras, .h5"),
    ],
)
def test_what_a_file_cannot_go_through_is_known_before(
    tmp_path: Path, name: str, techniques: list[str], says: str
) -> None:
    (tmp_path / name).touch()
    uses = tuple(CATALOG.resolve("techniques", technique) for technique in techniques)
    cell = msgspec.structs.replace(task_of(tmp_path / name, tmp_path).node.cell, techniques=uses)
    reason = unsupported(CATALOG, cell, "tensorflow")
    assert says in reason
    assert bool(says) is bool(reason)


def test_the_width_that_a_dataset_needs_is_named() -> None:
    facts = data.Facts(source="", classes=("a", "b", "c"))
    with pytest.raises(Unsupported, match=r"outputs of shape \(4,\), the dataset needs \(3,\)"):
        evaluation.kind_of(np.zeros((2, 4)), facts, "auto")


def test_a_file_for_one_example_a_call_gets_one_at_a_time(tmp_path: Path) -> None:
    import tensorflow as tf

    kernel = tf.constant(np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32))

    class Fixed(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 1), tf.float32)])
        def __call__(self, x: object) -> object:
            return tf.reshape(x, (1, 64)) @ kernel

    made = Fixed()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([made.__call__.get_concrete_function()], made)
    (tmp_path / "mine.tflite").write_bytes(converter.convert())
    record = evaluated(tmp_path / "mine.tflite", tmp_path)
    assert record.status == "finished", record.error
    split = workbench.prepare("digits")
    answers = split.test.x.reshape(-1, 64).astype(np.float32) @ kernel.numpy()
    assert record.value("accuracy") == pytest.approx((answers.argmax(axis=1) == split.test.y).mean())
    assert record.artifact is not None
    task = task_of(tmp_path / "mine.tflite", tmp_path)
    for sizes in ((1,), (1, 8)):
        spec = MeasureSpec(CATALOG.resolve("runtimes", "litert"), "smoke", sizes, 1)
        node = msgspec.structs.replace(task.node, kind="measure", parents=("n",), measure=spec)
        timing = msgspec.structs.replace(task, node=node, parents={"n": record.artifact})
        if sizes == (1,):
            assert worker.prepare(timing).exists()
            continue
        with pytest.raises(Unsupported, match=r"takes batches of 1 alone; batch_sizes: \[1\] times it"):
            worker.prepare(timing)


def test_several_inputs_are_refused(tmp_path: Path) -> None:
    inputs = [keras.Input((8, 8, 1)), keras.Input((8, 8, 1))]
    flat = [keras.layers.Flatten()(one) for one in inputs]
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Add()(flat)))
    for suffix in (".keras", ".tflite"):
        record = evaluated(exported(model, tmp_path / f"mine{suffix}"), tmp_path)
        assert record.error is not None
        assert "2 inputs and 1 outputs; one of each is needed" in record.error.message


def test_a_sequential_network_is_taken_apart_into_its_layers(tmp_path: Path) -> None:
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    exported(keras.Sequential(layers), tmp_path / "mine.keras")
    for scale in (1.0, 1 / 255):
        record = evaluated(tmp_path / "mine.keras", tmp_path, scale=scale)
        assert record.status == "finished", record.error
        assert record.value("parameters") == 650
        assert record.layers[-1].type == "Dense", "a flat graph, as pruning needs it"
