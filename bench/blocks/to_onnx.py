"""Keras networks as ONNX files."""

import tempfile
from pathlib import Path

from bench.errors import NotInstalled


def export(network: Path, converted: Path) -> None:
    """Write a Keras network as one `.onnx` file, for any batch size; raise NotInstalled without the exporters."""
    import keras

    model = keras.models.load_model(network, compile=False)
    with tempfile.TemporaryDirectory() as folder:  # the exporter wants the suffix, and leaves files beside
        path = Path(folder) / "network.onnx"
        try:
            model.export(path, format="onnx", verbose=False)
        except ImportError as error:
            raise NotInstalled(f'{error.name} is not installed (pip install "keras-bench[onnx]")') from error
        converted.write_bytes(path.read_bytes())
