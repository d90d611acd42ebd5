"""LiteRT files of scaled integers as OpenVINO networks that take and give real numbers."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import openvino


def as_real_numbers(model: "openvino.Model", source: Path) -> "openvino.Model":
    """Let a network from a LiteRT file of scaled integers quantize what it is given and give real numbers.

    OpenVINO's own file keeps neither scale nor zero point, so that nobody could tell what to give it.
    """
    from ai_edge_litert.interpreter import Interpreter
    from openvino import Node, Output, Type, opset13
    from openvino.preprocess import PrePostProcessor

    file = Interpreter(str(source))
    steps = PrePostProcessor(model)

    def number(value: float) -> Node:
        return opset13.constant(np.float32(value))

    (entry,), (leave,) = file.get_input_details(), file.get_output_details()
    by, zero = entry["quantization"]
    if by:

        def quantized(x: Output) -> Output:
            limits = np.iinfo(entry["dtype"])
            levels = opset13.add(opset13.round(opset13.divide(x, number(by)), "half_to_even"), number(zero))
            return opset13.convert(opset13.clamp(levels, limits.min, limits.max), entry["dtype"]).output(0)

        steps.input().tensor().set_element_type(Type.f32)
        steps.input().preprocess().custom(quantized)
    step, middle = leave["quantization"]
    if step:

        def real(y: Output) -> Output:
            levels = opset13.subtract(opset13.convert(y, np.float32), number(middle))
            return opset13.multiply(levels, number(step)).output(0)

        steps.output().postprocess().custom(real)
        steps.output().tensor().set_element_type(Type.f32)
    return steps.build()
