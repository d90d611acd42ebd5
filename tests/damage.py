"""Files damaged in every way that Hypothesis thinks of."""

from hypothesis import settings
from hypothesis import strategies as st

Edit = tuple[str, int, bytes]
# Most of a file's structure lies at its ends.
PLACES = st.one_of(st.integers(-250, 250), st.integers(0, 1 << 16))
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "write", "insert", "delete", "repeat", "cut"]),
        PLACES,
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, edits: list[Edit]) -> bytes:
    """Return bytes with each edit made, at a place that is counted from the start or, below 0, from the end."""
    for kind, place, with_ in edits:
        at = place % max(len(content), 1)
        before, after = content[:at], content[at:]
        match kind:
            case "flip":
                content = before + bytes([(after or b"\0")[0] ^ 1 << with_[0] % 8]) + after[1:]
            case "write":
                content = before + with_ + after[len(with_) :]
            case "insert":
                content = before + with_ + after
            case "delete":
                content = before + after[with_[0] :]
            case "repeat":
                content = before + after[: with_[0]] * 2 + after[with_[0] :]
            case "cut":
                content = before
    return content


def fuzz(examples: int) -> settings:
    return settings(derandomize=True, max_examples=examples, deadline=None, database=None)
