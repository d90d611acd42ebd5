"""Model file: a network that is trained already

Your own `.keras`, `.h5`, `.tflite` or `.onnx` file, evaluated and measured like any other row
and not trained. It is given the dataset's raw pixels (0–255) or columns as float32, whole
numbers if its input is quantized; `scale=0.00392156862745098` (1/255) stands for a Keras network that wants 0–1.
Whether it gives logits or probabilities is seen from its answers unless `outputs` says. Formats
other than Keras have no layer table, so no parameters and FLOPs. Images go in with their channels
last, which an ONNX file from PyTorch must be made for. There is no seed: one run.

Expect: MLPerf Tiny's ResNet-8 on CIFAR-10 87.19 %, its int8 version 86.97 % (measured on all 10,000 test images)
"""

import shutil
from pathlib import Path
from typing import Any, Literal

import keras

from bench.errors import DataError, Unsupported, first_line
from bench.files import regular
from bench.files.archives import open_archive

INPUT = "any"
PATHS = ("path",)
FORMATS = {".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".tflite": "litert", ".onnx": "onnx"}
MOST_BYTES = 20_000_000_000


def read(
    folder: Path,
    *,
    path: str,
    outputs: Literal["auto", "logits", "probabilities"] = "auto",
    scale: float = 1.0,
) -> keras.Model | Path:
    """Return the network: a Keras one, or a copy of the file in `folder`."""
    suffix = Path(path).suffix.lower()
    regular.size(Path(path), MOST_BYTES, "give the file of a network")
    if suffix == ".keras":
        open_archive(Path(path)).close()
    file = Path(shutil.copy(path, folder / f"network{suffix}"))
    if FORMATS[suffix] == "litert":
        _check_litert(file, path)
    if FORMATS[suffix] != "keras":
        if scale != 1.0:
            raise Unsupported(f"{path}: only Keras networks can be given a scale; put it into the network")
        return file
    try:
        network = keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file may raise anything
        raise DataError(f"{path}: cannot be read as a Keras network: {first_line(error)}") from error
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise Unsupported(
            f"{path}: has {len(network.inputs)} inputs and {len(network.outputs)} outputs; one of each is needed"
        )
    flat = keras.Model(network.inputs[0], network.outputs[0])  # a Sequential's layers stand in one graph too
    if scale == 1.0:
        return flat
    raw = keras.Input(flat.input_shape[1:], dtype="float32")
    scaled = keras.layers.Rescaling(scale)(raw)

    def call(layer: keras.Operation, *given: Any, **more: Any) -> Any:
        return layer(*[scaled if tensor is raw else tensor for tensor in given], **more)

    copy = keras.models.clone_model(flat, input_tensors=raw, call_function=call)
    copy.set_weights(flat.get_weights())
    return copy


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
