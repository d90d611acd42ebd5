"""OpenVINO's own format, which is two files: a graph and its weights. Here they lie in one, uncompressed."""

import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import NotInstalled

if TYPE_CHECKING:
    import openvino

GRAPH, WEIGHTS = "network.xml", "network.bin"
MISSING = 'openvino is not installed (pip install "keras-bench[openvino,onnx]")'


def read(path: Path) -> "openvino.Model":
    """Read a packed network, or one from anywhere: `.xml` with its `.bin` beside it."""
    try:
        import openvino
    except ImportError as error:
        raise NotInstalled(MISSING) from error
    core = openvino.Core()
    if path.suffix != ".openvino":
        return core.read_model(path)
    with zipfile.ZipFile(path) as packed:
        weights = openvino.Tensor(np.frombuffer(packed.read(WEIGHTS), np.uint8))
        return core.read_model(packed.read(GRAPH), weights)


def write(model: "openvino.Model", path: Path) -> None:
    """Pack a network, without the time of day."""
    import openvino

    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
        zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed,
    ):
        files = [Path(folder, name) for name in (GRAPH, WEIGHTS)]
        openvino.serialize(model, *files)
        for file in files:
            packed.writestr(zipfile.ZipInfo(file.name), file.read_bytes())
