"""Each technique that regularizes, an optimizer and a schedule beside it, trained on some backend.

Run as a program, it prints what it found on the backend that KERAS_BACKEND names, as JSON.
"""

import json
from typing import Any

import keras
import numpy as np
import workbench
from keras import ops

from bench.work import data, training

PLAIN = {"optimizer": "sgd(momentum=0.0, nesterov=False)", "epochs": 1}
"""One step of this with a batch of all examples moves weights by the gradient times the learning rate."""

TECHNIQUES = {
    "l1": "custom_cnn(width=4, depth=1)",
    "l2": "custom_cnn(width=4, depth=1)",
    "gradient_clipping": "custom_cnn(width=4, depth=1)",
    "gradient_clipping(by='value', limit=0.01)": "custom_cnn(width=4, depth=1)",
    "dropout(inside=0.1)": "custom_cnn(width=4, depth=1)",
    "batch_norm": "custom_cnn(width=4, depth=1, batch_norm=False)",
    "stochastic_depth": "resnet8(width=4)",
}
OPTIMIZERS = ("adagrad", "momentum", "nesterov", "lion", "muon", "muon", "momentum")
SCHEDULES = ("exponential", "one_cycle", "step(at=[0.2, 0.6], by=0.5)", "one_cycle", "exponential", "step", "constant")


def build(architecture: str, learn: data.Learn, *techniques: str) -> keras.Model:
    """Return a network as a fresh process would make it."""
    keras.utils.clear_session()
    training.begin(workbench.factory.settings(), 0)
    return workbench.build(architecture, learn, techniques)


def every_technique_and_optimizer() -> dict[str, Any]:
    """Train an epoch with each technique, an optimizer and a schedule beside it; return losses, and L2's first step."""
    learn = workbench.prepare("digits(train_size=100)", validation=0.2).learn
    losses = {}
    for (technique, architecture), optimizer, schedule in zip(TECHNIQUES.items(), OPTIMIZERS, SCHEDULES, strict=True):
        model = build(architecture, learn, *([technique] if "clipping" not in technique else []))
        settings = {"optimizer": optimizer, "schedule": schedule, "warmup_epochs": 1, "epochs": 2, "batch_size": 32}
        before = model.get_weights()
        series = workbench.trainer(learn, (technique,), **settings, weight_decay=0.01).fit(model).series
        moved = max(float(np.abs(a - b).max()) for a, b in zip(model.get_weights(), before, strict=True))
        losses[f"{technique} {optimizer}"] = [moved, *[value for one in series for value in one.values]]
    model = build("mlp(width=4, depth=1)", learn, "l2(amount=0.05)")
    before = model.get_weights()
    trainer = workbench.trainer(learn, **PLAIN, learning_rate=1.0, batch_size=1000)
    trainer.loss = lambda x, y, outputs: 0.0 * ops.sum(outputs, axis=1)
    told = trainer.fit(model).series
    wished = [one * (0.9 if one.ndim == 2 else 1.0) for one in before]
    shrunk = [float(np.abs(a - b).max()) for a, b in zip(model.get_weights(), wished, strict=True)]
    wanted = 0.05 * sum(float(np.square(one).sum()) for one in before if one.ndim == 2)
    return {
        "backend": keras.backend.backend(),
        "losses": losses,
        "shrunk": shrunk,
        "price": [next(one.values[0] for one in told if (one.name, one.split) == ("loss", "train")), wanted],
    }


if __name__ == "__main__":
    print(json.dumps(every_technique_and_optimizer()))
