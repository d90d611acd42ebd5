"""Where Keras computes; a module of its own, as timings depend on nothing else of what trains."""

import keras


def device() -> str:
    """Return the device that Keras computes on: the first accelerator, as `gpu:0`, or `cpu`."""
    if keras.backend.backend() == "torch":  # Keras lists no devices there
        import torch

        return "gpu:0" if torch.cuda.is_available() else "cpu"
    accelerators = [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]
    return accelerators[0] if accelerators else "cpu"
