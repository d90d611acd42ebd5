"""Channels taken out of a network: what is left answers as if they were silent, and what is tied goes together."""

import keras
import numpy as np
import pytest
import workbench

from bench.blocks.channels import Channels
from bench.errors import Unsupported
from bench.work import data

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split() -> data.Split:
    return workbench.prepare("digits(train_size=200)", validation=0.1)


@pytest.mark.parametrize(
    "call",
    [
        "resnet8",
        "resnet(depth=20)",
        "custom_cnn(width=8, depth=2)",
        "mobilenet_v2(width=0.35)",
        "densenet(depth=10)",
        "mlp(width=16, depth=2)",
    ],
)
def test_a_network_without_channels_is_the_network_with_these_silenced(call: str, split: data.Split) -> None:
    """A channel is silent where the kernels that make it, their biases, and what shifts it afterwards are zero."""
    network = workbench.build(call, split.learn)
    rng = np.random.default_rng(0)
    network.set_weights([value + rng.uniform(0.01, 0.1, value.shape) for value in network.get_weights()])
    channels = Channels(network)
    gone = channels.weakest(0.5)
    smaller = channels.without(gone)
    assert smaller.count_params() < 0.75 * network.count_params()
    for kernel in channels._made:
        silent = np.array([root in gone for root in channels._ties.roots(kernel.outputs)])
        weights = [np.array(one) for one in kernel.layer.get_weights()]
        for one in weights:
            one[..., silent] = 0
        kernel.layer.set_weights(weights)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            numbers = channels._inputs[layer.name][0]
            silent = np.array([root in gone for root in channels._ties.roots(numbers)])
            gamma, beta, mean, variance = (np.array(one) for one in layer.get_weights())
            gamma[silent] = beta[silent] = 0
            layer.set_weights([gamma, beta, mean, variance])
        if isinstance(layer, keras.layers.DepthwiseConv2D) and layer.use_bias:
            raise AssertionError("none of ours has one")
    x = split.test.x[:16].astype(np.float32)
    assert np.asarray(smaller(x)) == pytest.approx(np.asarray(network(x)), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("call", ["resnet8", "resnet(depth=20)"])
def test_channels_that_an_addition_ties_go_together(call: str, split: data.Split) -> None:
    network = workbench.build(call, split.learn)
    smaller = Channels(network).without(Channels(network).weakest(0.5))
    widths = [layer.filters for layer in smaller.layers if isinstance(layer, keras.layers.Conv2D)]
    before = [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert widths == [one // 2 for one in before]


def test_a_layer_that_is_called_twice_keeps_its_channels(split: data.Split) -> None:
    inputs = keras.Input((8, 8, 1))
    shared = keras.layers.Conv2D(6, 3, padding="same", name="shared")
    one, other = (keras.layers.Conv2D(4, 3, padding="same")(inputs) for _ in range(2))
    tied = keras.layers.Add()([shared(one), keras.layers.Conv2D(6, 1)(inputs)])
    joined = keras.layers.Concatenate()([tied, shared(other)])
    network = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(joined)))
    with pytest.raises(Unsupported, match="has no channels that could be taken out"):
        Channels(network).weakest(0.5)
