"""Dropout: random units left out while training

One dropout layer is put before the last dense layer, whatever the network: while training, each
input of that layer is set to zero with the probability `rate`, anew for every example.

Paper: N. Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, JMLR 15, 2014

Expect: less overfitting of dense layers; little effect on small networks that end in global average pooling
"""

import keras


def model(model: keras.Model, *, rate: float = 0.25) -> keras.Model:
    """Return the untrained network with a dropout layer before its last layer."""
    last = model.layers[-1]
    x = keras.layers.Dropout(rate, name="dropout_before_logits")(last.input)
    logits = type(last).from_config(last.get_config())(x)
    return keras.Model(model.inputs, logits, name=model.name)
