"""Steps put before the input of a network that is no Keras network: other axes, a scale, an offset.

The file then takes the dataset's own values as float32, on every runtime, quantized or not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.blocks import openvino_ir
from bench.errors import NotInstalled, Unsupported

Numbers = float | Sequence[float]


def litert(file: Path, scale: Numbers, offset: Numbers) -> None:
    """Let a `.tflite` file multiply its input and add to it first; a quantized one then quantizes for itself."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    graph = model.subgraphs[0]
    entry = int(graph.inputs[0])
    wanted = graph.tensors[entry]
    is_quantized = wanted.type in {schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16}
    if not is_quantized and wanted.type != schema.TensorType.FLOAT32:
        raise Unsupported("its input is neither float32 nor quantized, so it can be given no scale")

    def tensor(name: str, shape: Any, values: NDArray[np.float32] | None = None) -> int:
        made, buffer = schema.TensorT(), schema.BufferT()
        if values is not None:
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        made.name, made.type, made.buffer = name.encode(), schema.TensorType.FLOAT32, len(model.buffers) - 1
        made.shape = np.asarray(shape, np.int32)
        made.shapeSignature = wanted.shapeSignature if values is None else None
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(kind: str, inputs: list[int], output: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
        code.version = 1
        model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex = len(model.operatorCodes) - 1
        made.inputs, made.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        options = f"{kind.capitalize()}Options"
        made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        made.builtinOptions = getattr(schema, f"{options}T")()
        return made

    raw, scaled = tensor("raw", wanted.shape), tensor("scaled", wanted.shape)
    moved = tensor("moved", wanted.shape) if is_quantized else entry
    factors = [np.atleast_1d(np.asarray(one, np.float32)) for one in (scale, offset)]
    constants = [tensor(name, values.shape, values) for name, values in zip(("by", "and"), factors, strict=True)]
    steps = [operator("MUL", [raw, constants[0]], scaled), operator("ADD", [scaled, constants[1]], moved)]
    if is_quantized:
        steps.append(operator("QUANTIZE", [moved], entry))
    graph.operators = [*steps, *graph.operators]
    graph.inputs = np.array([raw], np.int32)
    for signature in model.signatureDefs or []:
        for one in signature.inputs:
            one.tensorIndex = raw if one.tensorIndex == entry else one.tensorIndex
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file.write_bytes(bytes(builder.Output()))


def onnx(source: Path, file: Path, scale: Numbers, offset: Numbers) -> None:
    """Write an ONNX network as one file, weights that lie beside it included, that takes channels last.

    A network that wants its channels first turns them itself; scale and offset come before that.
    """
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise NotInstalled('onnx is not installed (pip install "keras-bench[onnx]")') from error
    model = onnx.load(source)  # with what lies in files beside
    graph = model.graph
    known = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in known]  # older files name their weights here, too
    if len(inputs) != 1:
        onnx.save(model, file)
        return
    entry = inputs[0]
    sides = [side.dim_value or side.dim_param or None for side in entry.type.tensor_type.shape.dim]
    kind = entry.type.tensor_type.elem_type
    _require_any_number(source, sides)
    is_first, is_plain = _is_first(sides), _is_plain(scale, offset)
    if not is_first and is_plain:
        onnx.save(model, file)
        return
    if is_first:
        sides = [sides[0], sides[2], sides[3], sides[1]]
    steps, present = [], "bench_raw"
    if not is_plain:
        for name, values, does in (("scale", scale, "Mul"), ("offset", offset, "Add")):
            factor, made = f"bench_{name}", f"bench_after_{name}"
            graph.initializer.append(numpy_helper.from_array(np.atleast_1d(np.asarray(values, np.float32)), factor))
            steps.append(helper.make_node(does, [present, factor], [made]))
            present = made
    if is_first:
        steps.append(helper.make_node("Transpose", [present], ["bench_turned"], perm=[0, 3, 1, 2]))
        present = "bench_turned"
    if kind != TensorProto.FLOAT:
        steps.append(helper.make_node("Cast", [present], ["bench_cast"], to=kind))
        present = "bench_cast"
    steps.append(helper.make_node("Identity", [present], [entry.name]))
    raw = helper.make_tensor_value_info("bench_raw", TensorProto.FLOAT, sides)
    others = [one for one in graph.input if one.name != entry.name]
    nodes = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*steps, *nodes])
    graph.input.extend([raw, *others])
    onnx.save(model, file)


def _require_any_number(source: Path, sides: Sequence[Any]) -> None:
    """Raise Unsupported for a network of a fixed number of examples a call; one is called one by one."""
    if sides and isinstance(sides[0], int) and sides[0] > 1:
        raise Unsupported(f"{source}: takes {sides[0]} examples a call; export it for one, or for any number of them")


def openvino(source: Path, file: Path, scale: Numbers, offset: Numbers) -> None:
    """Pack an OpenVINO network into one file, so that it takes channels last; as `onnx` does."""
    model = openvino_ir.read(source)
    if len(model.inputs) == 1:
        from openvino import Layout, Type, opset13
        from openvino.preprocess import PrePostProcessor

        sides = [side.get_length() if side.is_static else None for side in model.input(0).partial_shape]
        _require_any_number(source, sides)
        steps = PrePostProcessor(model)
        entry = steps.input()
        entry.tensor().set_element_type(Type.f32)
        if _is_first(sides):
            entry.tensor().set_layout(Layout("NHWC"))
            entry.model().set_layout(Layout("NCHW"))
        if not _is_plain(scale, offset):
            by, plus = (opset13.constant(np.atleast_1d(np.asarray(one, np.float32))) for one in (scale, offset))
            entry.preprocess().custom(lambda raw: opset13.add(opset13.multiply(raw, by), plus).output(0))
        model = steps.build()
    openvino_ir.write(model, file)


def _is_first(sides: Sequence[Any]) -> bool:
    """Tell whether an input (n, channels, height, width) has its channels first."""
    return len(sides) == 4 and sides[1] in {1, 3, 4} and sides[3] not in {1, 3, 4}


def _is_plain(scale: Numbers, offset: Numbers) -> bool:
    return bool(np.all(np.asarray(scale) == 1.0) and np.all(np.asarray(offset) == 0.0))
