"""What Keras networks become for ONNX Runtime and OpenVINO, and what is said where they cannot."""

from pathlib import Path

import keras
import numpy as np
import pytest
import workbench

from bench.blocks import to_onnx
from bench.errors import Unsupported, first_line
from bench.records import Artifact
from bench.work.deployment import Deployable

onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
pytestmark = pytest.mark.slow

ON_PYTORCH = """
import json
import tempfile
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import workbench

from bench.blocks import to_onnx

split = workbench.prepare("digits")
model = workbench.build("resnet8", split.learn)
with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder, "mine.keras"))
    to_onnx.convert(Path(folder, "mine.keras"), Path(folder, "mine.onnx"))
    session = onnxruntime.InferenceSession(Path(folder, "mine.onnx"))
off = []
for size in (1, 3, 64):
    x = split.test.x[:size].astype("float32")
    answers = keras.ops.convert_to_numpy(model(x))
    off.append(float(np.abs(session.run(None, {session.get_inputs()[0].name: x})[0] - answers).max()))
print(json.dumps(off))
"""


def converted(folder: Path, activation: str, precision: str = "float32") -> tuple[keras.Model, Path]:
    """Return a network and its ONNX file."""
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(16, activation=activation, dtype=precision)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.save(folder / "mine.keras")
    to_onnx.convert(folder / "mine.keras", folder / "mine.onnx")
    return model, folder / "mine.onnx"


@pytest.mark.parametrize(("precision", "near"), [("float32", 1e-5), ("mixed_float16", 5e-3)])
def test_gelu_becomes_what_onnx_has(precision: str, near: float, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model, path = converted(tmp_path, "gelu", precision)
    onnx.checker.check_model(str(path), full_check=True)
    session, x = runtime.InferenceSession(path), np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    assert found == pytest.approx(np.asarray(model(x)), abs=near)


def test_an_operator_that_onnx_does_not_have_is_named(tmp_path: Path) -> None:
    network = onnx.load(converted(tmp_path, "relu")[1])
    network.graph.node[-1].op_type = "Sinhc"
    with pytest.raises(Unsupported, match="ONNX cannot hold mine: it has no Sinhc"):
        to_onnx._of_known_operators(network.SerializeToString(), "mine")


def test_keras_on_pytorch_makes_onnx_files_for_any_batch_size(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ON_PYTORCH)
    assert max(workbench.told_on("torch", program)) < 1e-5


def test_inputs_lie_where_onnx_runtime_computes(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    from bench.runtimes.onnxruntime import placed

    model, path = converted(tmp_path, "relu")
    x, options = np.random.default_rng(0).normal(size=(4, 8)), {"providers": ["CPUExecutionProvider"]}
    prepare, predict = placed(runtime.InferenceSession(path, **options), np.float32, "cpu")
    assert prepare(x).device_name() == "cpu"
    assert predict(prepare(x)) == pytest.approx(np.asarray(model(x)), abs=1e-5)


def test_a_device_that_openvino_does_not_have_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from bench.runtimes import openvino

    _, path = converted(tmp_path, "relu")
    network = Deployable(Artifact("0" * 32, "onnx", path.name, 1, "logits"), path, 1)
    with pytest.raises(Unsupported, match=r"cannot run it on 'cpu' \(here: .*CPU.*\): Device with .cpu. name is not"):
        openvino.deploy(network, device="cpu")


def test_lines_that_only_name_a_place_in_a_librarys_sources_are_no_reason() -> None:
    text = "Exception from src/core.cpp:84:\nCheck 'a == b' failed at src/plugin.cpp:53:\nno such device\nand more"
    assert first_line(RuntimeError(text)) == "no such device"
    text = (
        "Exception from src/core.cpp:84:\nno loader. Error: Exception from src/api.cpp:22:\nno such library\nand more"
    )
    assert first_line(RuntimeError(text)) == "no loader. Error: no such library"
    assert first_line(RuntimeError("Exception from src/core.cpp:84:")) == "Exception from src/core.cpp:84:"
