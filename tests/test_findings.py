"""Verdicts on claims: each of the three, for the right reason."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from factory import cell, record, regression, suite_cell, suite_record, unfinished
from sample_suites import digits_suite

from bench.errors import SuiteError
from bench.findings import Finding, final_records, judge
from bench.records import Record
from bench.suite_record import Claim

PLAIN, AUGMENT = cell(), cell(techniques=["augment"])
ROWS = [suite_cell(PLAIN, "plain"), suite_cell(AUGMENT, "augment")]


def claim(**fields: Any) -> Claim:
    return Claim(
        **{"statement": "Augmentation helps", "compare": "recipe=augment", "against": "recipe=plain", **fields}
    )


def runs(plain: float, augment: float, seeds: int = 5, n_test: int = 1000) -> list[Record]:
    return [
        record(of, seed=seed, accuracy=level, n_test=n_test)
        for of, level in ((PLAIN, plain), (AUGMENT, augment))
        for seed in range(seeds)
    ]


def one(found: Sequence[Record], **fields: Any) -> Finding:
    (finding,) = judge(suite_record(ROWS, findings=[claim(**fields)]), found)
    return finding


def test_a_clear_gain_is_supported_and_its_opposite_refuted() -> None:
    gained = one(runs(0.85, 0.92))
    assert gained.verdict == "supported"
    assert gained.n == 5
    assert gained.low is not None
    assert 0 < gained.low < 0.07
    assert gained.reason.startswith("+")
    assert "above zero" in gained.reason
    assert one(runs(0.92, 0.85)).verdict == "refuted"
    assert one(runs(0.92, 0.85), expect="lower").verdict == "supported"


def test_no_difference_is_undecided() -> None:
    found = one(runs(0.9, 0.9))
    assert found.verdict == "undecided"
    assert "includes zero" in found.reason


def test_a_gain_below_the_least_that_counts_is_not_supported() -> None:
    assert one(runs(0.85, 0.92), by=0.03).verdict == "supported"
    assert one(runs(0.85, 0.92), by=0.15).verdict == "refuted"


def test_equal_asks_for_equivalence_not_for_a_missing_difference() -> None:
    few = one(runs(0.9, 0.9, seeds=3, n_test=60), expect="equal", by=0.01)
    assert few.verdict == "undecided"
    assert one(runs(0.9, 0.9), expect="equal", by=0.04).verdict == "supported"
    assert one(runs(0.8, 0.95), expect="equal", by=0.04).verdict == "refuted"


def test_two_pairs_decide_nothing() -> None:
    found = one(runs(0.5, 0.99, seeds=2))
    assert (found.verdict, found.n, found.p, found.q) == ("undecided", 2, None, None)
    assert "fewer than 3 pairs" in found.reason


def test_failed_runs_leave_no_pairs_and_say_so() -> None:
    found = one([record(PLAIN), unfinished(AUGMENT)])
    assert found.verdict == "undecided"
    assert found.reason.startswith("no pairs: 0 finished runs with accuracy match `compare`, 1 match")


def test_pairs_follow_the_axes_on_which_the_sides_agree() -> None:
    cells = [cell(architecture=a, techniques=t) for a in ("mlp", "cnn") for t in ([], ["augment"])]
    rows = [suite_cell(of, "augment" if of.techniques else "plain") for of in cells]
    levels = {"mlp": 0.7, "cnn": 0.9}
    made = [
        record(of, seed=seed, accuracy=levels[of.architecture.name] + 0.05 * bool(of.techniques), n_test=2000)
        for of in cells
        for seed in range(3)
    ]
    (found,) = judge(suite_record(rows, findings=[claim()]), made)
    assert found.n == 6
    assert found.verdict == "supported"
    missing = [one for one in made if not (one.cell.architecture.name == "cnn" and one.cell.techniques)]
    (found,) = judge(suite_record(rows, findings=[claim()]), missing)
    assert found.n == 3
    assert found.difference == pytest.approx(0.05, abs=0.02)


def test_runs_on_different_test_sets_are_no_pairs() -> None:
    other = [record(AUGMENT, seed=seed, test_fingerprint="other") for seed in range(3)]
    found = one([*runs(0.9, 0.9)[:5], *other])
    assert (found.verdict, found.n) == ("undecided", 0)


def test_an_axis_that_only_one_side_has_is_averaged() -> None:
    rows = [suite_cell(cell(epochs=epochs), "plain", f"epochs={epochs}") for epochs in (1, 2, 30)]
    made = [
        record(row.cell, seed=seed, accuracy=level)
        for row, level in zip(rows, (0.5, 0.6, 0.9), strict=True)
        for seed in range(3)
    ]
    (found,) = judge(suite_record(rows, findings=[claim(compare="epochs=30", against="epochs<30")]), made)
    assert found.n == 3
    assert found.difference == pytest.approx(0.35, abs=0.05)


def test_a_run_is_not_its_own_opponent() -> None:
    assert one(runs(0.85, 0.92), against="dataset=digits").difference == one(runs(0.85, 0.92)).difference


def test_exact_metrics_need_no_spread() -> None:
    found = one(runs(0.9, 0.9, seeds=3), metric="parameters", expect="equal")
    assert (found.verdict, found.difference) == ("supported", 0)
    assert one(runs(0.9, 0.9, seeds=3), metric="parameters", expect="lower").verdict == "refuted"


def test_regression_claims_use_their_metric() -> None:
    worse = [regression(PLAIN, loss=0.40 + 0.01 * seed, seed=seed) for seed in range(4)]
    better = [regression(AUGMENT, loss=0.30 + 0.011 * seed, seed=seed) for seed in range(4)]
    found = one([*worse, *better], metric="loss", expect="lower")
    assert found.verdict == "supported"
    assert found.reason.startswith("−0.0985 [")


def test_false_discoveries_are_controlled_over_the_suite() -> None:
    borderline = runs(0.9, 0.925, seeds=4)
    alone = one(borderline)
    assert alone.q == alone.p
    rows = [*ROWS, *(suite_cell(cell(architecture=f"a{i}", techniques=t)) for i in range(8) for t in ([], ["x"]))]
    others = [
        claim(compare=f"architecture=a{i} and technique=x", against=f"architecture=a{i} and not technique=x")
        for i in range(8)
    ]
    made = [record(row.cell, seed=seed, n_test=300) for row in rows[2:] for seed in range(3)]
    main = claim(compare="architecture=mlp and recipe=augment", against="architecture=mlp and recipe=plain")
    found = judge(suite_record(rows, findings=[main, *others]), [*borderline, *made])
    assert found[0].p is not None
    assert found[0].q is not None
    assert found[0].q > found[0].p
    assert sum(f.verdict != "undecided" for f in found[1:]) == 0


def test_claims_that_are_wrong_are_seldom_supported() -> None:
    supported = 0
    for trial in range(100):
        made = [
            record(of, seed=seed + 10 * trial, accuracy=0.9, n_test=200) for of in (PLAIN, AUGMENT) for seed in range(4)
        ]
        supported += one(made).verdict == "supported"
    assert supported <= 5


def test_the_last_artifact_of_a_run_speaks_for_it() -> None:
    trained, derived = record(PLAIN, accuracy=0.9), record(PLAIN, node="derive", accuracy=0.8)
    assert list(final_records([derived, trained]).values()) == [derived]
    assert list(final_records([trained, derived]).values()) == [derived]


def test_two_networks_from_files_are_one_pair_however_many_seeds_there_are() -> None:
    found = one([record(PLAIN, seed=None, accuracy=0.8), record(AUGMENT, seed=None, accuracy=0.9)])
    assert (found.verdict, found.n) == ("undecided", 1)


def test_an_unreadable_expression_names_the_finding() -> None:
    with pytest.raises(SuiteError, match="demo: finding 'Augmentation helps'"):
        one(runs(0.9, 0.9, seeds=1), compare="recipe=")


def test_the_factory_suite_has_findings_of_several_verdicts() -> None:
    suite, made = digits_suite()
    assert [found.verdict for found in judge(suite, made)] == ["supported", "undecided", "undecided"]
    assert np.isfinite([found.q for found in judge(suite, made) if found.q is not None]).all()


def test_what_must_be_kept_is_a_share_of_the_other_side() -> None:
    """0.9 times 0.98 is 0.882, so 1.8 points may be lost."""
    kept = one(runs(0.9, 0.8995, seeds=6, n_test=200_000), keeps=0.98)
    assert kept.verdict == "supported"
    assert "0.98 of it is kept" in kept.reason
    assert one(runs(0.9, 0.87, seeds=6, n_test=200_000), keeps=0.99).verdict == "refuted"
    assert one(runs(0.9, 0.891, seeds=6, n_test=500), keeps=0.99).verdict == "undecided"
    assert one(runs(0.9, 0.9, seeds=6, n_test=200_000)).verdict == "undecided", "no gain is not enough for a gain"


def test_a_share_is_kept_by_each_seed_of_its_own_though_seeds_differ() -> None:
    reached = np.linspace(0.4, 0.8, 6)
    sides = [(PLAIN, reached), (AUGMENT, 0.55 * reached)]
    found = [
        record(of, seed=seed, accuracy=level, n_test=100_000)
        for of, levels in sides
        for seed, level in enumerate(levels)
    ]
    kept = one(found, keeps=0.5)
    assert kept.difference == pytest.approx(-0.45 * 0.6, abs=0.01)
    assert kept.verdict == "supported"
    assert one(found, keeps=0.6).verdict == "refuted"
    assert kept.low is not None
    assert kept.low > -0.5 * 0.6, "what is shown lies above the limit, as its sentence says"
    several = [claim(keeps=0.5), claim(expect="lower", statement="It falls.")]
    together, _ = judge(suite_record(ROWS, findings=several), found)
    assert together.verdict == "supported", "though seeds differ, of which another claim speaks"
