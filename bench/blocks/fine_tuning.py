"""Some epochs more of a finished network, for techniques that change it and for the control beside them."""

from collections.abc import Sequence
from dataclasses import replace

import keras

from bench.blocks.keras_integers import require_floats
from bench.blocks.masks import Zeros
from bench.errors import Unsupported
from bench.work.training import Job, OptimizerDoor, Product


def trained_on(
    job: Job, network: keras.Model, epochs: int, learning_rate: float, doors: Sequence[OptimizerDoor] = ()
) -> Product:
    """Train a network in place as the recipe does, `epochs` more from `learning_rate` on; with 0, not at all.

    Optimizer and schedule are the suite's, batches and loss the recipe's, and `doors` wrap the
    optimizer. Kernels that these do not hold keep the zeros that a pruning has left. A network from a
    file may end in a softmax. Raise Unsupported for answers that are not what the loss is of, and
    for weights that are integers.
    """
    require_floats(network)
    if not epochs:
        return Product(network)
    if network.output_shape[-1] != job.learn.facts.outputs:
        raise Unsupported(
            f"trains on, which takes a network with {job.learn.facts.outputs} outputs; this one has "
            f"{network.output_shape[-1]}"
        )
    trainer = job.trainer.vary({"epochs": epochs, "learning_rate": learning_rate, "warmup_epochs": 0})
    if doors:  # which are done at the last epoch: an earlier one would be half of what was asked for
        trainer.callbacks = [one for one in trainer.callbacks if not isinstance(one, keras.callbacks.EarlyStopping)]
    zeros = Zeros(network)
    trainer.optimizer_doors += [*doors, *([zeros] if zeros else [])]
    if job.parent.outputs == "probabilities":  # their logarithms are logits with the same softmax
        logits = keras.ops.log(keras.ops.clip(network.outputs[0], 1e-7, 1.0))
        product = replace(trainer.fit(keras.Model(network.inputs, logits)), network=network)
    else:
        product = trainer.fit(network)
    zeros.finish()
    return product
