"""Statistics against published and independently computed values."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pytest
import scipy.stats
from factory import rng

from bench import stats
from bench.stats import Runs, Score
from bench.stats.ranks import critical


def packed(*right: bool) -> bytes:
    return np.packbits(np.array(right)).tobytes()


def interval(scores: Sequence[Score]) -> stats.Interval:
    return stats.interval(Runs(scores))


def test_mean_interval_agrees_with_scipy() -> None:
    values = [0.91, 0.93, 0.92, 0.95]
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = stats.mean_interval(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == 4


def test_one_value_has_no_interval() -> None:
    found = stats.mean_interval([0.9])
    assert (found.value, found.low, found.high, found.n) == (0.9, None, None, 1)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (8, 10), (9869, 10_000)])
def test_wilson_agrees_with_scipy(successes: int, n: int) -> None:
    expected = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    found = stats.wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("percent", "count"), [(50, 11), (90, 64), (95, 130), (99, 662)])
def test_smallest_counts_are_those_of_mlperf(percent: float, count: int) -> None:
    assert stats.smallest_count(percent) == count
    assert (
        scipy.stats.binom.cdf(1, count, 1 - percent / 100)
        <= 0.01
        < scipy.stats.binom.cdf(1, count - 1, 1 - percent / 100)
    )


def test_geometric_interval_is_that_of_the_logarithms() -> None:
    values = [1.0, 1.3, 0.8, 1.1]
    expected = scipy.stats.ttest_1samp(np.log(values), 0).confidence_interval(0.95)
    found = stats.geometric_interval(values)
    assert found.value == pytest.approx(scipy.stats.gmean(values))
    assert (found.low, found.high) == pytest.approx((np.exp(expected.low), np.exp(expected.high)))
    assert stats.geometric_interval([2.0]) == stats.Interval(value=2.0, low=None, high=None, n=1)
    two = stats.geometric_interval([1.0, 3.0])
    assert two.low is not None
    assert two.low > 0


def paired(new: Mapping[Any, Score], old: Mapping[Any, Score]) -> stats.Difference | None:
    found = stats.Pairs.of(new, old)
    return found.difference() if found else None


def paired_difference(new: Mapping[Any, float], old: Mapping[Any, float]) -> stats.Difference | None:
    return paired(*({key: Score(value=value) for key, value in side.items()} for side in (new, old)))


def test_paired_difference_agrees_with_scipy_on_common_keys() -> None:
    new, old = {"a": 0.93, "b": 0.95, "c": 0.91, "x": 0.1}, {"a": 0.92, "b": 0.92, "c": 0.91, "y": 0.9}
    expected = scipy.stats.ttest_rel([0.93, 0.95, 0.91], [0.92, 0.92, 0.91])
    found = paired_difference(new, old)
    assert found is not None
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.n == 3


def test_paired_difference_needs_common_keys_and_two_of_them() -> None:
    assert paired_difference({"a": 1.0}, {"b": 1.0}) is None
    single = paired_difference({"a": 1.0}, {"a": 0.5})
    assert single is not None
    assert (single.value, single.low, single.p) == (0.5, None, None)


def contrast(new: Sequence[Score], old: Sequence[Score]) -> stats.Contrast | None:
    return stats.Contrast.of(Runs(new), Runs(old))


def difference(new: Sequence[Score], old: Sequence[Score], *others: Sequence[Score]) -> stats.Difference:
    """Return new minus old, where all that is known of the seeds is what these runs and those of others say."""
    found = contrast(new, old)
    assert found is not None
    prior = stats.prior_of([found.group, *(Runs(other).group for other in others)])
    assert prior is not None
    return found.difference(prior)


def test_one_difference_alone_is_the_pooled_t_test() -> None:
    new, old = [0.93, 0.95, 0.91], [0.90, 0.92, 0.89]
    expected = scipy.stats.ttest_ind(new, old)
    found = difference([Score(value=v, unit="points") for v in new], [Score(value=v, unit="points") for v in old])
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_a_single_seed_borrows_the_spread_of_others() -> None:
    new, old = [Score(value=0.8, unit="points")], [Score(value=0.9, unit="points")]
    lonely = contrast(new, old)
    assert lonely is not None
    assert stats.prior_of([lonely.group]) is None
    others = [[Score(value=v + s, unit="points") for s in (-0.01, 0.0, 0.01)] for v in (0.5, 0.6, 0.7)]
    found = difference(new, old, *others)
    assert found.standard_error == pytest.approx(0.01 * 2**0.5)
    assert found.df == pytest.approx(6)


def test_different_test_sets_are_not_compared() -> None:
    assert contrast([Score(value=0.8, test="a")] * 3, [Score(value=0.9, test="b")] * 3) is None


def test_folds_of_different_level_do_not_widen_the_interval() -> None:
    def side(shift: float) -> list[Score]:
        levels = {"easy": 0.9, "hard": 0.5}
        seeds = (-0.001, 0, 0.001)
        return [Score(value=v + shift + s, test=t, unit="points") for t, v in levels.items() for s in seeds]

    found = difference(side(0.01), side(0.0))
    assert found.low is not None
    assert 0.005 < found.low < found.value == pytest.approx(0.01)


def test_test_set_sampling_widens_a_paired_interval() -> None:
    draw = rng("sampling")
    n = 200
    bits = {side: [draw.random(n) < share for _ in range(3)] for side, share in (("new", 0.9), ("old", 0.8))}
    score = {
        side: {
            seed: Score(value=float(right.mean()), n=n, test="t", correct=(np.packbits(right).tobytes(),))
            for seed, right in enumerate(runs)
        }
        for side, runs in bits.items()
    }
    plain = paired_difference(*({k: s.value for k, s in score[side].items()} for side in ("new", "old")))
    full = paired(score["new"], score["old"])
    gains = np.array(bits["new"]).astype(float) - np.array(bits["old"])
    # What chance decides anew in every pair is in their spread already, which cannot be less.
    chance = gains.var(axis=0, ddof=1).mean() / 3 / n
    examples = max(gains.mean(axis=0).var(ddof=1) / n - chance, 0)
    assert plain is not None
    assert full is not None
    assert plain.standard_error is not None
    assert full.standard_error == pytest.approx((max(plain.standard_error**2, chance) + examples) ** 0.5)


def test_equal_differences_of_proportions_feign_no_certainty() -> None:
    old = {seed: Score(value=0.90, n=100, unit="points") for seed in range(3)}
    found = paired({seed: Score(value=0.91, n=100, unit="points") for seed in old}, old)
    assert found is not None
    assert found.p is not None
    assert found.p > 0.05
    exact = paired_difference({0: 3, 1: 3, 2: 3}, {0: 2, 1: 2, 2: 2})
    assert exact is not None
    assert exact.p == 0


def ranks(rows: Sequence[Sequence[float]], better: Literal["higher", "lower"] = "higher") -> list[int | None]:
    board = [Runs([Score(value=value, unit="points") for value in row]) if row else None for row in rows]
    return list(stats.ranking(board, None, better).ranks)


def test_ranks_share_where_nothing_is_sure_and_follow_the_mean() -> None:
    best, equal, worse = (0.95, 0.96, 0.94), (0.955, 0.940, 0.950), (0.80, 0.81, 0.79)
    assert ranks([worse, equal, best]) == [3, 1, 1]
    assert ranks([worse, equal, best], better="lower") == [1, 2, 2]


def test_a_rank_counts_the_rows_that_are_surely_better() -> None:
    """The middle one is not surely different from either end, which are from each other."""
    steps = [[level + seed for seed in (-0.01, 0.0, 0.01)] for level in (0.90, 0.915, 0.93)]
    assert ranks(steps) == [2, 1, 1]


def test_rows_of_two_seeds_get_no_rank_and_take_no_place() -> None:
    assert ranks([(0.99, 0.99), (0.95, 0.96, 0.94), (0.80, 0.81, 0.79), ()]) == [None, 1, 2, None]
    assert ranks([(0.95, 0.96, 0.94)]) == [1]


def test_networks_that_no_seed_made_are_ranked_by_their_test_examples() -> None:
    """One run each, on 2,000 shared examples: 95 % against 90 % is sure, 90 % against 89.9 % is not."""
    draw, n = rng("files"), 2000
    easy = draw.random(n)

    def row(share: float) -> Runs:
        right = easy < share
        return Runs(
            [Score(value=float(right.mean()), n=n, unit="points", counts=True, correct=(np.packbits(right).tobytes(),))]
        )

    rows = [row(0.90), row(0.95), row(0.899)]
    assert stats.ranking(rows, None).ranks == (None, None, None)
    assert stats.ranking(rows, None, finished={0, 1, 2}).ranks == (2, 1, 2)
    trained = Runs([Score(value=value, n=n, unit="points") for value in (0.80, 0.81, 0.79)])
    assert stats.ranking([trained, rows[1]], None, finished={1}).ranks == (2, 1)


def test_ranks_never_fall_along_the_board() -> None:
    draw = rng("ranks")
    rows = [draw.normal(0.9 - 0.004 * place, 0.004, 4).tolist() for place in range(12)]
    found = ranks(rows)
    along = [found[index] or 0 for index in np.argsort([-np.mean(row) for row in rows])]
    assert along == sorted(along)
    assert along[0] == 1 < along[-1]


def test_ranges_are_held_against_the_studentized_range() -> None:
    limits = critical(6)
    levels = [1 - 0.95 ** (k / 6) if k < 5 else 0.05 for k in range(2, 7)]
    expected = [scipy.stats.studentized_range.isf(level, k, 1e6) / 2**0.5 for k, level in enumerate(levels, start=2)]
    assert limits[2:] == pytest.approx(expected, rel=1e-3)


def test_equals_seldom_part() -> None:
    draw = rng("equals")
    parted = [ranks([draw.normal(0.9, 0.01, 5).tolist() for _ in range(2)]) != [1, 1] for _ in range(400)]
    assert 0.02 < np.mean(parted) < 0.09


def test_folds_part_rows_that_differ_on_each_of_them() -> None:
    levels = (0.80, 0.90, 0.84, 0.70, 0.95)

    def row(shift: float, name: str) -> Runs:
        draw = rng("folds", name)
        values = [[level + shift + draw.normal(0, 0.003)] * 3 for level in levels]
        return Runs(folds(*values, tests="abcde", unit="points"))

    found = stats.ranking([row(0.0, "a"), row(-0.03, "b"), row(0.001, "c"), row(-0.031, "d")], None)
    assert list(found.ranks) == [1, 3, 1, 3]
    assert found.resolution is not None
    assert 0.002 < found.resolution < 0.03
    missing = Runs(folds([0.80] * 3, [0.90] * 3, tests="ab", unit="points"))
    assert stats.ranking([row(0.0, "a"), row(-0.03, "b"), missing], None).ranks[2] is not None


def test_q_values_are_benjamini_and_hochberg() -> None:
    assert stats.q_values([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert stats.q_values([]) == []


def folds(*values: Sequence[float], tests: Sequence[str] = ("a", "b", "c"), **fields: Any) -> list[Score]:
    """Return the scores of several folds, each on its own test set unless `tests` says otherwise."""
    return [
        Score(value=value, test=test, dataset="d", **fields)
        for test, fold in zip(tests, values, strict=True)
        for value in fold
    ]


def test_folds_count_once_each_and_overlap() -> None:
    found = interval(folds([0.80, 0.82], [0.90, 0.92], [0.84, 0.86]))
    spread = np.std([0.81, 0.91, 0.85], ddof=1)
    assert found.value == pytest.approx(np.mean([0.81, 0.91, 0.85]))
    assert found.n == 6
    assert found.high is not None
    assert found.high - found.value == pytest.approx(4.3027 * spread * (1 / 3 + 1 / 4) ** 0.5, rel=1e-3)
    assert interval(folds([0.8, 0.9], tests=["a"])) == stats.mean_interval([0.8, 0.9])


def test_folds_with_one_test_set_are_runs_like_others() -> None:
    found = interval(folds([0.80, 0.82], [0.90, 0.92], [0.84, 0.86], tests="aaa"))
    assert found == stats.mean_interval([0.80, 0.82, 0.90, 0.92, 0.84, 0.86])


def keyed(scores: Sequence[Score]) -> dict[int, Score]:
    return dict(enumerate(scores))


def test_pairs_of_several_folds_are_as_uncertain_as_the_folds() -> None:
    new, old = ([[value] * 10 for value in values] for values in ((0.9, 0.8, 0.85), (0.88, 0.79, 0.82)))
    found = paired(keyed(folds(*new)), keyed(folds(*old)))
    assert found is not None
    assert (found.n, found.df) == (30, pytest.approx(2))
    assert found.standard_error == pytest.approx(0.01 * (1 / 3 + 1 / 4) ** 0.5)


def test_pairs_of_folds_with_one_test_set_are_pairs_like_others() -> None:
    new, old = ((0.9, 0.92), (0.8, 0.81), (0.85, 0.84)), ((0.88, 0.89), (0.79, 0.79), (0.82, 0.84))
    found = paired(keyed(folds(*new, tests="aaa")), keyed(folds(*old, tests="aaa")))
    expected = scipy.stats.ttest_rel(np.ravel(new), np.ravel(old))
    assert found is not None
    assert (found.p, found.df) == (pytest.approx(expected.pvalue), pytest.approx(5))


def test_test_sets_of_different_datasets_are_no_folds() -> None:
    def side(*values: float) -> dict[int, Score]:
        return keyed(
            [Score(value=v + s, test=d, dataset=d) for d, v in zip("xyz", values, strict=True) for s in (0, 0.01)]
        )

    found = paired(side(0.9, 0.8, 0.85), side(0.88, 0.79, 0.82))
    assert found is not None
    assert found.df == pytest.approx(5)
