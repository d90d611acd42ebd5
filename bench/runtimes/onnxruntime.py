"""ONNX Runtime: the runtime for networks from any framework

Runs `.onnx` files as they are; a Keras network is converted. On the CPU it is one stream of as
many threads as the suite says; `provider='cuda'` and `'tensorrt'` compute on NVIDIA's devices and find
their inputs there, where the package for these is installed with CUDA's libraries
(pip install "onnxruntime-gpu[cuda,cudnn]"); what TensorRT cannot take goes to CUDA, and single steps that
neither knows to the processor. Needs the extra: pip install "keras-bench[onnx]".
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from bench.blocks.to_onnx import convert as convert  # the alias makes it a door of this file
from bench.errors import NotInstalled, Unsupported
from bench.work.deployment import Deployable, Deployed

try:
    import onnxruntime
except ImportError:
    onnxruntime = None

ACCEPTS = ("keras", "onnx")
ALIASES = {"tensorrt": "onnxruntime(provider='tensorrt')"}
BACKENDS = ("tensorflow", "torch")
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
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider"],
}
GPU = 'pip install "onnxruntime-gpu[cuda,cudnn]>=1.23"'
ADDED: dict[str, Any] = {"provider": "cpu"}


def deploy(network: Deployable, *, provider: Literal["cpu", "cuda", "tensorrt"] = "cpu") -> Deployed:
    """Load the network into a session."""
    if onnxruntime is None:
        raise NotInstalled('onnxruntime is not installed (pip install "keras-bench[onnx]")')
    wanted = PROVIDERS[provider]
    if missing := set(wanted) - set(onnxruntime.get_available_providers()):
        raise NotInstalled(f"onnxruntime has no {' and no '.join(sorted(missing))} here ({GPU})")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = network.threads
    options.inter_op_num_threads = 1
    if provider != "cpu":
        onnxruntime.preload_dlls()  # CUDA's, from Python packages or the system
    session = onnxruntime.InferenceSession(str(network.path), options, providers=wanted)
    if missing := set(wanted) - set(session.get_providers()):  # it would compute elsewhere, and say so in a log
        raise NotInstalled(f"onnxruntime cannot load its {' and its '.join(sorted(missing))}: no library fits ({GPU})")
    entries, leaves = session.get_inputs(), session.get_outputs()
    if len(entries) != 1 or len(leaves) != 1:
        raise Unsupported(f"has {len(entries)} inputs and {len(leaves)} outputs; one of each is needed")
    entry = entries[0]
    kind = TYPES.get(entry.type)
    if kind is None:
        raise Unsupported(f"takes {entry.type}; raw pixels and columns are numbers")

    if provider != "cpu":
        prepare, predict = placed(session, kind, "cuda")
    else:  # by the plain call, which is quicker by 0.03 ms
        prepare, predict = lambda x: x.astype(kind), lambda x: session.run(None, {entry.name: x})[0]
    return Deployed(
        prepare=prepare,
        predict=predict,
        batch_size=entry.shape[0] if entry.shape and isinstance(entry.shape[0], int) else None,
        size_bytes=network.path.stat().st_size,
        device="cpu" if provider == "cpu" else "gpu",
    )


def placed(session: Any, kind: type[np.generic], device: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return what moves examples to a device, `cpu` or `cuda`, and what predicts from there into host memory."""
    name, outputs = session.get_inputs()[0].name, [session.get_outputs()[0].name]
    return (
        lambda x: onnxruntime.OrtValue.ortvalue_from_numpy(x.astype(kind), device, 0),
        lambda x: session.run_with_ort_values(outputs, {name: x})[0].numpy(),
    )
