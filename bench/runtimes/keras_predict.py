"""Keras predict: what most people call

`model.predict` on one batch, as in every tutorial. It is built for whole datasets: each call
sets up a data pipeline and callbacks, which costs tens of milliseconds whatever the network.
"""

import keras

from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
PACKAGES = ("keras", "tensorflow")


def deploy(network: Deployable) -> Deployed:
    """Load the network and call its `predict`."""
    model = keras.models.load_model(network.path, compile=False)
    return Deployed(
        prepare=lambda x: x.astype("float32"),
        predict=lambda x: model.predict(x, batch_size=len(x), verbose=0),
        size_bytes=network.artifact.size_bytes,
    )
