"""Dropout: random units left out while training

One dropout layer is put before the last dense layer, whatever the network: while training, each
input of that layer is set to zero with the probability `rate`, anew for every example. With
`inside` there is one, of that probability, after the activation of every hidden convolution and
dense layer, too; `dropout(rate=0.0, inside=0.1)` has those alone.

Paper: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15, 2014

Expect: less overfitting of dense layers; little effect on small networks that end in global average pooling
"""

import keras
from keras.layers import Dropout

from bench.blocks.rewiring import Wiring
from bench.errors import Unsupported
from bench.work.network import MAIN

ADDED = {"inside": 0.0}


def model(model: keras.Model, *, rate: float = 0.25, inside: float = 0.0) -> keras.Model:
    """Return the untrained network with a dropout layer before the last dense layer of its answer, and those inside."""
    wiring = Wiring(model)
    before, after = {}, {}
    if inside:
        for i in wiring.activated():
            after[i] = [Dropout(inside, name=wiring.name(f"{wiring.calls[i].layer.name}_dropout"))]
        if not after:
            raise Unsupported(f"{model.name} has no hidden layer with an activation to put dropout after")
    if rate or not inside:
        before[_last_dense(model, wiring), 0] = Dropout(rate, name=wiring.name("dropout_before_logits"))
    made = wiring.rewired(before=before, after=after)
    # Its inputs as a list, or networks that were trained before would have another configuration now.
    return keras.Model(made.inputs, made.output, name=made.name)


def _last_dense(model: keras.Model, wiring: Wiring) -> int:
    i: int = wiring.outputs[MAIN] if isinstance(wiring.outputs, dict) else wiring.outputs
    while not isinstance(wiring.calls[i].layer, keras.layers.Dense):
        makers = wiring.calls[i].makers
        if len(makers) != 1 or makers[0] < 0:
            raise Unsupported(f"{model.name} does not end in a dense layer")
        i = makers[0]
    return i
