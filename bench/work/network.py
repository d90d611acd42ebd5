"""Networks: built with their preparation inside, saved by digest, loaded, described."""

import secrets
import traceback
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.errors import PluginError, Unsupported, first_line
from bench.records import SUFFIXES, Artifact, Layer, Measurement, canonical
from bench.work import preparation
from bench.work.data import Learn

MAIN = "logits"
"""Where `build` returns a dict: the head that is the network's answer. The others help to train it."""


def build(
    architecture: Callable[..., Any], parameters: dict[str, Any], learn: Learn, *, name: str, prepared: bool = True
) -> keras.Model:
    """Return the untrained network of an architecture for a dataset.

    Its input is the dataset's own scale as float32: pixels 0–255, or raw columns; with `prepared`
    the architecture is handed them rescaled or standardized. Its output is logits, (n, classes),
    or one value for regression; beside it there may be auxiliary heads, which are trained and not
    saved. Raise Unsupported where Keras finds that the shapes cannot go together.
    """
    inputs = preparation.inputs(learn)
    try:
        heads = architecture(
            preparation.prepare(inputs, learn) if prepared else inputs, learn.facts.outputs, **parameters
        )
    except ValueError as error:
        if not _is_of_keras(error):
            raise  # a fault of the architecture, whose traceback tells more
        shape = tuple(inputs.shape[1:])
        raise Unsupported(f"{name} cannot be built for inputs of shape {shape}: {first_line(error)}") from error
    heads = heads if isinstance(heads, dict) else {MAIN: heads}
    _check(name, heads, learn)
    if learn.facts.task == "regression":
        heads = {name: preparation.to_units(values, learn) for name, values in heads.items()}
    return keras.Model(inputs, heads if len(heads) > 1 else heads[MAIN], name=name)


def _check(name: str, heads: dict[str, Any], learn: Learn) -> None:
    """Raise PluginError unless `build` has answered with logits for the dataset's classes."""
    if MAIN not in heads:
        raise PluginError(f"architectures/{name}: its 'build' must return logits, or a dict with '{MAIN}' in it")
    for head, values in heads.items():
        shape = getattr(values, "shape", None)
        if not isinstance(values, keras.KerasTensor) or tuple(shape or ()) != (None, learn.facts.outputs):
            wanted = f"{head} of shape (None, {learn.facts.outputs})"
            got = f"shape {tuple(shape)}" if shape is not None else type(values).__name__
            raise PluginError(f"architectures/{name}: its 'build' must return {wanted}; got {got}")


def _is_of_keras(error: BaseException) -> bool:
    """Tell whether an error was raised within Keras, or the backend that it asked."""
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return not {"keras", "tensorflow", "jax", "torch"}.isdisjoint(Path(innermost).parts)


def main_head(network: keras.Model) -> keras.Model:
    """Return a network without its auxiliary heads, sharing the weights."""
    if not isinstance(network.output, dict):
        return network
    return keras.Model(network.inputs, network.output[MAIN], name=network.name)


def digest(network: keras.Model) -> str:
    """Return SHA-256 over a network's canonical configuration and weight bytes.

    A `.keras` file's own bytes change with the clock. Layer names count, so the network should
    have been built in a fresh process, or after `keras.utils.clear_session()`.
    """
    found = sha256(canonical(network.get_config()))
    for value in network.get_weights():
        found.update(repr((value.shape, str(value.dtype))).encode())
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()


def save(network: keras.Model, folder: Path) -> Artifact:
    """Write a network that was never compiled as `<digest>.keras`; equal networks share the file."""
    name = digest(network)
    path = folder / f"{name[:32]}.keras"
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{secrets.token_hex(8)}.keras"  # two processes may save equal networks at once
    try:
        network.save(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Artifact(digest=name, format="keras", file=path.name, size_bytes=path.stat().st_size, outputs="logits")


def keep(made: keras.Model | Path, folder: Path) -> Artifact:
    """Put what a technique made, a Keras network or a file, among the artifacts."""
    if isinstance(made, keras.Model):
        return save(made, folder)
    name = sha256(made.read_bytes()).hexdigest()
    path = folder / f"{name[:32]}{made.suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    made.replace(path)
    return Artifact(
        digest=name, format=SUFFIXES[made.suffix], file=path.name, size_bytes=path.stat().st_size, outputs="logits"
    )


def load(artifact: Artifact, folder: Path) -> keras.Model:
    """Read a `keras` artifact back, for inference or further training."""
    return keras.models.load_model(folder / artifact.file, compile=False)


def complexity(layers: tuple[Layer, ...]) -> list[Measurement]:
    """Return parameters and floating-point operations of one example, two for each multiply-add."""
    if not layers:
        return []
    return [
        Measurement(name="parameters", value=sum(layer.parameters for layer in layers), unit="1", better="lower"),
        Measurement(name="flops", value=2 * sum(layer.macs for layer in layers), unit="FLOP", better="lower"),
    ]


def size(artifact: Artifact, folder: Path) -> list[Measurement]:
    """Return the artifact's size on disk, and after zlib at its highest level, which sparse weights gain from."""
    packed = len(zlib.compress((folder / artifact.file).read_bytes(), 9))
    return [
        Measurement(name="size_bytes", value=artifact.size_bytes, unit="B", better="lower"),
        Measurement(name="compressed_bytes", value=packed, unit="B", better="lower"),
    ]


def layer_table(network: keras.Model) -> tuple[Layer, ...]:
    """Return name, type, output shape, parameters and multiply-adds of every layer, nested ones unfolded."""
    rows: list[Layer] = []
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            rows += layer_table(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            shape = tuple(layer.output.shape) if not isinstance(layer.output, (list, tuple, dict)) else ()
            rows.append(
                Layer(
                    name=layer.name,
                    type=type(layer).__name__,
                    output_shape=shape,
                    parameters=layer.count_params(),
                    macs=_macs(layer, shape),
                )
            )
    return tuple(rows)


def _macs(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> int:
    """Count the multiply-adds of one example: weights of a kernel times the places it is applied at.

    Convolutions, dense layers and attention alone, as is usual; normalization, activation and
    pooling are left out.
    """
    if isinstance(layer, keras.layers.MultiHeadAttention):
        tokens = shape[1] or 0
        kernels = sum(int(np.prod(weight.shape)) for weight in layer.weights if len(weight.shape) == 3)
        return tokens * kernels + 2 * tokens**2 * int(layer.num_heads * layer.key_dim)
    simple = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Dense, keras.layers.DepthwiseConv2D)
    if isinstance(layer, keras.layers.SeparableConv2D):
        kernel = int(np.prod(layer.depthwise_kernel.shape) + np.prod(layer.pointwise_kernel.shape))
    elif isinstance(layer, simple):
        kernel = int(np.prod(layer.kernel.shape))
    else:
        return 0
    places = [side for side in shape[1:-1] if side is not None]
    return kernel * int(np.prod(places, dtype=np.int64))
