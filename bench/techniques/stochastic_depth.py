"""Stochastic depth: residual branches left out at random

While training, each example skips each residual branch with a probability that grows from block
to block, up to `rate` in the last one, and the branches that are left count for more; the
finished network has all of them. The paper draws once for a whole batch, and scales afterwards
instead. A network that comes with branches left out (EfficientNet) gets these rates.

Paper: G. Huang, Y. Sun, Z. Liu, D. Sedra and K. Weinberger, Deep Networks with Stochastic Depth, ECCV 2016,
https://arxiv.org/abs/1603.09382

Expect: 95.09 % on CIFAR-10 with 1,202 layers (the paper, rate 0.5); the deeper the network, the more it helps
"""

import keras
from keras.layers import Dropout

from bench.blocks.rewiring import Wiring
from bench.errors import Unsupported


def model(model: keras.Model, *, rate: float = 0.2) -> keras.Model:
    """Return the untrained network with a dropout of whole branches before each of its additions."""
    wiring = Wiring(model)
    branches = _branches(wiring)
    if not branches:
        raise Unsupported(f"{model.name} has no residual branches that could be left out")
    before = {}
    for block, (i, place) in enumerate(branches, start=1):
        share, call = rate * block / len(branches), wiring.calls[i]
        last = wiring.calls[call.makers[place]].layer
        if isinstance(last, Dropout) and last.noise_shape and last.rate:
            last.rate = share
        else:
            shape = (None, *[1] * (len(call.shape) - 1))
            before[i, place] = Dropout(share, noise_shape=shape, name=wiring.name(f"{call.layer.name}_skipped"))
    return wiring.rewired(before=before)


def _branches(wiring: Wiring) -> list[tuple[int, int]]:
    """Return the additions whose one input has more behind it than the other, and which input that is."""
    found = []
    for i, call in enumerate(wiring.calls):
        ways = [wiring.behind[maker] if maker >= 0 else set() for maker in call.makers]
        # A layer, or what `x + y` makes, which Keras gives no public name.
        if type(call.layer).__name__ == "Add" and len(ways) == 2:
            kernels = [sum(wiring.calls[one].has_kernel for one in way - other) for way, other in (ways, ways[::-1])]
            # Positions are added to tokens likewise; with as many kernels on both sides it is no shortcut.
            if kernels[0] != kernels[1]:
                found.append((i, kernels.index(max(kernels))))
    return found
