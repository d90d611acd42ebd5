"""Transfer: start from what another network has learned

Every layer of the source that this network has, too, by its place and the shape of its weights,
lends its weights; the last layer with weights, which knows the classes, starts anew. The source
is another cell, of any dataset: `transfer(source="cell(dataset='mnist')")`.

`mode` says what is trained then. `features`: the last layer alone. `full`: everything at once.
`progressive`: in `stages` of equally many epochs, first the last layer, then ever more of the
layers before it, until the last stage trains all; layers that rest keep their batch statistics.

Paper: J. Yosinski, J. Clune, Y. Bengio and H. Lipson, How transferable are features in deep neural networks?,
NeurIPS 2014, https://arxiv.org/abs/1411.1792

Expect: better than from scratch, the more so the fewer examples there are to learn from
"""

from typing import Literal

import keras

from bench.errors import Unsupported
from bench.work.training import Cell, Product, Trainer, joined


def model(model: keras.Model, *, source: Cell) -> keras.Model:
    """Return the untrained network with the source's weights in all layers but the last, where they fit."""
    givers, takers = _weighted(source.network), _weighted(model)
    lent = 0
    for giver, taker in zip(givers, takers[:-1], strict=False):
        if type(giver) is type(taker) and _shapes(giver) == _shapes(taker):
            taker.set_weights(giver.get_weights())
            lent += 1
    if not lent:
        raise Unsupported(f"{source.network.name} has no layer in common with {model.name}")
    return model


def fit(
    trainer: Trainer,
    model: keras.Model,
    *,
    mode: Literal["features", "full", "progressive"] = "progressive",
    stages: int = 3,
) -> Product:
    """Train in stages, the layers near the answer first."""
    if stages < 1:
        raise Unsupported(f"stages={stages}: a training has at least one")
    layers = _weighted(model)
    shares = {"features": [0.0], "full": [1.0], "progressive": [i / max(stages - 1, 1) for i in range(stages)]}[mode]
    done, epochs = [], trainer.settings.epochs
    for i, share in enumerate(shares):
        first, last = epochs * i // len(shares), epochs * (i + 1) // len(shares)
        if first == last:
            continue
        awake = 1 + round(share * (len(layers) - 1))
        for place, layer in enumerate(reversed(layers)):
            layer.trainable = place < awake
        done.append(trainer.fit(model, first_epoch=first, epochs=last))
    for layer in layers:
        layer.trainable = True
    return joined(done)


def _weighted(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers that learn, in order; what stands for the preparation of the data is no part of it."""
    return [layer for layer in network.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
