"""Model file: a network that is trained already

Your own `.keras`, `.h5`, `.tflite` or `.onnx` file, OpenVINO's `.xml`, PyTorch's `.pt2` or a SavedModel
folder, evaluated and measured like any other row and not trained. It is given the dataset's raw pixels
(0–255) or columns.
For a network that wants others, `scale=1/255` multiplies them first and `offset` is added, each a
number or a list with one for each channel; the step becomes part of the network, in every format, quantized or not.
Where the score is hardly more than a guess, what other scales would give is told.

Whether it gives logits or probabilities is seen from its answers unless `outputs` says. An ONNX
network may have its weights in a file beside it, and its channels first. PyTorch's exported
programs become ONNX, SavedModel folders LiteRT. There is no seed: one run.

Expect: MLPerf Tiny's ResNet-8 on CIFAR-10 87.19 %, its int8 version 86.97 % (measured on all 10,000 test images)
"""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from bench.blocks import input_steps
from bench.errors import DataError, NotInstalled, Unsupported, first_line, shortened
from bench.files import regular
from bench.files.archives import open_archive

INPUT = "any"
PATHS = ("path",)
PER_CHANNEL = ("scale", "offset")
FORMATS = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".tflite": "litert",
    ".onnx": "onnx",
    ".pt2": "onnx",
    ".xml": "openvino",
    "": "litert",
}
ADDED: dict[str, Any] = {"offset": 0.0}
MOST_BYTES = 20_000_000_000


def read(
    folder: Path,
    *,
    path: str,
    outputs: Literal["auto", "logits", "probabilities"] = "auto",
    scale: float | list[float] = 1.0,
    offset: float | list[float] = 0.0,
) -> keras.Model | Path:
    """Return the network: a Keras one, or a copy of the file in `folder`."""
    suffix = "" if Path(path).is_dir() else Path(path).suffix.lower()
    is_plain = scale == 1.0 and offset == 0.0
    if not np.all(scale):
        raise Unsupported(f"{path}: scale=0 makes all examples the same; leave it out, or say 1/255")
    if suffix == "":
        file = _saved_model(Path(path), folder)
    else:
        regular.size(Path(path), MOST_BYTES, "give the file of a network")
        if suffix == ".keras":
            open_archive(Path(path)).close()
        if FORMATS[suffix] == "onnx":
            return _onnx(Path(path), folder, scale, offset)
        if FORMATS[suffix] == "openvino":
            return _openvino(Path(path), folder, scale, offset)
        file = Path(shutil.copy(path, folder / f"network{suffix}"))
    if FORMATS[suffix] == "litert":
        _check_litert(file, path)
        if not is_plain:
            input_steps.litert(file, scale, offset)
        return file
    network = _keras(file, path)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise Unsupported(
            f"{path}: has {len(network.inputs)} inputs and {len(network.outputs)} outputs; one of each is needed"
        )
    flat = keras.Model(network.inputs[0], network.outputs[0])  # a Sequential's layers stand in one graph too
    if is_plain:
        return flat
    raw = keras.Input(flat.input_shape[1:], dtype="float32")
    scaled = keras.layers.Rescaling(scale, offset)(raw)

    def call(layer: keras.Operation, *given: Any, **more: Any) -> Any:
        given, more = keras.tree.map_structure(lambda one: scaled if one is raw else one, (given, more))
        return layer(*given, **more)

    copy = keras.models.clone_model(flat, input_tensors=raw, call_function=call)
    copy.set_weights(flat.get_weights())
    return copy


def _keras(file: Path, path: str) -> keras.Model:
    """Read a Keras network; one of Keras 2 is first written anew by tf_keras, in a process of its own."""
    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file may raise anything
        older = file.with_name("older.h5")
        words = (sys.executable, "-c", _BY_TF_KERAS, str(file), str(older))
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            try:
                return keras.models.load_model(older, compile=False, safe_mode=True)
            except Exception as again:
                raise DataError(f"{path}: tf_keras reads it, Keras 3 does not: {first_line(again)}") from again
        raise DataError(f"{path}: cannot be read as a Keras network: {first_line(error)}") from error


_BY_TF_KERAS = """
import sys, tf_keras
from tf_keras.src.saving.serialization_lib import SafeModeScope
with SafeModeScope(True):  # which load_model does not pass on to .h5 files
    tf_keras.models.load_model(sys.argv[1], compile=False, safe_mode=True).save(sys.argv[2])
"""


_BY_TORCH = """
import sys, torch
torch.onnx.export(torch.export.load(sys.argv[1]), (), sys.argv[2], verbose=False)
"""


def _saved_model(path: Path, folder: Path) -> Path:
    """Return a SavedModel folder as a LiteRT file."""
    if not (path / "saved_model.pb").is_file():
        raise DataError(f"{path}: no SavedModel folder (there is no saved_model.pb in it)")
    import tensorflow as tf

    file = folder / "network.tflite"
    try:
        file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(path)).convert())
    except Exception as error:  # the converter has its own
        raise Unsupported(f"{path}: LiteRT cannot hold it: {first_line(error)}") from error
    return file


def _onnx(path: Path, folder: Path, scale: float | list[float], offset: float | list[float]) -> Path:
    """Return an ONNX network as one file that takes the dataset's own values, channels last."""
    file = folder / "network.onnx"
    source = path
    if path.suffix.lower() == ".pt2":
        source = folder / "exported.onnx"
        words = (sys.executable, "-c", _BY_TORCH, str(path), str(source))  # PyTorch and TensorFlow share no process
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            fault = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            if "No module named" in fault:
                raise NotInstalled(f'{path}: {fault} (pip install "keras-bench[torch,onnx]")')
            cure = "; torch.export.save makes one, and what torch.save leaves is none"
            raise DataError(f"{path}: cannot be read as PyTorch's exported program: {shortened(fault, 120)}{cure}")
    try:
        input_steps.onnx(source, file, scale, offset)
    except (NotInstalled, Unsupported):
        raise
    except Exception as error:  # a damaged file may raise anything
        raise DataError(f"{path}: cannot be read as an ONNX network: {first_line(error)}; export it again") from error
    return file


def _openvino(path: Path, folder: Path, scale: float | list[float], offset: float | list[float]) -> Path:
    """Return an OpenVINO network as one file that takes the dataset's own values, channels last."""
    if not path.with_suffix(".bin").is_file():
        raise DataError(f"{path}: its weights, {path.with_suffix('.bin').name}, are not beside it")
    file = folder / "network.openvino"
    try:
        input_steps.openvino(path, file, scale, offset)
    except (NotInstalled, Unsupported):
        raise
    except Exception as error:  # a damaged file may raise anything
        raise DataError(
            f"{path}: cannot be read as an OpenVINO network: {first_line(error)}; export it again"
        ) from error
    return file


def _check_litert(file: Path, path: str) -> None:
    """Tell a damaged network from one that does not take the dataset's shape: it must be whole for its own."""
    from ai_edge_litert.interpreter import Interpreter

    with file.open("rb") as opened:
        if opened.read(8)[4:] != b"TFL3":
            raise DataError(f"{path}: not a LiteRT network, or damaged; export it again")
    try:
        Interpreter(str(file)).allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be loaded, so it may be damaged: {first_line(error)}; export it again"
        ) from error
