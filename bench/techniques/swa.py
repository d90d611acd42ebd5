"""Stochastic weight averaging: the mean of the last epochs' weights

The trained network trains on for `epochs` epochs at the constant learning rate `learning_rate`,
with the recipe's batches and loss, but for prices on weights (`l1`, `l2`); the network is the mean
of the weights at the end of each. The statistics of batch normalization, which belong to no mean,
are taken anew from the training part.

Paper: P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018,
https://arxiv.org/abs/1803.05407

Expect: WideResNet-28-10 on CIFAR-100 80.82 → 82.15 %, with half as many epochs again (the authors' program); on
CIFAR-10 +0.3 to +0.8 points
"""

import keras
import numpy as np

from bench.blocks.keras_integers import require_floats
from bench.blocks.masks import Zeros
from bench.errors import Unsupported
from bench.work.training import Job, Product, Trainer

TAKES = ("keras",)
GIVES = "keras"


class _Mean(keras.callbacks.Callback):
    """Keeps the sum of the weights at the end of each epoch."""

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self._network = network
        self.sums: list[np.ndarray] = []
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        weights = [np.asarray(one, np.float64) for one in self._network.get_weights()]
        self.sums = [a + b for a, b in zip(self.sums, weights, strict=True)] if self.sums else weights
        self.epochs += 1


def after(job: Job, *, epochs: int = 3, learning_rate: float = 0.001) -> Product:
    """Return the mean of the weights."""
    if job.parent.outputs != "logits":
        raise Unsupported("swa trains on, and only networks that answer with logits can")
    network = job.parent.network
    require_floats(network)
    trainer = job.trainer.vary(
        {"epochs": epochs, "learning_rate": learning_rate, "schedule": "constant", "warmup_epochs": 0}
    )
    zeros, mean = Zeros(network), _Mean(network)
    trainer.optimizer_doors += [zeros] if zeros else []
    trainer.callbacks.append(mean)
    product = trainer.fit(network)
    zeros.finish()
    network.set_weights([one / mean.epochs for one in mean.sums])
    _renew_statistics(network, trainer)
    return Product(network, series=product.series)


def _renew_statistics(network: keras.Model, trainer: Trainer) -> None:
    """Set mean and variance of each batch normalization to those of the training part, in shuffled batches."""
    layers = [one for one in network._flatten_layers() if isinstance(one, keras.layers.BatchNormalization)]
    if not layers:
        return
    kept, done = [layer.momentum for layer in layers], 0
    order, size = trainer.order(0), trainer.batch_size
    for i in range(0, len(order), size):
        batch = trainer.learn.train.x[order[i : i + size]].astype(np.float32)
        for layer in layers:
            layer.momentum = done / (done + len(batch))  # so that each example counts the same
        network(batch, training=True)
        done += len(batch)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum
