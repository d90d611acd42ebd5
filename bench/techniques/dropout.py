"""Dropout: random units left out while training

One dropout layer is put before the last dense layer, whatever the network: while training, each
input of that layer is set to zero with the probability `rate`, anew for every example.

Paper: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15, 2014

Expect: less overfitting of dense layers; little effect on small networks that end in global average pooling
"""

import keras

from bench.errors import Unsupported
from bench.work.network import MAIN


def model(model: keras.Model, *, rate: float = 0.25) -> keras.Model:
    """Return the untrained network with a dropout layer before the last dense layer of its answer."""
    heads = model.output if isinstance(model.output, dict) else {MAIN: model.output}
    after = []
    layer = _maker(heads[MAIN])
    while not isinstance(layer, keras.layers.Dense):
        after.append(layer)
        if not isinstance(layer.input, keras.KerasTensor):
            raise Unsupported(f"{model.name} does not end in a dense layer")
        layer = _maker(layer.input)
    x = layer(keras.layers.Dropout(rate, name="dropout_before_logits")(layer.input))
    for layer in reversed(after):
        x = layer(x)
    return keras.Model(model.inputs, heads | {MAIN: x} if len(heads) > 1 else x, name=model.name)


def _maker(tensor: keras.KerasTensor) -> keras.Operation:
    return tensor._keras_history.operation
