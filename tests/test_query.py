"""Expressions over runs."""

import pytest

from bench.errors import SuiteError
from bench.query import Query

RUN = {
    "dataset": "digits",
    "architecture": "custom_cnn(width=32)",
    "recipe": "augment",
    "technique": ["augment(shift=4)", "prune(sparsity=0.5)"],
    "seed": 0,
    "epochs": 10,
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("architecture=custom_cnn and seed=0", True),
        ("architecture=custom_cnn and seed=1", False),
        ("architecture=custom_cnn(width=32)", True),
        ("architecture=custom_cnn(width=16)", False),
        ("architecture='custom*'", True),
        ("(seed=1 or technique=prune) and not recipe=baseline", True),
        ("seed in [1, 2]", False),
        ("recipe not in [baseline, dropout]", True),
        ("epochs>=10 and epochs<11", True),
        ("epochs != 10", False),
        ("seed == 0", True),
        ("recipe=1", False),
    ],
)
def test_matching(text: str, expected: bool) -> None:
    assert Query(text).matches(RUN) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("architectur=x", "did you mean 'architecture'"),
        ("seed=0 or sed=1", "no field 'sed'"),
        ("seed", "not a comparison"),
        ("__import__('os')", "not a comparison"),
        ("seed=(", "cannot read"),
        ("recipe < b", "no order"),
        ("seed in 3", "takes a list"),
        ("", "cannot read"),
    ],
)
def test_what_is_no_expression_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(SuiteError) as caught:
        Query(text).matches(RUN)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
