"""How thoroughly a `measure` node measures."""

from msgspec import Struct


class Profile(Struct, frozen=True):
    """Least effort for one runtime; larger batches than one get a quarter of samples and seconds."""

    processes: int
    samples: int
    """Timed calls at batch size 1, all processes together."""
    seconds: float
    """Time spent in them, all processes together."""
    warmup_calls: int
    warmup_s: float
    stationary: bool
    """Whether the warm-up goes on until two windows agree."""
    percentiles: tuple[float, ...]


PROFILES = {
    "smoke": Profile(
        processes=2, samples=64, seconds=0.0, warmup_calls=10, warmup_s=0.2, stationary=False, percentiles=(50, 90)
    ),
    "standard": Profile(
        processes=5, samples=662, seconds=10.0, warmup_calls=10, warmup_s=1.0, stationary=True, percentiles=(50, 90, 99)
    ),
    "rigorous": Profile(
        processes=5,
        samples=24_576,
        seconds=600.0,
        warmup_calls=10,
        warmup_s=1.0,
        stationary=True,
        percentiles=(50, 90, 99),
    ),
}
