"""OpenVINO: Intel's runtime for processors and graphics units

Runs its own files, `.onnx` and `.tflite` as they are, those of scaled integers with the steps from and to
real numbers around them; a Keras network is converted to ONNX. For one call at a time, on as many threads
as the suite says. Needs the extras: pip install "keras-bench[openvino,onnx]".
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.blocks import openvino_ir, scaled_integers
from bench.blocks.to_onnx import convert as convert  # the alias makes it a door of this file
from bench.errors import Unsupported, first_line
from bench.work.deployment import Deployable, Deployed

try:
    import openvino
except ImportError:  # which is said before anything is deployed
    openvino = None

ACCEPTS = ("keras", "onnx", "litert", "openvino")
BACKENDS = ("tensorflow", "torch")
CONVERTS = {"keras": ".onnx"}
INSTALL = 'pip install "keras-bench[openvino,onnx]"'
LIGHT = True
PACKAGES = ("openvino", "onnx", "tf2onnx")


def deploy(network: Deployable, *, device: str = "CPU") -> Deployed:
    """Compile the network for a device."""
    model = openvino_ir.read(network.path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise Unsupported(f"has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is needed")
    if network.path.suffix == ".tflite":
        model = scaled_integers.as_real_numbers(model, network.path)
    kind, sides = model.input(0).get_element_type().to_dtype(), model.input(0).partial_shape
    examples = sides[0] if sides.rank.is_static and len(sides) else None
    # Without the last one, processors with AMX compute in bfloat16, which is another network.
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": network.threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    try:
        compiled = core.compile_model(model, device, options if device == "CPU" else {})
    except RuntimeError as error:
        here = ", ".join(core.available_devices)
        raise Unsupported(f"OpenVINO cannot run it on '{device}' (here: {here}): {first_line(error)}") from error

    def predict(x: NDArray[Any]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = compiled(x)[0]
        return outputs

    return Deployed(
        prepare=lambda x: x.astype(kind),
        predict=predict,
        batch_size=examples.get_length() if examples is not None and examples.is_static else None,
        size_bytes=network.path.stat().st_size,
        device=device.lower(),
    )
