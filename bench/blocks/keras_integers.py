"""Networks whose weights Keras itself has rounded, by `quantize(scheme='keras_int8')` and its like."""

import keras

from bench.errors import Unsupported


def is_quantized(layer: keras.Operation) -> bool:
    """Tell whether Keras has rounded a layer's weights."""
    return getattr(layer, "quantization_mode", None) is not None


def require_floats(network: keras.Model) -> None:
    """Raise Unsupported where Keras has quantized a layer, whose weights can neither learn nor be looked at."""
    if any(map(is_quantized, network._flatten_layers())):
        raise Unsupported(f"Keras has quantized {network.name} already; start from the network before that")
