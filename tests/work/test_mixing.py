"""Mixup and CutMix: labels are mixed as examples are."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import workbench
from batches import changed, images

from bench.catalog import Catalog
from bench.errors import Unsupported
from bench.work import data

pytestmark = pytest.mark.slow

CATALOG = Catalog()
MIXING = ("mixup", "mixup(alpha=0.2)", "cutmix(probability=1.0)")


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
