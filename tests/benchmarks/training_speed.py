"""One training's speed, in a process of its own: `training_speed.py plain|harness CALL N BATCH EPOCHS`.

On made-up images of CIFAR-10's shape, by Keras's own `fit` or as the harness trains. Prints JSON:
images a second of each epoch but the first, seconds of the first, and peaks of memory in MiB. Needs
`tests` on the path.
"""

import json
import resource
import sys
import time

import keras
import numpy as np
import workbench

from bench.work.data import Facts, Learn, Part


def device_memory_mib() -> float | None:
    """Return the most memory that the backend has had on the accelerator, if there is one and it says so."""
    if keras.backend.backend() == "jax":
        import jax

        stats = jax.devices()[0].memory_stats() or {}
        return stats["peak_bytes_in_use"] / 2**20 if "peak_bytes_in_use" in stats else None
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
    return None


def main(how: str, call: str, n: int, batch_size: int, epochs: int) -> None:
    """Train and print."""
    rng = np.random.default_rng(0)
    part = Part(rng.integers(0, 256, (n, 32, 32, 3)).astype("uint8"), rng.integers(0, 10, n))
    learn = Learn(Facts(source="made here", classes=tuple("abcdefghij")), part, Part(part.x[:0], part.y[:0]))
    recipe = workbench.recipe(call, epochs=epochs, batch_size=batch_size, learning_rate=0.002)
    network = recipe.build(learn)
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    started = time.perf_counter()
    if how == "harness":
        trainer = recipe.trainer(learn, 0, lambda *_: None)
        trainer.callbacks.append(clock)
        trainer.fit(network)
    else:
        jit = False if keras.backend.backend() == "tensorflow" else "auto"
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"], jit_compile=jit)
        x = part.x.astype("float32")
        network.fit(x, part.y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=[clock])
    found = {
        "rates": [n / seconds for seconds in np.diff(ends)],
        "first_s": ends[0] - started,
        "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "device_memory_mib": device_memory_mib(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
