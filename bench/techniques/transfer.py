"""Transfer: start from what another network has learned

What is lent comes from the `source`, another cell of any dataset (`transfer(source="cell(dataset='mnist')")`),
from a file of `weights`, or, without either, from the architecture itself (`imagenet(…)`). Every
layer of the source that this network has, too, by its place and the shape of its weights, lends
its weights; the last one, which knows the classes, starts anew.

`mode` says what is trained then. `features`: the last layer alone, on what the frozen rest makes of
each example, as it does when it is deployed: nothing is dropped out in it. That is computed once and
kept; with augmentation, it is trained on `views` of each example, or with 0 on new ones each epoch,
which costs the whole network. `full`:
everything at once. `selective`: the last `blocks` blocks (a layer, or a residual block, each).
`progressive`: in `stages` of equally many epochs, first the last layer, then ever more blocks
before it, until the last stage trains all; `rates` are the stages' factors of the learning rate.
`discriminative`: everything, the learning rate falling by `decay` from block to block towards the input
(`weight_decay` does not). But with `full`, batch normalization stays as it was lent. What trains on
afterwards, as `swa` and `prune` do, trains everything.

Paper: J. Yosinski, J. Clune, Y. Bengio and H. Lipson, How transferable are features in deep neural networks?,
NeurIPS 2014, https://arxiv.org/abs/1411.1792 (features, full); J. Howard and S. Ruder, Universal Language Model
Fine-tuning for Text Classification, ACL 2018, https://arxiv.org/abs/1801.06146 (progressive, discriminative)

Expect: better than from scratch, the more so the fewer examples there are to learn from
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras
from msgspec import structs

from bench.blocks.anatomy import Block
from bench.blocks.anatomy import blocks as blocks_of
from bench.blocks.features import on_features
from bench.errors import DataError, Unsupported, first_line
from bench.work.training import Cell, Product, Trainer, joined

PATHS = ("weights",)
NEEDS = {"source": {None: ("pretrained",)}}
EXCLUDES = {"batch_norm": "a normalization that nobody lent would never learn its statistics"}
ADDED: dict[str, Any] = {
    "source": None,
    "weights": None,
    "blocks": 2,
    "rates": [],
    "decay": 0.7,
    "views": 0,
    "cached": True,
}


def model(model: keras.Model, *, source: Cell | None = None, weights: str | None = None) -> keras.Model:
    """Return the untrained network with the source's weights in all layers but the last, where they fit."""
    if source and weights:
        raise Unsupported("transfer starts from a source or from a file of weights; name one of them")
    if not source and not weights:
        return model
    lender = source.network if source else _read(Path(weights or ""))
    givers, takers = _learning(lender), _learning(model)
    lent = 0
    for giver, taker in zip(givers, takers[:-1], strict=False):
        if type(giver) is type(taker) and _shapes(giver) == _shapes(taker):
            taker.set_weights(giver.get_weights())
            lent += 1
    if not lent:
        raise Unsupported(f"{lender.name} has no layer in common with {model.name}")
    return model


def fit(
    trainer: Trainer,
    model: keras.Model,
    *,
    mode: Literal["features", "full", "selective", "progressive", "discriminative"] = "progressive",
    stages: int = 3,
    blocks: int = 2,
    rates: list[float] = [],  # noqa: B006 (read as a literal, and never written to)
    decay: float = 0.7,
    views: int = 0,
    cached: bool = True,
) -> Product:
    """Train what the mode says, in stages."""
    if stages < 1 or blocks < 1:
        raise Unsupported("transfer trains at least one block in at least one stage")
    if rates and len(rates) != stages:
        raise Unsupported(f"transfer has {stages} stages and {len(rates)} rates; give one for each stage")
    parts = blocks_of(model)
    if mode == "features" and cached and (views or not trainer.batch_doors) and not trainer.asks_of_examples:
        return on_features(trainer, model, views)
    if mode == "discriminative":
        distance = {id(w): len(parts) - 1 - i for i, part in enumerate(parts) for layer in part for w in layer.weights}
        trainer = replace(trainer, optimizer_doors=[*trainer.optimizer_doors, partial(_by_depth, distance, decay)])
    every = len(parts)
    awake = {
        "features": [1],
        "full": [every],
        "selective": [min(blocks + 1, every)],
        "progressive": [1 + round(i / max(stages - 1, 1) * (every - 1)) for i in range(stages)],
        "discriminative": [every],
    }[mode]
    done, epochs = [], trainer.settings.epochs
    for i, count in enumerate(awake):
        first, last = epochs * i // len(awake), epochs * (i + 1) // len(awake)
        if first == last:
            continue
        _wake(parts, count, statistics=mode == "full")
        rate = trainer.settings.learning_rate * (rates[i] if mode == "progressive" and rates else 1.0)
        stage = replace(trainer, settings=structs.replace(trainer.settings, learning_rate=rate))
        done.append(stage.fit(model, first_epoch=first, epochs=last))
    for part in parts:
        for layer in part:
            layer.trainable = True
    return joined(done)


def _wake(parts: list[Block], count: int, *, statistics: bool) -> None:
    """Let the last `count` blocks learn; batch normalization does if it may change its `statistics`."""
    for i, part in enumerate(reversed(parts)):
        for layer in part:
            layer.trainable = i < count and (statistics or not isinstance(layer, keras.layers.BatchNormalization))


def _by_depth(distance: dict[int, int], decay: float, optimizer: keras.optimizers.Optimizer) -> Any:
    """Return the optimizer with a learning rate for each variable, by its block's distance from the answer."""
    step = optimizer.update_step

    def update_step(gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        step(gradient, variable, learning_rate * decay ** distance.get(id(variable), 0))

    def one_by_one(grads: list[Any], trainable_variables: list[keras.Variable], learning_rate: Any) -> None:
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            update_step(gradient, variable, learning_rate)

    # PyTorch's optimizers would take all variables at once.
    optimizer.update_step, optimizer._backend_update_step = update_step, one_by_one
    return optimizer


def _read(path: Path) -> keras.Model:
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises what its readers raise
        raise DataError(f"{path}: no network that Keras can read: {first_line(error)}; save it as .keras") from error


def _learning(network: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers with weights, in order; what stands for the preparation of the data is none of them."""
    return [layer for layer in network.layers if layer.weights and not isinstance(layer, keras.layers.Normalization)]


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]
