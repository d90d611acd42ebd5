"""A network in the format that a person wants to use it in."""

import shutil
from pathlib import Path

import keras

from bench.blocks import openvino_ir, scaled_integers, to_onnx
from bench.blocks.keras_integers import require_floats
from bench.errors import NotInstalled, Unsupported, first_line
from bench.hand_over import FILES
from bench.records import SUFFIXES


def export(network: Path, to: str, folder: Path) -> Path:
    """Write a network into an existing folder; return its file. Raise Unsupported for what cannot be converted."""
    path, has = folder / FILES[to], SUFFIXES[network.suffix]
    if to == "openvino":
        return _openvino(network, path, folder)
    if to == has:
        return Path(shutil.copy(network, path))
    if has != "keras":
        raise Unsupported(f"its format is {has}, which nothing converts to {to}; --to {has} hands it over")
    if to == "onnx":
        to_onnx.convert(network, path)
        return path
    model = keras.models.load_model(network, compile=False)
    if to == "litert":
        require_floats(model)
    try:
        model.export(path, format="tf_saved_model" if to == "saved_model" else to, verbose=False)
    except Exception as error:  # each converter has its own
        raise Unsupported(f"{to} cannot hold {model.name}: {first_line(error)}") from error
    return path


def _openvino(network: Path, path: Path, folder: Path) -> Path:
    try:
        import openvino
    except ImportError as error:
        raise NotInstalled(openvino_ir.MISSING) from error
    source = network
    if network.suffix == ".keras":
        source = folder / ".network.onnx"
        to_onnx.convert(network, source)
    try:
        model = openvino_ir.read(source)
        if network.suffix == ".tflite":
            model = scaled_integers.as_real_numbers(model, network)
        openvino.save_model(model, path, compress_to_fp16=False)
    except Exception as error:  # it has many
        raise Unsupported(f"OpenVINO cannot hold it: {first_line(error)}") from error
    finally:
        if source != network:
            source.unlink()
    return path
