"""Keras networks as ONNX files."""

import tempfile
from pathlib import Path

from bench.errors import NotInstalled, Unsupported, first_line


def export(network: Path, converted: Path) -> None:
    """Write a Keras network as one `.onnx` file, for any batch size; raise NotInstalled without the exporters."""
    import keras

    model = keras.models.load_model(network, compile=False)
    model(keras.ops.zeros((1, *model.input_shape[1:])))  # the exporter wants a network that has been called
    with tempfile.TemporaryDirectory() as folder:  # the exporter wants the suffix, and leaves files beside
        path = Path(folder) / "network.onnx"
        try:
            model.export(path, format="onnx", verbose=False)
        except ImportError as error:
            raise NotInstalled(f'{error.name} is not installed (pip install "keras-bench[onnx]")') from error
        except Exception as error:  # the exporter has many
            raise Unsupported(f"ONNX cannot hold {model.name}: {first_line(error)}") from error
        converted.write_bytes(path.read_bytes())
