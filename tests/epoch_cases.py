"""What an epoch does, by the backend's driver and by Keras's `fit`; and what a killed training goes on to.

Run as a program, it prints what it found on the backend that KERAS_BACKEND names, as JSON.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import workbench
from keras import layers

from bench.work import data, network, training
from bench.work.checkpoint import Checkpoints

IMAGES = data.Facts(source="made here", classes=("a", "b", "c", "d"))
PAIRS = replace(IMAGES, task="hierarchical", superclasses=("ab", "cd"), superclass_of=(0, 0, 1, 1))
VALUES = data.Facts(source="made here", task="regression", target="m")
EPOCHS = 3

CASES: dict[str, tuple[data.Facts, tuple[str, ...], dict[str, Any]]] = {
    "plain": (IMAGES, (), {}),
    "batch doors": (IMAGES, ("augment(shift=1)",), {}),
    "dropout": (IMAGES, ("dropout(rate=0.3)",), {}),
    "loss doors": (IMAGES, ("class_weight", "label_smoothing", "focal_loss"), {}),
    "momentum, decay, warm-up": (
        IMAGES,
        (),
        {
            "optimizer": "sgd(momentum=0.9, nesterov=True)",
            "weight_decay": 0.01,
            "schedule": "cosine",
            "warmup_epochs": 1,
        },
    ),
    "adamw": (IMAGES, (), {"optimizer": "adamw", "weight_decay": 0.01}),
    "rmsprop": (IMAGES, (), {"optimizer": "rmsprop"}),
    "mean of weights": (IMAGES, ("ema(momentum=0.9)",), {}),
    "two heads": (IMAGES, (), {}),
    "scaled loss": (IMAGES, (), {"precision": "mixed_float16"}),
    "hierarchical": (PAIRS, ("label_smoothing",), {}),
    "regression": (VALUES, (), {}),
    "absolute errors": (VALUES, (), {"loss": "mae"}),
    "huber": (VALUES, (), {"loss": "huber(delta=0.5)"}),
    "the whole part a step": (IMAGES, (), {"optimizer": "gradient_descent", "learning_rate": 0.1}),
    "damped after a warm-up": (IMAGES, (), {"schedule": "reduce_on_plateau(patience=1, by=0.5)", "warmup_epochs": 1}),
    "an order of its own": (IMAGES, ("balanced_batches",), {}),
}


class SeesBatches(keras.callbacks.Callback):
    """Makes Keras's `fit` train."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look on."""


class Stopped(Exception):
    """A training was killed."""


class Stops(keras.callbacks.Callback):
    """Kills a training at the start of an epoch, or (-1) after the last one."""

    RESUMES = True

    def __init__(self, at: int) -> None:
        super().__init__()
        self._is_time = lambda epoch: epoch == at  # no plain data, so no part of what is restored

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._is_time(epoch):
            raise Stopped

    def on_train_end(self, logs: Any = None) -> None:
        if self._is_time(-1):
            raise Stopped


def learn_of(facts: data.Facts) -> data.Learn:
    """Return 84 images of 6 × 6 pixels, of which 20 to select on; the last batch is not full."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (84, 6, 6, 1)).astype(np.uint8)
    mean = x.mean(axis=(1, 2, 3))
    labels = np.digitize(mean, np.quantile(mean, [0.25, 0.5, 0.75]))
    y = mean.astype(np.float32) if facts.task == "regression" else labels.astype(np.int64)
    return data.Learn(facts, data.Part(x[:64], y[:64]), data.Part(x[64:], y[64:]))


def started(case: str, **more: Any) -> tuple[training.Trainer, keras.Model]:
    """Return a trainer and the untrained network of a case, as a fresh process would."""
    facts, techniques, settings = CASES[case]
    written = {"epochs": EPOCHS, "batch_size": 15, "learning_rate": 0.01} | settings | more
    keras.utils.clear_session()
    keras.config.set_dtype_policy(written.get("precision", "float32"))
    keras.utils.set_random_seed(1)
    learn = learn_of(facts)
    recipe = workbench.recipe("custom_cnn(width=4, depth=1)", techniques, **written)
    model = recipe.build(learn)
    if case == "two heads":
        hidden = layers.Flatten()(model.layers[-2].output)
        model = keras.Model(model.inputs, {network.MAIN: model.output, "early": layers.Dense(4)(hidden)})
    return recipe.trainer(learn, 1, lambda *_: None), model


def curves(product: training.Product) -> dict[str, list[float]]:
    return {f"{one.split} {one.name}": [value or 0.0 for value in one.values] for one in product.series}


def both(case: str) -> list[dict[str, list[float]]]:
    """Return the curves of a case by the driver and by Keras."""
    trainer, model = started(case)
    driven = curves(trainer.fit(model))
    trainer, model = started(case)
    trainer.callbacks.append(SeesBatches())
    return [driven, curves(trainer.fit(model))]


def uphill() -> dict[str, dict[str, list[float]]]:
    """Return the curves of a training, and of the same with the slope asked for here and elsewhere."""
    found = {}
    for name, techniques in (("plain", ()), ("here", ("sam(rho=0.0)",)), ("elsewhere", ("sam(rho=0.1)",))):
        CASES["slope"] = (IMAGES, ("augment(shift=1)", "dropout(rate=0.3)", *techniques), {})
        trainer, model = started("slope")
        found[name] = curves(trainer.fit(model))
    return found


def heard() -> int:
    """Return how many batches a callback hears of that is made of functions."""
    trainer, model = started("plain")
    batches: list[int] = []
    trainer.callbacks.append(
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    )
    trainer.fit(model)
    return len(batches)


def scanned() -> dict[str, list[float]]:
    """Return the curves of the first case as JAX trains on an accelerator: the loop compiled, too."""
    import jax

    real, jax.default_backend = jax.default_backend, lambda: "gpu"
    try:
        trainer, model = started("plain")
        return curves(trainer.fit(model))
    finally:
        jax.default_backend = real


def in_stages(trainer: training.Trainer, model: keras.Model) -> training.Product:
    """Train the last layer alone, then all."""
    for layer in model.layers[:-1]:
        layer.trainable = False
    first = trainer.fit(model, first_epoch=0, epochs=3)
    for layer in model.layers:
        layer.trainable = True
    return training.joined([first, trainer.fit(model, first_epoch=3, epochs=6)])


def killed_and_resumed(techniques: tuple[str, ...], *, stages: bool) -> Iterator[list[Any]]:
    """Yield digest and curves of an undisturbed training, and of one that was killed thrice."""
    CASES["here"] = (IMAGES, techniques, {})
    for kills in ([], [1, 3, -1]):
        with tempfile.TemporaryDirectory() as folder:
            for kill in [*kills, 99]:
                trainer, model = started("here", epochs=6)
                trainer.checkpoints = Checkpoints(Path(folder), every_s=0)
                trainer.callbacks.append(Stops(kill))
                try:
                    product = in_stages(trainer, model) if stages else trainer.fit(model)
                except Stopped:
                    continue
                yield [network.digest(product.network), curves(product)]
                break


RESUMED = {
    "augmented": (("augment(shift=1)", "dropout(rate=0.3)"), False),
    "selected": (("ema(momentum=0.9)", "early_stopping(patience=4)", "dropout"), False),
    "in stages": (("augment(shift=1)", "dropout"), True),
}


def resumed(case: str) -> list[Any]:
    """Return what an undisturbed training came to, and one that was killed thrice."""
    techniques, stages = RESUMED[case]
    return list(killed_and_resumed(techniques, stages=stages))


if __name__ == "__main__":
    found: dict[str, Any] = {
        "both": {case: both(case) for case in CASES},
        "resumed": {case: resumed(case) for case in RESUMED},
    }
    found["heard"] = heard()
    found["uphill"] = uphill()
    if keras.backend.backend() == "jax":
        found["scanned"] = scanned()
    print(json.dumps(found))
