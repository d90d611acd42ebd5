"""Clustering: a few distinct weights in each layer

Starts from the trained network and trains on for `epochs` epochs, in which each weight of a convolution
or dense layer is the nearest of `clusters` values of that layer's own, and the values learn. Done by
tensorflow-model-optimization on a copy of the network in tf_keras, with Adam and the suite's schedule
from `learning_rate` on; the recipe's optimizer and callbacks take no part. What was pruned stays at zero. The
compressed file shrinks; no common runtime gets faster.

Paper: S. Han, H. Mao and W. J. Dally, Deep Compression, ICLR 2016, https://arxiv.org/abs/1510.00149

Expect: MobileNetV2 on ImageNet 72.29 → 72.01 % with 32 clusters in the last layers (tensorflow-model-optimization's
guide)
"""

from bench.blocks.tfmot import clustered
from bench.limits import NotNegative, Rate, Several
from bench.work.training import Job, Product

BACKENDS = ("tensorflow",)
TASKS = ("classification",)
TAKES = ("keras",)
GIVES = "keras"


def after(job: Job, *, clusters: Several = 16, epochs: NotNegative = 1, learning_rate: Rate = 0.0002) -> Product:
    """Return the network with clustered weights; raise Unsupported if it cannot be rebuilt in tf_keras."""
    return clustered(job, clusters, epochs, learning_rate)
