"""RandAugment's operations, beside those of Pillow."""

from typing import Any

import keras
import numpy as np
import pytest
from batches import changed, images
from keras import ops
from PIL import Image, ImageEnhance, ImageOps

from bench.catalog import Catalog

pytestmark = pytest.mark.slow

CATALOG = Catalog()
GEOMETRY = ("identity", "right", "down", "lean_right", "lean_down", "rotate")


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
