"""Fine-tuning: some epochs more, and nothing else

The trained network trains on for `epochs` epochs from `learning_rate` on, with the recipe's
batches and loss (but for prices on weights) and the suite's optimizer and schedule. What has been
pruned stays so: weights of convolutions and dense layers that are zero remain zero. It is the
control beside `prune`, `low_rank` and all else that trains on: what these are worth is what they
differ from this by, as some epochs more alone may help.

Expect: a network that was trained to the end gains little; one that was not, more than it would lose by pruning
"""

from bench.blocks.fine_tuning import trained_on
from bench.limits import NotNegative, Rate
from bench.work.training import Job, Product

TAKES = ("keras",)
GIVES = "keras"


def after(job: Job, *, epochs: NotNegative = 2, learning_rate: Rate = 0.0005) -> Product:
    """Return the network as it is after more epochs."""
    return trained_on(job, job.parent.network, epochs, learning_rate)
