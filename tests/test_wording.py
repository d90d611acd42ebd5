"""Numbers as the lines of `check` and `findings` write them."""

from bench import wording


def test_proportions_read_as_points_with_their_interval() -> None:
    assert wording.difference(0.004, -0.001, 0.009, "points") == "+0.40 points [−0.10, +0.90]"
    assert wording.difference(-0.5, None, None, "%") == "−50.00 %"


def test_a_unit_of_one_is_not_written() -> None:
    assert wording.amount(1234.0, "1") == "1.23e+03"
    assert wording.amount(0.25, "nat") == "0.25 nat"
    assert wording.difference(-702_000.0, -703_000.0, -701_000.0, "B") == "−702 kB [−703, −701]"
    assert wording.amount(0.25, "nat", bare=True) == "0.25"
