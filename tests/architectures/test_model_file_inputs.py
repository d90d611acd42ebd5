"""What a person's own file is given: another scale, other axes; and what is said where it does not fit."""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import workbench
from test_model_file import evaluated, exported, in_integers, quantized

from bench.blocks import input_steps
from bench.catalog import Catalog
from bench.work import exporting

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.slow


def taught(*, activation: str | None = None) -> keras.Model:
    """Return a network that wants pixels from −1 to 1 and knows digits."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Dense(10, activation=activation)(keras.layers.Flatten()(inputs)))
    train = workbench.prepare("digits").train
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None)
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss=loss)
    model.fit(train.x / 127.5 - 1, train.y, epochs=8, batch_size=32, verbose=0)
    return model


SCALED = {"scale": 2 / 255, "offset": -1.0}


def accuracy(model: keras.Model) -> float:
    test = workbench.prepare("digits").test
    return float((np.asarray(model(test.x / 127.5 - 1)).argmax(axis=1) == test.y).mean())


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".tflite", ".onnx", ".xml"])
def test_a_scale_and_an_offset_go_in_first_in_every_format(tmp_path: Path, suffix: str) -> None:
    model = taught()
    path = tmp_path / f"mine{suffix}"
    if suffix == ".onnx":
        model.export(path, format="onnx", verbose=False)
    elif suffix == ".xml":
        openvino = pytest.importorskip("openvino")
        model.export(path.with_suffix(".onnx"), format="onnx", verbose=False)
        openvino.save_model(openvino.Core().read_model(path.with_suffix(".onnx")), path)
    else:
        exported(model, path)
    wanted = accuracy(model)
    assert wanted > 0.9
    assert evaluated(path, tmp_path, **SCALED).value("accuracy") == pytest.approx(wanted)
    by_channel = evaluated(path, tmp_path, scale=[2 / 255], offset=[-1.0])
    assert by_channel.value("accuracy") == pytest.approx(wanted)
    assert by_channel.value("parameters"), "read off the graph, whatever the format"


def test_a_quantized_file_is_given_its_scale_or_refused_with_it(tmp_path: Path) -> None:
    model, images = taught(), workbench.prepare("digits").train.x[:99]
    quantized(model, tmp_path / "mine.tflite", images / 127.5 - 1, **in_integers(input="int8", output="int8"))
    assert evaluated(tmp_path / "mine.tflite", tmp_path, **SCALED).value("accuracy") == pytest.approx(
        accuracy(model), abs=0.03
    )
    refused = evaluated(tmp_path / "mine.tflite", tmp_path)
    assert refused.status == "unsupported"
    assert refused.error is not None
    assert "its input is quantized and holds -0.996 to 1" in refused.error.message
    assert "scale=2/255, offset=-1 would fit" in refused.error.message
    quantized(model, tmp_path / "floats.tflite", images / 127.5 - 1)
    whole = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Rescaling(2 / 255, -1.0), *model.layers[1:]])
    quantized(whole, tmp_path / "own.tflite", images, **in_integers(input="int8"))
    its_own = evaluated(tmp_path / "own.tflite", tmp_path)
    assert its_own.value("accuracy") == pytest.approx(accuracy(model), abs=0.03), "it has a scale of its own within"
    right = evaluated(tmp_path / "floats.tflite", tmp_path, **SCALED)
    assert right.value("accuracy") == pytest.approx(accuracy(model), abs=0.03)
    for name, how in (("mine", {"scale": 1 / 2}), ("floats", {}), ("floats", {"scale": 255.0})):
        clipped = evaluated(tmp_path / f"{name}.tflite", tmp_path, **how)
        assert clipped.error is not None, (name, how)
        assert "scale=2/255, offset=-1 would fit" in clipped.error.message


def test_what_is_hardly_better_than_a_guess_is_said_with_what_other_scales_give(tmp_path: Path) -> None:
    doubted = evaluated(exported(taught(), tmp_path / "mine.keras"), tmp_path)
    if (doubted.value("accuracy") or 0) > 0.2:  # raw pixels happen to be read nearly as well, with a wild loss
        assert (doubted.value("loss") or 0) > 3.0
    rows = {str(row[0]): row[1] for row in doubted.tables["scales"].rows}
    assert float(rows["−1 to 1: scale=2/255, offset=-1"] or 0) > 0.9
    fine = evaluated(tmp_path / "mine.keras", tmp_path, **SCALED)
    assert not fine.tables
    for wrong in ({"scale": 1e-5}, {"scale": -2 / 255, "offset": 1.0}):
        again = evaluated(tmp_path / "mine.keras", tmp_path, **wrong)
        assert {str(row[0]): row[1] for row in again.tables["scales"].rows} == pytest.approx(rows, abs=0.01), wrong
    nothing = evaluated(tmp_path / "mine.keras", tmp_path, scale=0.0)
    assert nothing.error is not None
    assert "scale=0 makes all examples the same" in nothing.error.message


def test_probabilities_that_are_none_are_refused(tmp_path: Path) -> None:
    path = exported(taught(), tmp_path / "mine.keras")
    refused = evaluated(path, tmp_path, outputs="probabilities", **SCALED)
    assert refused.error is not None
    assert "which are none; leave outputs out" in refused.error.message
    good = exported(taught(activation="softmax"), tmp_path / "good.keras")
    assert evaluated(good, tmp_path, outputs="probabilities", **SCALED).status == "finished"


TORCH = """
import json, sys, torch
kernel, bias = (torch.tensor(one) for one in json.loads(sys.stdin.read()))
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
with torch.no_grad():
    net[1].weight.copy_(kernel.T)
    net[1].bias.copy_(bias)
example, shapes = (torch.zeros(2, 1, 8, 8),), ({0: torch.export.Dim("n")},)
how = {"dynamo": True, "verbose": False}
torch.onnx.export(net, example, "mine.onnx", external_data=True, dynamic_shapes=shapes, **how)
torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), "one.onnx", **how)
torch.export.save(torch.export.export(net, example, dynamic_shapes=shapes), "mine.pt2")
"""


OPENVINO = """
import openvino
for name in ("mine", "one"):
    openvino.save_model(openvino.Core().read_model(f"{name}.onnx"), f"{name}.xml", compress_to_fp16=False)
"""


def by_program(program: str, model: keras.Model, place: Path) -> None:
    """Hand the weights of the last layer to a program that writes them in its own way."""
    weights = json.dumps([one.tolist() for one in model.layers[-1].get_weights()])
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, input=weights, text=True, check=False, capture_output=True, cwd=place)
    assert done.returncode == 0, done.stderr[-800:]


def test_pytorchs_files_are_taken_channels_first_and_with_weights_beside(tmp_path: Path) -> None:
    if not (find_spec("torch") and find_spec("onnxscript")):
        pytest.skip("PyTorch is not installed")
    model = taught()
    by_program(TORCH, model, tmp_path)
    assert (tmp_path / "mine.onnx.data").exists()
    names = ["mine.onnx", "one.onnx", "mine.pt2"]
    if find_spec("openvino"):
        by_program(OPENVINO, model, tmp_path)
        names += ["mine.xml", "one.xml"]
    for name in names:
        record = evaluated(tmp_path / name, tmp_path, **SCALED)
        assert record.status == "finished", record.error
        assert record.value("accuracy") == pytest.approx(accuracy(model)), name
        assert record.value("flops") == 2 * 640


def test_a_network_of_four_examples_a_call_is_refused_with_the_cure(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    taught().export(tmp_path / "mine.onnx", format="onnx", verbose=False)
    network = onnx.load(tmp_path / "mine.onnx")
    network.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(network, tmp_path / "mine.onnx")
    refused = evaluated(tmp_path / "mine.onnx", tmp_path)
    assert refused.status == "unsupported"
    assert refused.error is not None
    assert refused.error.message.endswith("takes 4 examples a call; export it for one, or for any number of them")


def test_an_openvino_network_is_packed_and_handed_over_as_its_two_files(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    model, x = taught(), workbench.prepare("digits").test.x[:8]
    model.export(tmp_path / "mine.onnx", format="onnx", verbose=False)
    openvino.save_model(
        openvino.Core().read_model(tmp_path / "mine.onnx"), tmp_path / "mine.xml", compress_to_fp16=False
    )
    packed = tmp_path / "mine.openvino"
    input_steps.openvino(tmp_path / "mine.xml", packed, **SCALED)
    written = exporting.export(packed, "openvino", tmp_path)
    assert written.with_suffix(".bin").exists()
    answers = openvino.Core().compile_model(written, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(x.astype(np.float32))[
        0
    ]
    assert answers == pytest.approx(np.asarray(model(x / 127.5 - 1)), abs=1e-3)


TF_KERAS = """
import json, sys, numpy as np, tf_keras
x = tf_keras.Input((8, 8, 1))
model = tf_keras.Model(x, tf_keras.layers.Dense(10)(tf_keras.layers.Flatten()(x)))
model.layers[-1].set_weights([np.array(one, "float32") for one in json.loads(sys.stdin.read())])
model.save("old.keras")
"""


def test_keras_2_and_saved_models_are_read(tmp_path: Path) -> None:
    model = taught()
    by_program(TF_KERAS, model, tmp_path)
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    for name in ("old.keras", "saved"):
        record = evaluated(tmp_path / name, tmp_path, **SCALED)
        assert record.status == "finished", record.error
        assert record.value("accuracy") == pytest.approx(accuracy(model)), name


def test_a_fraction_is_written_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.keras").touch()
    monkeypatch.chdir(tmp_path)
    use = Catalog().resolve("architectures", "model_file(path='a.keras', scale=1/255, offset=[-1/2, 0.5])")
    assert use.parameters["scale"] == 1 / 255
    assert use.parameters["offset"] == [-0.5, 0.5]
    for wrong in ("1/0", "2**9", "1+1", "'a'/2"):
        with pytest.raises(Exception, match="must be a plain number"):
            Catalog().resolve("architectures", f"model_file(path='a.keras', scale={wrong})")


def test_a_long_message_is_cut_and_kept_whole_behind_it() -> None:
    from bench.tasks import fault

    told = fault("Odd", "x" * 44_656)
    assert len(told.message) < 340
    assert told.traceback is not None
    assert len(told.traceback) > 1000


def test_missing_values_that_a_network_does_not_fill_in_are_named(tmp_path: Path) -> None:
    rows = "\n".join(f"{x / 9},{'' if x % 5 == 0 else x},{'ab'[x % 2]}" for x in range(80))
    (tmp_path / "mine.csv").write_text(f"a,b,y\n{rows}\n")
    inputs = keras.Input((2,))
    path = exported(keras.Model(inputs, keras.layers.Dense(2)(inputs)), tmp_path / "mine.keras")
    refused = evaluated(path, tmp_path, dataset=f"csv(path={str(tmp_path / 'mine.csv')!r}, target='y')")
    assert refused.status == "unsupported"
    assert refused.error is not None
    assert re.search(r"its answers to \d+ of \d+ test examples are no finite numbers; the table", refused.error.message)
