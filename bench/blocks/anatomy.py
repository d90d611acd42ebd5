"""The parts of a finished network, in order: what transfer freezes, thaws and computes once.

A graph falls apart at the tensors that everything passes through. Between two of them lies a
layer, or a residual block, or an Inception module.
"""

import keras

from bench.errors import Unsupported
from bench.work.network import main_head

Block = list[keras.layers.Layer]


def blocks(network: keras.Model) -> list[Block]:
    """Return the layers that learn, in the blocks that they stand in, from the input to the answer.

    What only normalizes belongs to the block before it; the layers that stand for the preparation
    of the data to none. Those of auxiliary heads alone are part of the last block.
    """
    main = main_head(network)
    found = _chain(main)
    own = {id(layer) for layer in main.layers}
    found[-1] += [layer for layer in network.layers if layer.weights and id(layer) not in own]
    return found


def _chain(network: keras.Model) -> list[Block]:
    found: list[Block] = []
    open_: Block = []
    for layers, is_cut in _walk(network):
        open_ += layers
        if is_cut and open_:
            if found and all(isinstance(layer, keras.layers.BatchNormalization) for layer in open_):
                found[-1] += open_
            else:
                found.append(open_)
            open_ = []
    return [*found, open_] if open_ else found


def _walk(network: keras.Model) -> list[tuple[Block, bool]]:
    """Return for each operation, in order, its layer if that learns, and whether its output is all that goes on."""
    depths = network._nodes_by_depth
    nodes = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
    waiting: dict[int, int] = {}
    """How often each tensor, by its id, is still to be read."""
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] = waiting.get(id(tensor), 0) + 1
    live: set[int] = set()
    steps = []
    for node in nodes:
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                live.discard(id(tensor))
        live |= {id(tensor) for tensor in node.outputs if waiting.get(id(tensor))}
        operation = node.operation
        learns = getattr(operation, "weights", []) and not isinstance(operation, keras.layers.Normalization)
        steps.append(([operation] if learns else [], len(live) <= 1))
    return steps


def head(network: keras.Model) -> tuple[keras.KerasTensor, list[keras.layers.Layer]]:
    """Return what goes into the part that gives the answer, and that part's layers, in order.

    It begins with the last layer that learns, or with the dropout right before it. Raise
    Unsupported where it is no chain of layers.
    """
    network = main_head(network)
    made_by = {
        id(tensor): node for nodes in network._nodes_by_depth.values() for node in nodes for tensor in node.outputs
    }
    chain: list[keras.layers.Layer] = []
    tensor, learned = network.output, False
    while True:
        node = made_by[id(tensor)]
        is_last = learned and not isinstance(node.operation, keras.layers.Dropout)
        if is_last:
            return tensor, list(reversed(chain))
        if len(node.input_tensors) != 1:
            raise Unsupported(f"{network.name} does not end in a chain of layers")
        chain.append(node.operation)
        learned = learned or bool(getattr(node.operation, "weights", []))
        tensor = node.input_tensors[0]
