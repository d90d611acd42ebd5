"""Weight averaging: an exponential mean of the weights

After every step the mean moves by 1 − `momentum` towards the weights; the network ends with the
mean, and the validation part is judged with it. Together with early stopping, the best epoch is
that of the mean.

Paper: B. T. Polyak and A. B. Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM Journal on Control
and Optimization 30(4), 1992

Expect: a little better and steadier than the last weights where the learning rate does not fall to zero
"""

import keras

from bench.work.training import Trainer


class _Swap(keras.callbacks.SwapEMAWeights):
    """Begins each stage of a training anew, as the optimizer does."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._ema_weights_in_model = False


def optimizer(optimizer: keras.optimizers.Optimizer, *, momentum: float = 0.99) -> keras.optimizers.Optimizer:
    """Return the optimizer, keeping the mean of the weights."""
    optimizer.use_ema, optimizer.ema_momentum = True, momentum
    optimizer.ema_overwrite_frequency = None
    return optimizer


def callbacks(trainer: Trainer) -> list[keras.callbacks.Callback]:
    """Put the mean in place at the end of each epoch, before any other callback looks at the weights."""
    trainer.callbacks.insert(0, _Swap(swap_on_epoch=True))
    return []
