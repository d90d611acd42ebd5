"""Keras networks as ONNX files, and these in ONNX Runtime's own 8-bit integers."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import NotInstalled, Unsupported, first_line

PACKAGES = ("onnx", "tf2onnx")
"""Whose versions decide what comes out; runtimes that convert by this block name them among their own."""
MATRICES = ["Conv", "Gemm", "MatMul"]


def convert(network: Path, converted: Path) -> None:
    """Write a Keras network as one `.onnx` file, for any batch size; raise NotInstalled without the exporters."""
    import keras  # here, as runtimes load this module and are timed without a framework

    converted.write_bytes(_exported(keras.models.load_model(network, compile=False)))


def quantize(model: Any, examples: Iterator[np.ndarray], path: Path, *, matrices_alone: bool) -> None:
    """Write a Keras network as an `.onnx` file with 8-bit weights and activations, whose ranges `examples` tell.

    `matrices_alone` leaves sums and products as floats. Raise NotInstalled without the exporters or ONNX Runtime.
    """
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise NotInstalled(f'{error.name} is not installed (pip install "keras-bench[onnx]")') from error
    network = onnx.load_from_string(_exported(model))
    weights = {one.name for one in network.graph.initializer}
    for one in [one for one in network.graph.input if one.name in weights]:
        network.graph.input.remove(one)  # the exporter lists them there, too, which keeps them from being folded
    entry = network.graph.input[0].name

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({entry: x} for x in examples), None)

    exported, folded = path.with_name("exported.onnx"), path.with_name("folded.onnx")
    onnx.save(network, exported)
    quant_pre_process(exported, folded, skip_symbolic_shape=True)
    quantization.quantize_static(
        folded,
        path,
        Reader(),
        op_types_to_quantize=MATRICES if matrices_alone else None,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )


def _exported(model: Any) -> bytes:
    import keras

    model = keras.models.clone_model(model, clone_function=_as_numbers)
    model(keras.ops.zeros((1, *model.input_shape[1:])))  # the exporter wants a network that has been called
    with tempfile.TemporaryDirectory() as folder:  # the exporter wants the suffix, and leaves files beside
        path = Path(folder) / "network.onnx"
        try:
            model.export(path, format="onnx", verbose=False)
        except ImportError as error:
            raise NotInstalled(f'{error.name} is not installed (pip install "keras-bench[onnx]")') from error
        except Exception as error:  # the exporter has many
            raise Unsupported(f"ONNX cannot hold {model.name}: {first_line(error)}") from error
        return _of_known_operators(path.read_bytes(), model.name)


def _of_known_operators(network: bytes, name: str) -> bytes:
    """Return a network whose `Erfc`, which the exporter makes of GELU and ONNX does not have, is 1 − `Erf`.

    Raise Unsupported for one that holds anything else that ONNX does not have.
    """
    import onnx

    model = onnx.load_from_string(network)
    known = {schema.name for schema in onnx.defs.get_all_schemas()}
    unknown = {node.op_type for node in model.graph.node if not node.domain} - known
    if not unknown:
        return network
    if others := sorted(unknown - {"Erfc"}):
        raise Unsupported(f"ONNX cannot hold {name}: it has no {', '.join(others)}")
    one = onnx.numpy_helper.from_array(np.array(1, np.float32), "one_of_erfc")
    nodes = []
    for node in model.graph.node:
        if node.op_type == "Erfc":
            (output,), inner, like = node.output, f"{node.output[0]}_erf", f"{node.output[0]}_one"
            nodes.append(onnx.helper.make_node("Erf", node.input, [inner]))
            nodes.append(onnx.helper.make_node("CastLike", [one.name, inner], [like]))  # which may be float16
            node = onnx.helper.make_node("Sub", [like, inner], [output], name=node.name)
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(one)
    return bytes(model.SerializeToString())


def _as_numbers(layer: Any) -> Any:
    """Return a layer that says the same; means and variances that a Normalization was given would become inputs."""
    import keras

    if not isinstance(layer, keras.layers.Normalization) or layer.input_mean is None:
        return layer
    mean, variance = (keras.ops.convert_to_numpy(one).ravel() for one in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), keras.config.epsilon())
    steps = [keras.layers.Rescaling(1.0, (-mean).tolist()), keras.layers.Rescaling((1 / deviation).tolist())]
    return keras.Sequential(steps, name=layer.name)
