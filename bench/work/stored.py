"""What a network's file holds and computes, read off it: kernels, and layers with parameters and multiply-adds."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from bench.blocks import openvino_ir
from bench.errors import NotInstalled
from bench.records import Artifact, Layer, Measurement

WEIGHS: dict[str, tuple[int, int | None]] = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "FULLY_CONNECTED": (1, 2),
    "TRANSPOSE_CONV": (1, 3),
    "Conv": (1, 2),
    "Convolution": (1, None),
    "GroupConvolution": (1, None),
    "ConvInteger": (1, None),
    "QLinearConv": (3, 8),
    "Gemm": (1, 2),
    "MatMul": (1, None),
    "MatMulInteger": (1, None),
    "QLinearMatMul": (3, None),
}
"""Operations of LiteRT, ONNX and OpenVINO that weigh their inputs, with the places of kernel and bias among these."""
DEQUANTIZE = {"DEQUANTIZE", "DequantizeLinear", "Cast", "QuantizeLinear", "Convert"}
"""What may stand between a kernel as it is stored and the operation that it is for."""


@dataclass(frozen=True)
class Kernel:
    """Weights as a file stores them.

    Attributes:
        values: One element a weight, of the stored type, or of the next wider one that NumPy has.
        bits: What each takes in the file.
        zero: What stands for zero among integers: one number, or an array for the values to be compared with.
    """

    values: NDArray[np.generic]
    bits: int
    zero: int | NDArray[np.generic] = 0


@dataclass(frozen=True)
class Operation:
    """A step of a network's graph; tensors go by name."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """The operations of a file that is no Keras network, the constants they take, and the shapes of their outputs."""

    operations: tuple[Operation, ...]
    constants: dict[str, Kernel]
    shapes: dict[str, tuple[int | None, ...]]

    @cached_property
    def kernels(self) -> dict[str, Kernel]:
        """Of each operation that weighs its inputs: the kernel that the file holds for it."""
        found = {one.name: self._held(one, WEIGHS[one.kind][0]) for one in self.operations if one.kind in WEIGHS}
        return {name: kernel for name, kernel in found.items() if kernel is not None}

    def layers(self) -> tuple[Layer, ...]:
        """Return the operations with weights as rows of a layer table."""
        return tuple(
            Layer(
                name=operation.name,
                type=operation.kind,
                output_shape=(None, *self.shapes.get(operation.outputs[0], ())[1:]),
                parameters=parameters,
                macs=self._macs(operation),
            )
            for operation in self.operations
            if (parameters := self._parameters(operation))
        )

    @cached_property
    def _made_by(self) -> dict[str, Operation]:
        return {tensor: operation for operation in self.operations for tensor in operation.outputs}

    def _held(self, operation: Operation, place: int | None) -> Kernel | None:
        """Return the constant at a place of an operation's inputs, as it is stored."""
        if place is None or place >= len(operation.inputs):
            return None
        tensor = operation.inputs[place]
        while tensor not in self.constants and tensor in self._made_by and self._made_by[tensor].kind in DEQUANTIZE:
            tensor = self._made_by[tensor].inputs[0]
        return self.constants.get(tensor)

    def _parameters(self, operation: Operation) -> int:
        """Count kernel and bias, or what else an operation adds to or multiplies by; scales and shapes are none."""
        if operation.kind in DEQUANTIZE:
            return 0
        places = WEIGHS.get(operation.kind, range(len(operation.inputs)))
        held = [one for place in places if (one := self._held(operation, place)) is not None]
        if operation.kind not in WEIGHS:
            held = [one for one in held if one.values.dtype.kind == "f" and one.values.size > 1]
        return sum(one.values.size for one in held)

    def _macs(self, operation: Operation) -> int:
        kernel = self.kernels.get(operation.name)
        if kernel is None:
            return 0
        shape = self.shapes.get(operation.outputs[0], ())[1:]
        is_litert = operation.kind.isupper()
        places = (
            shape[:-1]
            if is_litert or not operation.kind.endswith(("Conv", "ConvInteger", "Convolution"))
            else shape[1:]
        )
        return kernel.values.size * prod(side for side in places if side)


def figures(artifact: Artifact, folder: Path) -> list[Measurement]:
    """Return how many of a network's weights are zero, how many differ, and what each takes in its file.

    Weights are those of kernels, which are nearly all; of a network without one there is nothing to say.
    """
    stored = list(_kernels(artifact, folder / artifact.file))
    if not stored:
        return []
    count = sum(one.values.size for one in stored)
    zeros = sum(int((one.values == one.zero).sum()) for one in stored)
    most = max(len(np.unique(one.values)) for one in stored)
    bits = sum(one.bits * one.values.size for one in stored)
    return [
        Measurement(name="sparsity", value=zeros / count, unit="1", better="none", n=count),
        Measurement(name="unique_weights", value=most, unit="1", better="none", statistic="most of a layer"),
        Measurement(name="bits_per_weight", value=bits / count, unit="bit", better="lower", n=count),
    ]


def layers(artifact: Artifact, folder: Path) -> tuple[Layer, ...]:
    """Return the layer table of a network that is no Keras network, empty where its file cannot be read."""
    graph = read(folder / artifact.file)
    return graph.layers() if graph else ()


def _kernels(artifact: Artifact, path: Path) -> Iterator[Kernel]:
    if artifact.format == "keras":
        for layer in keras.models.load_model(path, compile=False)._flatten_layers():
            own = getattr(layer, "_kernel", getattr(layer, "kernel", None))
            for kernel in (own, getattr(layer, "depthwise_kernel", None), getattr(layer, "pointwise_kernel", None)):
                if not isinstance(kernel, keras.Variable) or len(kernel.shape) < 2:
                    continue
                values = np.asarray(keras.ops.convert_to_numpy(kernel))
                if getattr(layer, "quantization_mode", None) == "int4":
                    yield _of_four_bits(layer, values)
                else:
                    yield Kernel(values, values.dtype.itemsize * 8)
        return
    graph = read(path)
    yield from graph.kernels.values() if graph else ()


def _of_four_bits(layer: keras.Layer, packed: NDArray[Any]) -> Kernel:
    """Return a kernel in Keras's int4, whose groups of inputs have a number each, and for each output, for zero."""
    zeros, group_of = getattr(layer, "kernel_zero", None), getattr(layer, "g_idx", None)
    if zeros is None or group_of is None:
        return Kernel(_unpacked(packed), 4)
    codes, zeros, group_of = map(keras.ops.convert_to_numpy, (layer.kernel, zeros, group_of))
    return Kernel(codes, 4, zeros[group_of.astype(int)].reshape(codes.shape))


def _unpacked(values: NDArray[Any]) -> NDArray[np.int8]:
    """Return numbers of 4 bits, of which a byte holds two."""
    raw = values.astype(np.int8)
    low, high = ((raw << 4).astype(np.int8) >> 4), raw >> 4
    return np.stack([low, high])


def read(path: Path) -> Graph | None:
    """Return the graph of a file that is no Keras network; None without the package that reads it."""
    if path.suffix == ".tflite":
        return _litert(path.read_bytes())
    if path.suffix == ".onnx":
        with suppress(ImportError):
            return _onnx(path)
    if path.suffix == ".openvino":
        with suppress(NotInstalled):
            return _openvino(openvino_ir.read(path))
    return None


def _litert(raw: bytes) -> Graph:
    from ai_edge_litert import schema_py_generated as schema

    types = {
        schema.TensorType.FLOAT32: (np.float32, 32),
        schema.TensorType.FLOAT16: (np.float16, 16),
        schema.TensorType.INT8: (np.int8, 8),
        schema.TensorType.UINT8: (np.uint8, 8),
        schema.TensorType.INT4: (np.int8, 4),
        schema.TensorType.INT16: (np.int16, 16),
        schema.TensorType.INT32: (np.int32, 32),
        schema.TensorType.INT64: (np.int64, 64),
    }
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.ModelT.InitFromPackedBuf(raw, 0)
    (subgraph, *_) = model.subgraphs
    constants: dict[str, Kernel] = {}
    shapes: dict[str, tuple[int | None, ...]] = {}
    for number, tensor in enumerate(subgraph.tensors):
        data, known = model.buffers[tensor.buffer].data, types.get(tensor.type)
        shapes[str(number)] = tuple(int(side) for side in (() if tensor.shape is None else tensor.shape))
        if data is not None and len(data) and known:
            values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), known[0])
            points = getattr(tensor.quantization, "zeroPoint", None)
            zero = int(points[0]) if points is not None and len(points) == 1 else 0  # of several all are 0
            constants[str(number)] = Kernel(_unpacked(values) if known[1] == 4 else values, known[1], zero)
    operations = []
    for number, operator in enumerate(subgraph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "CUSTOM")
        inputs = tuple(str(i) for i in operator.inputs)
        operations.append(Operation(f"{number}", kind, inputs, tuple(str(i) for i in operator.outputs)))
    return Graph(tuple(operations), constants, shapes)


def _onnx(path: Path) -> Graph:
    import onnx
    from onnx import numpy_helper

    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    constants = {}
    for one in graph.initializer:
        values = numpy_helper.to_array(one)
        constants[one.name] = Kernel(values, values.dtype.itemsize * 8)
    shapes = {
        value.name: tuple(side.dim_value or None for side in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.output)
    }
    operations = tuple(
        Operation(node.name or str(number), node.op_type, tuple(node.input), tuple(node.output))
        for number, node in enumerate(graph.node)
    )
    return Graph(operations, constants, shapes)


def _openvino(model: Any) -> Graph:
    constants, operations, shapes = {}, [], {}
    for one in model.get_ordered_ops():
        name, kind = one.get_friendly_name(), one.get_type_name()
        if kind == "Constant":
            constants[name] = Kernel(one.data, one.get_element_type().bitwidth)
            continue
        sources = tuple(value.get_source_output().get_node().get_friendly_name() for value in one.inputs())
        operations.append(Operation(name, kind, sources, (name,)))
        if one.get_output_size():
            sides = one.get_output_partial_shape(0)
            if sides.rank.is_static:
                shapes[name] = tuple(side.get_length() if side.is_static else None for side in sides)
    return Graph(tuple(operations), constants, shapes)
