"""Pruning: the smallest weights set to zero, or whole channels taken out

Starts from the trained network and trains on for `epochs` epochs (0: not at all) with the recipe's
batches and loss (but for prices on weights), to the last of them, whatever would stop it early. In these the smallest
weights of each convolution and dense layer are set to zero, until the share `sparsity` is reached: at once with the
`schedule='constant'`, in ever smaller steps over three quarters of the training with `'polynomial'`. `pattern='2:4'`
keeps the two largest of every four inputs, as sparse tensor cores want, in dense layers and 2-D convolutions whose
inputs come in fours. Depthwise and separable kernels stay whole. The compressed file shrinks by that; no common
runtime gets faster.

`structured=True` takes out the share `sparsity` of the channels instead, the ones with the smallest kernels, and
leaves a smaller dense network, which is faster everywhere. Channels that a residual addition
ties together go or stay together.

`by='tfmot'` prunes by tensorflow-model-optimization, on a copy of the network in tf_keras, with Adam;
it knows convolutional networks that classify, and no pattern and no channels here.

Paper: M. Zhu and S. Gupta, To prune, or not to prune: exploring the efficacy of pruning for model compression, 2017,
https://arxiv.org/abs/1710.01878; channels: H. Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017,
https://arxiv.org/abs/1608.08710

Expect: InceptionV3 on ImageNet 78.1 → 78.0 / 76.1 / 74.6 % at 50 / 75 / 87.5 % (tensorflow-model-optimization's guide)
"""

from typing import Any, Literal

import keras
import numpy as np

from bench.blocks.channels import Channels
from bench.blocks.fine_tuning import trained_on
from bench.blocks.masks import Masks, kernels
from bench.errors import Unsupported
from bench.limits import NotNegative, Rate, Share
from bench.work.training import Job, Product

BACKENDS = {"by": {"tfmot": ("tensorflow",)}}
TASKS = {"by": {"tfmot": ("classification",)}}
TAKES = ("keras",)
GIVES = "keras"
ADDED: dict[str, Any] = {"schedule": "polynomial", "pattern": None, "structured": False, "by": "tfmot"}
REFUSES = {
    "by='tfmot' and epochs=0": "tensorflow-model-optimization prunes while it trains; leave out by, or epochs=0",
    "by='tfmot' and (pattern='2:4' or structured=True)": (
        "tensorflow-model-optimization prunes no patterns and no channels here; leave out by='tfmot'"
    ),
    "structured=True and schedule!='polynomial'": "channels go at once, before it trains on; leave schedule out",
    "pattern='2:4' and (structured=True or sparsity!=0.5)": (
        "the pattern sets half of the weights to zero; leave sparsity at 0.5 and structured at False"
    ),
}
ENOUGH = 0.98
"""Share of the wanted zeros that there must be in the end."""


def after(
    job: Job,
    *,
    sparsity: Share = 0.5,
    epochs: NotNegative = 2,
    learning_rate: Rate = 0.0005,
    schedule: Literal["constant", "polynomial"] = "polynomial",
    pattern: Literal["2:4"] | None = None,
    structured: bool = False,
    by: Literal["keras", "tfmot"] = "keras",
) -> Product:
    """Return the pruned network; raise Unsupported for what cannot be pruned as asked."""
    if by == "tfmot":
        from bench.blocks.tfmot import pruned

        product = pruned(job, sparsity, epochs, learning_rate, schedule)
    elif structured:
        channels = Channels(job.parent.network)
        return trained_on(job, channels.without(channels.weakest(sparsity)), epochs, learning_rate)
    else:
        network, steps = job.parent.network, epochs * job.trainer.steps_per_epoch
        masks = Masks(network, sparsity, steps, schedule, pattern=pattern is not None)
        product = trained_on(job, network, epochs, learning_rate, [masks])
        masks.finish()
    _require(product.network, sparsity, pattern is not None)
    return product


def _require(network: Any, sparsity: float, pattern: bool) -> None:
    """Raise Unsupported for less zeros than wanted, as are left where a schedule is longer than the training."""
    values = [keras.ops.convert_to_numpy(kernel) for kernel in kernels(network, pattern=pattern)]
    if not values:
        raise Unsupported(f"{network.name} has no kernels to prune")
    reached = sum((value == 0).sum() for value in values) / sum(value.size for value in values)
    if reached < sparsity * ENOUGH - 0.01:
        cure = "many of its weights are equal, and go or stay together" if _are_few(values) else "train for more epochs"
        raise Unsupported(f"pruning reached a sparsity of {reached:.2f}, not {sparsity}; {cure}")


def _are_few(values: list[Any]) -> bool:
    return any(len(np.unique(value)) < value.size // 2 for value in (one[one != 0] for one in values))
