"""The techniques that change each batch: what they do to examples and labels, on every backend.

Run as a program, it prints what they make of a few images on the backend that KERAS_BACKEND names, as JSON.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from batches import changed, door, images
from keras import ops

from bench.blocks import warping
from bench.catalog import Catalog
from bench.work.epochs import TrainingModel

pytestmark = pytest.mark.slow

CATALOG = Catalog()
CALLS = (
    "augment",
    "augment(rotation=20.0, zoom=0.2, brightness=0.3, contrast=0.4)",
    "cutout(size=4)",
    "random_erasing(probability=1.0)",
    "rand_augment(layers=3)",
    "mixup",
    "cutmix(probability=1.0)",
)


@pytest.mark.parametrize("call", CALLS)
def test_draws_follow_the_seed_and_differ_between_examples_and_batches(call: str) -> None:
    x = np.repeat(images(1), 24, axis=0)
    if "mix" in call:
        x = x * np.linspace(0, 1, 24, dtype=np.float32)[:, None, None, None]
    first, again, other = (changed(call, x, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(np.unique(first.reshape(24, -1), axis=0)) > 8
    seed = keras.random.SeedGenerator(1)
    y = np.eye(24, dtype=np.float32)
    batches = [ops.convert_to_numpy(door(call)(x, y, seed)[0]) for _ in range(2)]
    assert np.array_equal(batches[0], first)
    assert not np.array_equal(batches[1], first), "each batch has draws of its own"


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("call", CALLS)
def test_pixels_stay_pixels(call: str, channels: int) -> None:
    x = images(channels=channels)
    x[0], x[1] = 0, 255
    new, _ = changed(call, x)
    assert (new.shape, new.dtype) == (x.shape, np.float32)
    assert new.min() >= 0
    assert new.max() <= 255
    assert not np.array_equal(new, x)


@pytest.mark.parametrize("call", CALLS)
def test_what_another_technique_left_outside_their_range_does_no_harm(call: str) -> None:
    x = images() * 3 - 255
    assert np.isfinite(changed(call, x)[0]).all()


@pytest.mark.parametrize("call", [call for call in CALLS if "mix" not in call])
def test_labels_stay_where_examples_are_not_mixed(call: str) -> None:
    assert np.array_equal(changed(call, images())[1], np.eye(24))


@pytest.mark.parametrize("call", CALLS)
def test_a_batch_may_hold_one_example(call: str) -> None:
    x, y = changed(call, images(1), [[0.0, 1.0, 0.0]])
    assert x.shape == (1, 12, 10, 3)
    assert y == pytest.approx(np.array([[0.0, 1.0, 0.0]]))
    if "mix" in call:
        assert x == pytest.approx(images(1), abs=1e-3)


@pytest.mark.parametrize("call", CALLS)
def test_a_graph_of_unknown_batch_size_does_the_same(call: str) -> None:
    graph = graph_of(call, jit=False)
    for n in (24, 5, 1):
        x, y = graph(n)
        wanted_x, wanted_y = changed(call, images(n), seed=3)
        assert x == pytest.approx(wanted_x, abs=0.01)
        assert y == pytest.approx(wanted_y, abs=1e-6)


@pytest.mark.parametrize("call", CALLS)
def test_xla_compiles_it_as_on_a_gpu(call: str) -> None:
    """Its draws are others, and it has fewer operations."""
    graph = graph_of(call, jit=True)
    (x, y), (again, _) = graph(24), graph(24)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, images())
    assert (x.min() >= 0, x.max() <= 255) == (True, True)
    assert y.sum(axis=1) == pytest.approx(1)


def graph_of(call: str, *, jit: bool) -> Callable[[int], tuple[Any, Any]]:
    """Return a technique traced once, as a function of how many images to change with the draws of seed 3."""
    import tensorflow as tf

    opened, seed = door(call), keras.random.SeedGenerator(3)
    signature = [tf.TensorSpec((None, 12, 10, 3)), tf.TensorSpec((None, None))]
    traced = tf.function(lambda x, y: opened(x, y, seed), input_signature=signature, autograph=False, jit_compile=jit)

    def run(n: int) -> tuple[Any, Any]:
        seed.state.assign([3, 0])
        x, y = traced(images(n), np.eye(n, dtype=np.float32))
        return x.numpy(), y.numpy()

    return run


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_do_it_too(backend: str) -> None:
    found = workbench.told_on(backend, Path(__file__))
    assert found.keys() == set(CALLS)
    for call, told in found.items():
        assert told == {"shapes": True, "range": True, "sums": True, "again": True, "others": True, "one": True}, call


@pytest.mark.parametrize("call", CALLS)
def test_only_batches_to_train_on_are_changed(call: str) -> None:
    learn = workbench.prepare("digits(train_size=64)", validation=0.2).learn
    network = workbench.build("mlp(width=8, depth=1)", learn)
    trainer = workbench.trainer(learn, (call,))
    model = TrainingModel(network, trainer.batch_doors, trainer.loss, learn.facts, 0)
    x, labels = learn.train.x[:32], learn.train.y[:32].astype(np.int32)
    plain = ops.convert_to_numpy(network(x.astype(np.float32)))
    assert np.array_equal(ops.convert_to_numpy(model((x, labels), training=False)), plain)
    assert not np.allclose(ops.convert_to_numpy(model((x, labels), training=True)), plain)


# Augment


def shifted_and_flipped(x: Any, seed: keras.random.SeedGenerator, shift: int, flip: bool) -> Any:
    """Return what `augment` made before it had more parameters than two, image by image."""
    n, height, width, _ = x.shape
    rows, columns = (
        ops.convert_to_numpy(keras.random.randint((n, 1), 0, 2 * shift + 1, seed=seed))[:, 0] for _ in range(2)
    )
    mirrored = ops.convert_to_numpy(keras.random.uniform((n, 1), seed=seed))[:, 0] < 0.5 if flip else [False] * n
    padded = np.pad(x, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
    made = [padded[i, rows[i] : rows[i] + height, columns[i] : columns[i] + width] for i in range(n)]
    return np.stack([one[:, ::-1] if back else one for one, back in zip(made, mirrored, strict=True)])


@pytest.mark.parametrize(("shift", "flip"), [(4, True), (2, False), (0, True), (0, False)])
def test_augment_without_its_later_parameters_is_as_it_was(shift: int, flip: bool) -> None:
    call = f"augment(shift={shift}, flip={flip}, rotation=0.0, zoom=0.0, brightness=0.0, contrast=0.0)"
    old, new = keras.random.SeedGenerator(5), keras.random.SeedGenerator(5)
    wanted = shifted_and_flipped(images(), old, shift, flip)
    found, _ = door(call)(images(), None, new)
    assert np.array_equal(ops.convert_to_numpy(found), wanted)
    assert np.array_equal(ops.convert_to_numpy(new.state), ops.convert_to_numpy(old.state)), "and draws as much"
    assert set(CATALOG.resolve("techniques", call).parameters) == {"shift", "flip"}


@pytest.mark.parametrize("shift", [0, 3])
def test_a_turn_by_next_to_nothing_moves_images_as_before(shift: int) -> None:
    """The one path through the warp, the other through whole pixels."""
    x = images()
    x[:, :, :, 1:] = x[:, :, :, :1]
    turned, _ = changed(f"augment(shift={shift}, rotation=1e-6)", x, seed=5)
    plain, _ = changed(f"augment(shift={shift})", x, seed=5)
    assert turned == pytest.approx(plain, abs=0.01)


def angles_and_sizes(call: str) -> tuple[Any, Any]:
    """Return by how many degrees and what factor each of 300 images was turned and enlarged, seen from a spot."""
    x = np.zeros((300, 41, 41, 1), np.float32)
    x[:, 19:22, 29:32] = 200  # about 10 pixels at the right of the middle
    new, _ = changed(call, x)
    rows, columns = np.mgrid[-20:21, -20:21]
    total = new[..., 0].sum(axis=(1, 2))
    down, right = ((new[..., 0] * places).sum(axis=(1, 2)) / total for places in (rows, columns))
    return np.degrees(np.arctan2(-down, right)), np.hypot(down, right) / 10


def test_turns_and_sizes_reach_their_bounds_and_no_further() -> None:
    angles, sizes = angles_and_sizes("augment(shift=0, flip=False, rotation=30.0)")
    assert np.abs(angles).max() <= 30.5
    assert angles.min() < -27
    assert angles.max() > 27
    assert sizes == pytest.approx(1, abs=0.03)
    angles, sizes = angles_and_sizes("augment(shift=0, flip=False, zoom=0.25)")
    assert angles == pytest.approx(0, abs=0.5)
    assert 0.72 < sizes.min() < 0.8
    assert 1.2 < sizes.max() < 1.28


def test_light_changes_within_its_bounds() -> None:
    x = np.full((200, 4, 4, 1), 100, np.float32)
    x[:, ::2] = 120
    lighter, _ = changed("augment(shift=0, flip=False, brightness=0.2)", x)
    moved = (lighter - x)[:, 0, 0, 0]
    assert lighter - x == pytest.approx(np.broadcast_to(moved[:, None, None, None], x.shape), abs=1e-3)
    assert (-51 <= moved.min() < -45, 45 < moved.max() <= 51) == (True, True)
    stronger, _ = changed("augment(shift=0, flip=False, contrast=0.5)", x)
    assert stronger.mean(axis=(1, 2, 3)) == pytest.approx(110, abs=1e-3)
    ratio = stronger.std(axis=(1, 2, 3)) / 10
    assert (0.5 <= ratio.min() < 0.56, 1.44 < ratio.max() <= 1.5) == (True, True)
    far, _ = changed("augment(brightness=0.5, contrast=0.9)", images())
    assert (far.min(), far.max()) == (0, 255)


# Warping and rectangles


def warped(x: Any, **how: float) -> Any:
    return ops.convert_to_numpy(warping.warp(ops.convert_to_tensor(x), warping.affine(len(x), **how)))


def test_a_map_shows_the_place_that_it_names() -> None:
    x = images(3, 8, 8)
    assert np.array_equal(warped(x), x)
    assert np.array_equal(warped(images()), images()), "where height and width differ, too"
    assert warped(x, angle=np.pi / 2) == pytest.approx(np.rot90(x, axes=(1, 2)), abs=0.01)
    assert warped(x, angle=-np.pi / 2) == pytest.approx(np.rot90(x, -1, axes=(1, 2)), abs=0.01)
    assert np.array_equal(warped(x, mirrored=-1.0), x[:, :, ::-1])
    turned = {"angle": 0.3, "lean_down": 0.2}
    assert warped(x, **turned, mirrored=-1.0) == pytest.approx(warped(x, **turned)[:, :, ::-1], abs=0.01)
    right = warped(x, right=2.0)
    assert np.array_equal(right[:, :, :-2], x[:, :, 2:])
    assert not right[:, :, -2:].any(), "zeros come into view"
    down = warped(x, down=-1.0)
    assert np.array_equal(down[:, 1:], x[:, :-1])
    assert np.array_equal(warped(x, down=0.5)[:, :-1], (x[:, 1:] + x[:, :-1]) / 2), "linear between pixels"
    assert not warped(x, right=100.0).any()
    leaning = warped(x, lean_right=2.0)
    assert np.array_equal(leaning[:, 4, 0:6], (x[:, 4, 1:7])), "the row half a pixel below the middle, by one pixel"
    doubled = warped(np.kron(x, np.ones((1, 2, 2, 1), np.float32)), size=0.5)
    assert doubled[:, 4:12, 4:12] == pytest.approx(x, abs=0.01)


def test_maps_one_after_the_other_are_their_product() -> None:
    x = images(2, 8, 8)
    maps = [warping.affine(2, angle=np.pi / 2), warping.affine(2, right=3.0)]
    once = ops.convert_to_numpy(warping.warp(x, ops.matmul(*maps)))
    assert once == pytest.approx(ops.convert_to_numpy(warping.warp(warping.warp(x, maps[0]), maps[1])), abs=0.01)


def test_a_rectangle_holds_what_lies_inside_the_image() -> None:
    inside = ops.convert_to_numpy(
        warping.rectangle(images(2, 5, 6), np.array([-1, 3]), np.array([1, 4]), np.array([3, 4]), 2)
    )
    wanted = np.zeros((2, 5, 6, 1), bool)
    wanted[0, 0:2, 1:3] = wanted[1, 3:5, 4:6] = True
    assert np.array_equal(inside, wanted)


# Cutout, random erasing


@pytest.mark.parametrize("size", [3, 4])
def test_cutout_covers_a_square_with_the_mean_pixel(size: int) -> None:
    x = images(400, 8, 8) + 0.5
    new, _ = changed(f"cutout(size={size})", x)
    covered = (new != x).any(axis=-1)
    assert covered.sum(axis=(1, 2)).max() == size**2
    assert covered.any(axis=0).all(), "the rim is covered as well"
    assert covered.any(axis=(1, 2)).all()
    assert new[covered] == pytest.approx(np.broadcast_to(x.mean(axis=(0, 1, 2)), new[covered].shape), abs=0.01)
    for one in covered:
        rows, columns = (np.flatnonzero(one.any(axis=axis)) for axis in (1, 0))
        assert one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all(), "one square, cut at the rim"
        assert max(len(rows), len(columns)) <= size


def test_random_erasing_writes_noise_on_a_rectangle_of_some_images() -> None:
    x = np.full((600, 20, 20, 3), -1, np.float32)
    new, _ = changed("random_erasing(probability=0.25, smallest=0.1, largest=0.3, ratio=0.5)", x)
    erased = (new != x).all(axis=-1)
    assert ((new != x).any(axis=-1) == erased).all()
    areas = erased.mean(axis=(1, 2))
    assert 0.2 < np.mean(areas > 0) < 0.3
    chosen = erased[areas > 0]
    assert 0.085 < areas[areas > 0].min() < 0.12
    assert 0.27 < areas.max() < 0.33
    heights, widths = (chosen.any(axis=axis).sum(axis=1) for axis in (2, 1))
    assert np.array_equal(heights * widths, chosen.sum(axis=(1, 2))), "rectangles"
    assert 0.4 < (heights / widths).min() < 0.7
    assert 1.6 < (heights / widths).max() < 2.6
    assert chosen.any(axis=(0, 1)).all()
    assert chosen.any(axis=(0, 2)).all()
    other, _ = changed("random_erasing(probability=1.0)", x, seed=1)
    both = erased & (other != x).all(axis=-1)
    assert np.mean(new[both] == other[both]) < 0.01, "noise of its own for each batch"
    assert new[erased].std() == pytest.approx(255 / np.sqrt(12), rel=0.02)
    assert np.array_equal(changed("random_erasing(probability=0.0)", x)[0], x)


def told(call: str) -> dict[str, bool]:
    """Return what holds of a technique on this backend; compiled on JAX."""
    opened, seed = door(call), keras.random.SeedGenerator(0)

    def stateless(state: Any, x: Any, y: Any) -> tuple[Any, Any]:
        with keras.StatelessScope(state_mapping=[(seed.state, state)]):
            return opened(x, y, seed)

    def run(n: int, start: int) -> tuple[Any, Any]:
        x, y = (ops.convert_to_tensor(one) for one in (images(n), np.eye(n, 24, dtype=np.float32)))
        seed.state.assign(np.array([start, 0]))
        if keras.backend.backend() == "jax":
            import jax

            found = jax.jit(stateless)(seed.state.value, x, y)
        else:
            found = opened(x, y, seed)
        new_x, new_y = (ops.convert_to_numpy(one) for one in found)
        return new_x, new_y

    (x, y), (same_x, same_y), (other_x, _) = (run(24, start) for start in (1, 1, 2))
    return {
        "shapes": (x.shape, y.shape, x.dtype.name) == ((24, 12, 10, 3), (24, 24), "float32"),
        "range": bool(np.isfinite(x).all() and x.min() >= 0 and x.max() <= 255),
        "sums": bool(np.allclose(y.sum(axis=1), 1)),
        "again": bool(np.array_equal(x, same_x) and np.array_equal(y, same_y)),
        "others": not np.array_equal(x, other_x),
        "one": run(1, 3)[0].shape == (1, 12, 10, 3),
    }


if __name__ == "__main__":
    print(json.dumps({call: told(call) for call in CALLS}))
