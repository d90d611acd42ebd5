"""LiteRT: the runtime for phones and small devices

Formerly TensorFlow Lite. A Keras network is converted to float32; a LiteRT network, such as
`quantize` leaves, is run as it is. On x86-64 and Arm its XNNPACK kernels are used, unless
`delegate='none'` leaves its plain ones. `threads` are those of the suite unless said. `amx=False` keeps
XNNPACK from Intel's tile units (AMX), with which small networks of 8-bit integers can be slower than
without: ResNet-20's took 0.43 ms with them, 0.28 ms without, its float32 the same (measured, one thread).
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from bench.blocks import amx as amx_units
from bench.errors import Unsupported, first_line
from bench.limits import NotNegative
from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras", "litert")
BACKENDS = ("tensorflow",)
CONVERTS = {"keras": ".tflite"}
LIGHT = True
PACKAGES = ("ai-edge-litert", "tensorflow")
ADDED: dict[str, Any] = {"threads": 0, "delegate": "xnnpack", "amx": True}
RESOLVERS = {"xnnpack": OpResolverType.AUTO, "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def convert(network: Path, converted: Path) -> None:
    """Export a Keras network."""
    import keras

    model = keras.models.load_model(network, compile=False)
    try:
        model.export(converted, format="litert", verbose=False)
    except Exception as error:  # the converter has its own
        by_keras = any(getattr(layer, "quantization_mode", None) for layer in model.layers)
        reason = "Keras has quantized it; quantize(scheme='int8') does so for LiteRT" if by_keras else first_line(error)
        raise Unsupported(f"LiteRT cannot hold {model.name}: {reason}") from error


def deploy(
    network: Deployable, *, threads: NotNegative = 0, delegate: Literal["xnnpack", "none"] = "xnnpack", amx: bool = True
) -> Deployed:
    """Load the network into an interpreter."""
    if not amx:
        amx_units.refuse()
    path = network.path
    batch_size = None if _takes_batches(path) else 1
    interpreter = Interpreter(
        str(path), num_threads=threads or network.threads, experimental_op_resolver_type=RESOLVERS[delegate]
    )
    entries, leaves = interpreter.get_input_details(), interpreter.get_output_details()
    if len(entries) != 1 or len(leaves) != 1:
        raise Unsupported(f"has {len(entries)} inputs and {len(leaves)} outputs; one of each is needed")
    entry, leave = entries[0], leaves[0]

    def prepare(x: NDArray[np.generic]) -> NDArray[np.generic]:
        if batch_size and len(x) != batch_size:
            raise Unsupported(f"takes {batch_size} example a call, not {len(x)}")
        if tuple(interpreter.get_input_details()[0]["shape"]) != x.shape:
            interpreter.resize_tensor_input(entry["index"], x.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], _quantized(x, entry))
        return x

    def predict(_: NDArray[np.generic]) -> NDArray[np.float32]:
        interpreter.invoke()
        return _real(interpreter.get_tensor(leave["index"]), leave)

    return Deployed(
        prepare=prepare, predict=predict, size_bytes=path.stat().st_size, batch_size=batch_size, device="cpu"
    )


def _takes_batches(path: Path) -> bool:
    """Tell whether the file says so, or try: one that was converted for one may hold shapes that cannot be changed."""
    interpreter = Interpreter(str(path))
    entry = interpreter.get_input_details()[0]
    if entry["shape_signature"][0] == -1:
        return True
    try:
        interpreter.resize_tensor_input(entry["index"], (2, *entry["shape"][1:]))
        interpreter.allocate_tensors()
        interpreter.invoke()
    except (RuntimeError, ValueError):
        return False
    return True


def _quantized(x: NDArray[np.generic], entry: dict[str, Any]) -> NDArray[np.generic]:
    """Return inputs as the network takes them: whole numbers, by its own scale, where it is quantized."""
    scale, zero = entry["quantization"]
    if not scale:
        return x.astype(entry["dtype"])
    limits = np.iinfo(entry["dtype"])
    levels = np.round(x.astype(np.float32) / np.float32(scale)) + zero
    quantized: NDArray[np.generic] = np.clip(levels, limits.min, limits.max).astype(entry["dtype"])
    return quantized


def _real(outputs: NDArray[np.generic], leave: dict[str, Any]) -> NDArray[np.float32]:
    scale, zero = leave["quantization"]
    values: NDArray[np.float32] = outputs.astype(np.float32, copy=False)
    return (values - np.float32(zero)) * np.float32(scale) if scale else values
