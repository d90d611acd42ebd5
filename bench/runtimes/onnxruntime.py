"""ONNX Runtime: the runtime for networks from any framework

Runs `.onnx` files as they are; a Keras network is converted. On the CPU it is one stream of as
many threads as the suite says; `provider='cuda'` and `'tensorrt'` compute on NVIDIA's devices, where
the package for these is installed (pip install onnxruntime-gpu). Needs the extra:
pip install "keras-bench[onnx]".
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.blocks.to_onnx import convert as convert  # the alias makes it a door of this file
from bench.errors import NotInstalled, Unsupported
from bench.work.deployment import Deployable, Deployed

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

ACCEPTS = ("keras", "onnx")
ALIASES = {"tensorrt": "onnxruntime(provider='tensorrt')"}
BACKENDS = ("tensorflow",)
CONVERTS = {"keras": ".onnx"}
INSTALL = 'pip install "keras-bench[onnx]"'
LIGHT = True
PACKAGES = ("onnxruntime", "onnxruntime-gpu", "onnx", "tf2onnx")

TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
ADDED: dict[str, Any] = {"provider": "cpu"}


def deploy(network: Deployable, *, provider: Literal["cpu", "cuda", "tensorrt"] = "cpu") -> Deployed:
    """Load the network into a session."""
    if onnxruntime is None:
        raise NotInstalled('onnxruntime is not installed (pip install "keras-bench[onnx]")')
    if PROVIDERS[provider] not in onnxruntime.get_available_providers():
        raise NotInstalled(f"onnxruntime has no {PROVIDERS[provider]} here (pip install onnxruntime-gpu)")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = network.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(network.path), options, providers=[PROVIDERS[provider]])
    entries, leaves = session.get_inputs(), session.get_outputs()
    if len(entries) != 1 or len(leaves) != 1:
        raise Unsupported(f"has {len(entries)} inputs and {len(leaves)} outputs; one of each is needed")
    entry = entries[0]
    kind = TYPES.get(entry.type)
    if kind is None:
        raise Unsupported(f"takes {entry.type}; raw pixels and columns are numbers")

    def predict(x: NDArray[np.generic]) -> NDArray[np.float32]:
        outputs: NDArray[np.float32] = session.run(None, {entry.name: x})[0]
        return outputs

    return Deployed(
        prepare=lambda x: x.astype(kind),
        predict=predict,
        batch_size=entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else None,
        size_bytes=network.path.stat().st_size,
        device="cpu" if provider == "cpu" else "gpu",
    )
