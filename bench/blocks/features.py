"""Training on features: what the frozen part of a network makes of each example, computed once."""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from bench.blocks.anatomy import head
from bench.errors import Unsupported
from bench.planning.fingerprints import fingerprint
from bench.records import canonical
from bench.tasks import FRAMEWORKS, versions
from bench.work import network as networks
from bench.work.data import Learn, Part
from bench.work.device import device
from bench.work.epochs import encoded
from bench.work.training import Product, Tensor, Trainer

Floats = NDArray[np.float32]
BATCH = 256


def on_features(trainer: Trainer, network: keras.Model, views: int) -> Product:
    """Train a network's last layer in place on the features of the training part, or of `views` of each example.

    The frozen part works as it does when it is deployed. Features of no view but the example
    itself are kept by digest in the folder `trainer.features`, and shared by all seeds.
    """
    inside, layers = head(network)
    frozen = keras.Model(network.inputs, inside, name="frozen")
    inputs = answers = keras.Input(inside.shape[1:], dtype=inside.dtype)
    for layer in layers:
        answers = layer(answers)
    learn = trainer.learn
    doors = trainer.batch_doors if views else []
    x = _views(trainer, frozen, views) if doors else _kept(trainer, frozen, learn.train)
    validation = Part(_kept(trainer, frozen, learn.validation), learn.validation.y)
    last = keras.Model(inputs, answers, name=network.name)
    on = replace(
        trainer, learn=Learn(learn.facts, Part(x, learn.train.y), validation), batch_doors=[_any_view] if doors else []
    )
    return replace(on.fit(last), network=network)


def _any_view(x: Tensor, y: Tensor, seed: keras.random.SeedGenerator) -> tuple[Tensor, Tensor]:
    """Pick one of each example's views: (n, views, …) → (n, …)."""
    n, views = ops.shape(x)[0], x.shape[1]
    chosen = keras.random.randint((n,), 0, views, seed=seed)
    flat = ops.reshape(x, (-1, *x.shape[2:]))
    return ops.take(flat, ops.arange(n) * views + chosen, axis=0), y


def _views(trainer: Trainer, frozen: keras.Model, views: int) -> Floats:
    """Return the features of `views` augmented versions of each training example, (n, views, …)."""
    train = trainer.learn.train
    labels = ops.convert_to_numpy(encoded(train.y, trainer.facts))
    found = []
    for view in range(views):
        seed = keras.random.SeedGenerator(int(np.random.SeedSequence([trainer.seed, view]).generate_state(1)[0]))

        def seen(rows: slice, seed: keras.random.SeedGenerator = seed) -> Tensor:
            x, y = ops.convert_to_tensor(train.x[rows].astype(np.float32)), ops.convert_to_tensor(labels[rows])
            for door in trainer.batch_doors:
                x, y = door(x, y, seed)
            if not np.array_equal(ops.convert_to_numpy(y), labels[rows]):
                raise Unsupported("views are of one example each, and an augmentation mixes several; write views=0")
            return frozen(x, training=False)

        found.append(_batched(seen, len(train)))
    return np.stack(found, axis=1)


def _kept(trainer: Trainer, frozen: keras.Model, part: Part) -> Floats:
    """Return the features of examples, read if they were computed before; what that took counts as training."""
    if not len(part):
        return np.zeros((0, *frozen.output_shape[1:]), np.float32)
    how = (fingerprint(Path(__file__)), versions(FRAMEWORKS), keras.backend.backend(), device())
    key = sha256(canonical((networks.digest(frozen), part.fingerprint, how))).hexdigest()[:32]
    file = trainer.features / f"{key}.npz" if trainer.features else None
    if file and (known := _read(file)) is not None:
        found, seconds = known
        if trainer.checkpoints:
            trainer.checkpoints.resumed_s += seconds
        return found
    started = time.perf_counter()
    found = _batched(lambda rows: frozen.predict_on_batch(part.x[rows].astype(np.float32)), len(part))
    if file:
        with suppress(OSError):  # a full disk, say: they are computed again
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{secrets.token_hex(8)}.npz")
            np.savez(draft, features=found, seconds=time.perf_counter() - started)
            draft.replace(file)
    return found


def _read(file: Path) -> tuple[Floats, float] | None:
    try:
        with np.load(file) as known:
            return known["features"], float(known["seconds"])
    except (OSError, ValueError, EOFError, KeyError, BadZipFile):  # not there, or cut short by a power cut
        return None


def _batched(function: Callable[[slice], Tensor], n: int) -> Floats:
    found = [ops.convert_to_numpy(function(slice(i, i + BATCH))) for i in range(0, n, BATCH)]
    return np.concatenate(found).astype(np.float32)
