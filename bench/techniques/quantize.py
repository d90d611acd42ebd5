"""Quantization: weights, and activations too, in few bits

What there is, by `scheme`:

- `int8`: after training, weights and activations as 8-bit integers, for LiteRT. The ranges are read off `examples`
  training images, or rows of a table. Raw pixels go in as bytes as they are; the columns of a table, which have many
  scales, are standardized as floats first. The output stays float32, as 256 levels would spoil log loss and
  calibration.
- `int16x8`: the same with activations of 16 bits: nearer to the float network, and slow on most machines. Of images
  alone: LiteRT has no such operation that fills in what a table lacks.
- `dynamic`: 8-bit weights; activations are rounded as they come. `float16`: weights of 16 bits.
- `qat`: as `int8`, but first the network trains on for `epochs` epochs with all that rounding in it, by
  tensorflow-model-optimization on a copy of the network in tf_keras, with Adam and the suite's schedule from
  `learning_rate` on; the recipe's optimizer and callbacks take no part. Of images alone: it would put all columns of
  a table on one scale. What was pruned stays at zero.
- `onnx_int8`: as `int8`, by and for ONNX Runtime.
- `keras_int8`, `keras_int4`: Keras's own, of dense layers alone (it cannot read back an attention that is quantized);
  the record says which share of the weights that is.

Paper: B. Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, https://arxiv.org/abs/1712.05877

Expect: ResNet-8 on CIFAR-10 87.19 → 86.97 % (MLPerf Tiny's published pair);
a quarter of the size, a third of the latency
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from bench.blocks.keras_integers import is_quantized, require_floats
from bench.errors import Unsupported, first_line
from bench.limits import Positive, Rate
from bench.work.training import Job, Product

BACKENDS = {
    "scheme": {
        "int8": ("tensorflow",),
        "int16x8": ("tensorflow",),
        "dynamic": ("tensorflow",),
        "float16": ("tensorflow",),
        "qat": ("tensorflow",),
        "onnx_int8": ("tensorflow",),
    }
}
INPUT = {"scheme": {"qat": "image", "int16x8": "image"}}
TASKS = {"scheme": {"qat": ("classification",)}}
TAKES = ("keras",)
GIVES = {
    "scheme": {
        "int8": "litert",
        "int16x8": "litert",
        "dynamic": "litert",
        "float16": "litert",
        "qat": "litert",
        "onnx_int8": "onnx",
        "keras_int8": "keras",
        "keras_int4": "keras",
    }
}
REFUSES = {
    "scheme!='qat' and (epochs!=2 or learning_rate!=0.0002)": "it trains with scheme='qat' alone; leave out epochs and "
    "learning_rate",
    "examples!=300 and scheme!='int8' and scheme!='int16x8' and scheme!='onnx_int8'": "no ranges are read off examples "
    "with that scheme; leave them out",
}
ADDED: dict[str, Any] = {"scheme": "int8", "epochs": 2, "learning_rate": 0.0002}
ATTENTION = (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)
Representative = Callable[[], Iterator[list[np.ndarray]]]


def after(
    job: Job,
    *,
    scheme: Literal["int8", "int16x8", "dynamic", "float16", "qat", "onnx_int8", "keras_int8", "keras_int4"] = "int8",
    examples: Positive = 300,
    epochs: Positive = 2,
    learning_rate: Rate = 0.0002,
) -> Product:
    """Return the quantized network, a file but for Keras's own schemes; raise Unsupported for one that cannot be."""
    require_floats(job.parent.network)
    if scheme in {"keras_int8", "keras_int4"}:
        return _by_keras(job, scheme.removeprefix("keras_"))
    if scheme == "qat":
        return _aware(job, epochs, learning_rate)
    if scheme == "onnx_int8":
        return Product(_by_onnxruntime(job, examples))
    import tensorflow as tf

    converter = _converter(job)
    if scheme == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if scheme in {"int8", "int16x8"}:
        converter.representative_dataset = _representative(job, examples)
    if scheme == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if scheme == "int8" and _has_pixels(job):
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
    convert = converter.convert
    if scheme == "int8" and not _has_pixels(job):
        convert = partial(_but_for_preparation, converter)
    return Product(_written(job, scheme, convert))


def _written(job: Job, scheme: str, convert: Callable[[], bytes]) -> Path:
    """Write what LiteRT's converter makes of the network."""
    path = job.folder / "network.tflite"
    with _refusing(job, "LiteRT", scheme):
        path.write_bytes(convert())
    return path


def _by_onnxruntime(job: Job, examples: int) -> Path:
    from bench.blocks import to_onnx

    path = job.folder / "network.onnx"
    inputs = (x for (x,) in _representative(job, examples)())
    with _refusing(job, "ONNX Runtime", "onnx_int8"):
        to_onnx.quantize(job.parent.network, inputs, path, matrices_alone=not _has_pixels(job))
    return path


@contextmanager
def _refusing(job: Job, name: str, scheme: str) -> Iterator[None]:
    """Raise Unsupported for what a converter cannot hold."""
    try:
        yield
    except Unsupported:
        raise
    except Exception as error:  # converters have their own
        raise Unsupported(f"{name} cannot hold {job.parent.network.name} as {scheme}: {first_line(error)}") from error


def _has_pixels(job: Job) -> bool:
    return job.learn.train.x.dtype == np.uint8


def _converter(job: Job) -> Any:
    import tensorflow as tf

    folder = job.folder / "saved"
    job.parent.network.export(folder, format="tf_saved_model", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter


def _but_for_preparation(converter: Any) -> bytes:
    """Quantize all but sums and products: columns of a table are of many scales, which no 8 bits hold together."""
    import tensorflow as tf

    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["SUB", "MUL", "DIV", "ADD"])
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
    )
    quantized: bytes = debugger.get_nondebug_quantized_model()
    return quantized


def _representative(job: Job, examples: int) -> Representative:
    """Return what yields training examples, one by one, to read ranges off."""
    chosen = np.random.default_rng(job.seed).permutation(len(job.learn.train))[:examples]

    def representative() -> Iterator[list[np.ndarray]]:
        for i in np.sort(chosen):
            yield [job.learn.train.x[i : i + 1].astype(np.float32)]

    return representative


def _by_keras(job: Job, mode: str) -> Product:
    network = job.parent.network
    weights = network.count_params()
    sizes = {id(layer): layer.count_params() for layer in network._flatten_layers(recursive=True)}
    attention = [layer for layer in network._flatten_layers() if isinstance(layer, ATTENTION)]
    held = {id(part) for layer in attention for part in layer._flatten_layers()}
    network.quantize(mode, filters=lambda layer: id(layer) not in held)
    done = [layer for layer in network._flatten_layers() if is_quantized(layer)]
    share = sum(sizes[id(layer)] for layer in done) / max(weights, 1)
    if not done:
        raise Unsupported(f"Keras quantizes dense layers, and {network.name} has none outside attention")
    return Product(network, {"quantized_share": (share, "1")})


def _aware(job: Job, epochs: int, learning_rate: float) -> Product:
    import tensorflow as tf

    from bench.blocks.tfmot import quantization_aware

    network, product = quantization_aware(job, epochs, learning_rate)
    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if _has_pixels(job):
        converter.inference_input_type = tf.uint8
    return Product(_written(job, "qat", converter.convert), series=product.series)
