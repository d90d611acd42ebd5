"""PyTorch: Keras on PyTorch, compiled

The network is loaded by Keras on the PyTorch backend, whatever it was trained on, traced into a
graph by `torch.export` and compiled by `torch.compile` (`compiled=False` runs the graph as it is).
Needs a C++ compiler, and the extra: pip install "keras-bench[torch]".
"""

from collections.abc import Callable

import keras
import numpy as np

from bench.errors import Unsupported, first_line
from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
BACKEND = "torch"
INSTALL = 'pip install "keras-bench[torch]"'
PACKAGES = ("torch", "keras")


def deploy(network: Deployable, *, compiled: bool = True) -> Deployed:
    """Load the network and compile it."""
    import torch

    torch.set_num_threads(network.threads)
    model = keras.models.load_model(network.path, compile=False)
    model.eval()
    device = keras.src.backend.torch.core.get_device()
    graphs: dict[int, Callable[[torch.Tensor], torch.Tensor]] = {}

    def graph(x: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the network for one batch size."""
        if len(x) not in graphs:
            traced = torch.export.export(model, (x,)).module()
            graphs[len(x)] = torch.compile(traced, dynamic=False) if compiled else traced
        return graphs[len(x)]

    def predict(x: torch.Tensor) -> np.ndarray:
        try:
            with torch.inference_mode():
                return np.asarray(graph(x)(x).cpu(), np.float32)
        except RuntimeError as error:
            if "C++ compiler" not in str(error) and "InvalidCxxCompiler" not in repr(error):
                raise
            raise Unsupported(
                f"torch.compile finds no C++ compiler: {first_line(error)}; or say compiled=False"
            ) from error

    return Deployed(
        prepare=lambda x: torch.from_numpy(x.astype(np.float32)).to(device),
        predict=predict,
        size_bytes=network.artifact.size_bytes,
    )
