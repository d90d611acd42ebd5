"""How thoroughly a `measure` node measures."""

from msgspec import Struct


class Profile(Struct, frozen=True):
    """Least effort for one runtime, all processes together."""

    processes: int
    samples: int
    """Timed calls at batch size 1."""
    seconds: float
    """Time spent in them."""
    warmup_calls: int
    warmup_s: float
    stationary: bool
    """Whether the warm-up goes on until two windows agree."""
    percentiles: tuple[float, ...]

    def effort(self, batch_size: int) -> tuple[int, float]:
        """Return calls and seconds at a batch size: larger batches get a quarter, yet enough calls for p90."""
        if batch_size == 1:
            return self.samples, self.seconds
        return max(self.samples // 4, 64), self.seconds / 4


PROFILES = {
    "smoke": Profile(
        processes=2, samples=64, seconds=0.2, warmup_calls=10, warmup_s=0.05, stationary=False, percentiles=(50, 90)
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
