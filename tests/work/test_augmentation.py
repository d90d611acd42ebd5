"""The techniques that change each batch: what they do to examples and labels, on every backend.

Run as a program, it prints what they make of a few images on the backend that KERAS_BACKEND names, as JSON.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from keras import ops
from PIL import Image, ImageEnhance, ImageOps

from bench.blocks import warping
from bench.catalog import Catalog
from bench.errors import Unsupported
from bench.work import data
from bench.work.epochs import TrainingModel

pytestmark = pytest.mark.slow

CATALOG = Catalog()
ROOT = Path(__file__).parents[2]
CALLS = (
    "augment",
    "augment(rotation=20.0, zoom=0.2, brightness=0.3, contrast=0.4)",
    "cutout(size=4)",
    "random_erasing(probability=1.0)",
    "rand_augment(layers=3)",
    "mixup",
    "cutmix(probability=1.0)",
)
MIXING = ("mixup", "mixup(alpha=0.2)", "cutmix(probability=1.0)")
GEOMETRY = ("identity", "right", "down", "lean_right", "lean_down", "rotate")
Door = Callable[..., tuple[Any, Any]]


def door(call: str) -> Door:
    """Return a technique's `batch` door as a recipe opens it, its parameters bound."""
    (found,) = workbench.recipe("mlp", (call,)).doors("batch")
    return found


def changed(call: str, x: Any, y: Any = None, seed: int = 0) -> tuple[Any, Any]:
    """Return what a technique makes of a batch, as arrays; labels are one-hot, of a class for each example."""
    x = np.asarray(x, np.float32)
    labels = np.eye(len(x), dtype=np.float32) if y is None else np.asarray(y, np.float32)
    found = door(call)(ops.convert_to_tensor(x), ops.convert_to_tensor(labels), keras.random.SeedGenerator(seed))
    new_x, new_y = (ops.convert_to_numpy(one) for one in found)
    return new_x, new_y


def images(n: int = 24, height: int = 12, width: int = 10, channels: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels)).astype(np.float32)


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
    pytest.importorskip(backend, exc_type=ImportError)
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
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


# RandAugment


def by_pillow(image: Any, name: str, amount: float) -> Any:
    """Return what Pillow makes of an image with one operation at a signed strength, as the paper's program does."""
    picture = Image.fromarray(image.astype(np.uint8))
    enhancers = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "colour": ImageEnhance.Color,
        "sharpness": ImageEnhance.Sharpness,
    }
    height, width = image.shape[:2]
    coefficients = {
        "right": (1, 0, 0.3 * width * amount, 0, 1, 0),
        "down": (1, 0, 0, 0, 1, 0.3 * height * amount),
        # Pillow's shear keeps the corner in its place, this one the middle.
        "lean_right": (1, 0.3 * amount, -0.3 * amount * height / 2, 0, 1, 0),
        "lean_down": (1, 0, 0, 0.3 * amount, 1, -0.3 * amount * width / 2),
    }
    if name in enhancers:
        picture = enhancers[name](picture).enhance(1 + 0.9 * amount)
    elif name in coefficients:
        how = (Image.Transform.AFFINE, coefficients[name], Image.Resampling.BILINEAR)
        picture = picture.transform(picture.size, *how, fillcolor=(128,) * 3)
    elif name == "rotate":
        picture = picture.rotate(30 * amount, Image.Resampling.BILINEAR, fillcolor=(128,) * 3)
    elif name == "posterize":
        picture = ImageOps.posterize(picture, 8 - int(4 * abs(amount)))
    elif name == "solarize":
        picture = ImageOps.solarize(picture, 256 * (1 - abs(amount)))
    elif name == "auto_contrast":
        picture = ImageOps.autocontrast(picture)
    elif name == "equalize":
        picture = ImageOps.equalize(picture)
    return np.asarray(picture).astype(np.float32)


@pytest.fixture(scope="module")
def operated() -> dict[tuple[str, int], list[tuple[Any, Any]]]:
    """Pairs of images before and after one operation, by its name and sign."""
    names = CATALOG.load("techniques", "rand_augment")._OPERATIONS
    n = 280
    rough = np.random.default_rng(1).integers(20, 200, (n, 5, 5, 3)).astype(np.uint8)
    noise = np.random.default_rng(2).integers(-40, 41, (n, 32, 32, 3))
    smooth = [np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BICUBIC)) for one in rough]
    x = np.clip(np.stack(smooth) + noise, 0, 255).astype(np.float32)
    new, _ = changed("rand_augment(layers=1, magnitude=6.0)", x, seed=4)
    drawn = ops.convert_to_numpy(keras.random.randint((1, n), 0, 2 * len(names), seed=keras.random.SeedGenerator(4)))[0]
    found: dict[tuple[str, int], list[tuple[Any, Any]]] = {}
    for before, after, number in zip(x, new, drawn, strict=True):
        found.setdefault((names[number // 2], -1 if number % 2 else 1), []).append((before, after))
    return found


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", CATALOG.load("techniques", "rand_augment")._OPERATIONS)
def test_rand_augments_operations_are_pillows(
    name: str, sign: int, operated: dict[tuple[str, int], list[tuple[Any, Any]]]
) -> None:
    assert operated[name, sign]
    for before, after in operated[name, sign]:
        wanted = by_pillow(before, name, 0.6 * sign)
        if name == "identity":
            assert np.array_equal(after, before)
            continue
        # At its rim Pillow does not sharpen, and does not blend with what comes into view.
        off = np.abs(after - wanted)[1:-1, 1:-1].max(axis=-1)
        assert np.median(off) <= (1.5 if name == "contrast" else 1)  # Pillow rounds, and rounds the mean of contrast
        assert np.mean(off > 3) < (0.08 if name in GEOMETRY else 0.005)
        assert np.abs(after - before).mean() > 0.3


def test_rand_augment_draws_all_operations_alike_and_layer_after_layer() -> None:
    assert np.array_equal(changed("rand_augment(magnitude=0.0)", images())[0], images())
    shares = [
        np.mean([np.array_equal(*pair) for pair in zip(images(600, 6, 6), new, strict=True)])
        for layers in (1, 2)
        for new in [changed(f"rand_augment(layers={layers})", images(600, 6, 6))[0]]
    ]
    assert shares[0] == pytest.approx(1 / 14, abs=0.06)
    assert shares[1] < shares[0] / 2
    grey = np.repeat(images(60, 8, 8, 1), 3, axis=3)
    new, _ = changed("rand_augment(layers=3)", grey)
    assert new == pytest.approx(np.repeat(new[..., :1], 3, axis=3), abs=0.01), "grey images stay grey"


# Mixup, CutMix


@pytest.mark.parametrize("call", MIXING)
def test_labels_are_mixed_as_pixels_are(call: str) -> None:
    n = 200
    values = np.arange(1, n + 1, dtype=np.float32)
    x = np.broadcast_to(values[:, None, None, None], (n, 9, 7, 2))
    new, shares = changed(call, x)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares.min() >= 0
    assert ((shares > 0).sum(axis=1) <= 2).all()
    assert new.mean(axis=(1, 2, 3)) == pytest.approx(shares @ values, rel=1e-4)
    assert (shares > 0).any(axis=0).all()
    assert shares.sum() - np.trace(shares) > n / 5, "others are really mixed in"
    if call.startswith("cutmix"):
        own = (new == x).all(axis=-1)
        assert own.mean(axis=(1, 2)) == pytest.approx(np.diag(shares), abs=1e-6)
        partner = np.argmax(shares * (1 - np.eye(n)), axis=1) + 1
        wanted = np.where(own, x[..., 0], partner[:, None, None])
        assert np.array_equal(new[..., 0], wanted), "of one other image"
    else:
        assert new == pytest.approx(np.broadcast_to((shares @ values)[:, None, None, None], x.shape), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_the_shares_of_mixup_follow_a_beta_distribution(alpha: float) -> None:
    from scipy import stats

    shares = np.diag(changed(f"mixup(alpha={alpha})", np.zeros((2000, 1)))[1])
    for place in (0.001, 0.05, 0.2, 0.5, 0.8, 0.95, 0.999):
        assert np.mean(shares < place) == pytest.approx(stats.beta(alpha, alpha).cdf(place), abs=0.04)


def test_cutmix_leaves_some_images_alone_and_cuts_inside_the_image() -> None:
    n = 400
    x = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 16, 16, 1))
    new, shares = changed("cutmix(probability=0.3)", x)
    mixed = np.diag(shares) < 1
    assert 0.2 < mixed.mean() < 0.35
    assert np.array_equal(new[~mixed], x[~mixed])
    taken = (new != x)[..., 0]
    for one in taken[mixed]:
        for axis in (0, 1):
            places = np.flatnonzero(one.any(axis=axis))
            assert all(later - earlier == 1 for earlier, later in pairwise(places))
    assert np.array_equal(changed("cutmix(probability=0.0)", x)[0], x)


def test_cutmix_cuts_anywhere_and_any_share() -> None:
    n = 2000
    x = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None, None], (n, 16, 16, 1))
    cut = (changed("cutmix(probability=1.0)", x)[0] != x)[..., 0]
    often = cut.mean(axis=0)
    assert often[8, 8] > 1.5 * often[0, 0] > 0.1
    for other in (often.T, often[::-1], often[:, ::-1]):
        assert often == pytest.approx(other, abs=0.08)
    areas = cut.mean(axis=(1, 2))
    # The share drawn is even between 0 and 1; what of it lies outside the image is lost.
    assert areas.mean() == pytest.approx(0.32, abs=0.02)
    assert np.quantile(areas, 0.98) == pytest.approx(0.75, abs=0.04)


@pytest.mark.parametrize("call", MIXING)
def test_classes_and_superclasses_are_mixed_in_one_ratio(call: str) -> None:
    fine, coarse = np.eye(24), np.eye(2)[np.arange(24) % 2]
    _, y = changed(call, images(), np.concatenate([fine, coarse], axis=1))
    assert y[:, :24].sum(axis=1) == pytest.approx(1)
    assert y[:, 24:] == pytest.approx(y[:, :24] @ coarse, abs=1e-6)


def test_mixup_takes_tables_with_gaps_and_values() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    values = (x @ np.array([[1.0], [2.0], [3.0], [4.0]])).astype(np.float32)
    new, mixed = changed("mixup", x, values)
    assert mixed == pytest.approx(new @ np.array([[1.0], [2.0], [3.0], [4.0]]), abs=1e-4), "a line stays a line"
    assert not np.allclose(mixed, values)
    x[7, 2] = np.nan
    gaps = np.isnan(changed("mixup", x, values)[0])
    assert gaps[7, 2]
    assert set(zip(*np.nonzero(gaps), strict=True)) - {(7, 2)} <= {(row, 2) for row in range(50)}
    assert gaps.sum() <= 2


def test_mixup_refuses_categories() -> None:
    columns = (data.Column("size"), data.Column("kind", ("a", "b", "c")))
    facts = data.Facts(source="made here", task="regression", target="m", columns=columns)
    part = data.Part(np.ones((3, 2), np.float32), np.ones(3, np.float32))
    recipe = workbench.recipe("mlp", ("mixup",))
    with pytest.raises(Unsupported, match="mixup cannot mix the categories of the column 'kind'"):
        recipe.learn(data.Learn(facts, part, part), 0)
    learn = data.Learn(replace(facts, columns=(columns[0], columns[0])), part, part)
    assert recipe.learn(learn, 0) is learn


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
