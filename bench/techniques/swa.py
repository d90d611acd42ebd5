"""Stochastic weight averaging: the mean of the last epochs' weights

The trained network trains on for `epochs` epochs at the constant learning rate `learning_rate`,
with the recipe's batches and loss; the network is the mean of the weights at the end of each. The
statistics of batch normalization, which belong to no mean, are taken anew from the training part.

Paper: P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018,
https://arxiv.org/abs/1803.05407

Expect: WideResNet-28-10 on CIFAR-100 80.75 → 82.15 % (the paper, table 1); CIFAR-10 +0.3 points and less
"""

import keras
import numpy as np

from bench.errors import Unsupported
from bench.work.data import Part
from bench.work.training import Job, Product

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
    trainer = job.trainer.vary(
        {"epochs": epochs, "learning_rate": learning_rate, "schedule": "constant", "warmup_epochs": 0}
    )
    trainer.checkpoints = job.trainer.checkpoints
    mean = _Mean(network)
    trainer.callbacks.append(mean)
    product = trainer.fit(network)
    network.set_weights([one / mean.epochs for one in mean.sums])
    _renew_statistics(network, job.learn.train, job.trainer.batch_size)
    return Product(network, series=product.series)


def _renew_statistics(network: keras.Model, train: Part, batch_size: int) -> None:
    """Set mean and variance of each batch normalization to those of the whole training part."""
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in layers]
    for i in range(0, len(train), batch_size):
        for layer in layers:
            layer.momentum = i / (i + batch_size)  # so that each batch counts the same
        if layers:
            network(train.x[i : i + batch_size].astype(np.float32), training=True)
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum
