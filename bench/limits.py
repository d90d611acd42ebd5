"""What a field of a record or a suite may hold, beyond its type: ranges and shapes.

Records come by pull request, so a reader believes nothing: what is out of these is no record, is
named and skipped. The types are part of the JSON Schema; `require` is for what a schema cannot say.
"""

from collections.abc import Sized
from datetime import datetime
from typing import Annotated

from msgspec import Meta

Positive = Annotated[int, Meta(ge=1, le=2**53, description="a whole number from 1 on")]
NotNegative = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0 on")]
Several = Annotated[int, Meta(ge=2, le=2**53, description="a whole number from 2 on")]
Share = Annotated[float, Meta(gt=0, lt=1, description="a share between 0 and 1, like 0.5")]
Rate = Annotated[float, Meta(gt=0, le=1e100, description="a number above 0")]
COUNTS = {
    "parameters",
    "flops",
    "size_bytes",
    "compressed_bytes",
    "deployed_bytes",
    "unique_weights",
    "bits_per_weight",
}
"""Measurements that cannot be negative."""
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
"""NumPy and Keras take no more than 32 bits."""
FOLDS = 5
Fold = Annotated[int, Meta(ge=0, lt=FOLDS)]
NAME = r"^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,199}$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME)]
"""Of a folder that is not hidden: a suite's, a cell's."""
Created = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
"""UTC, ISO 8601."""
Figure = Annotated[float, Meta(ge=-1e100, le=1e100)]
"""So far from what a float holds that sums and squares stay finite."""
Seconds = Annotated[float, Meta(ge=0, le=1e10)]
Label = Annotated[str, Meta(max_length=300)]
"""A name that stands in every row of a table or at every curve."""
MOST_POINTS, MOST_SERIES = 20_000, 500
"""Of a curve, and of the curves of a record: what a page can draw."""
MOST_PICTURE_BYTES, MOST_DIAGNOSIS_BYTES = 40_000, 60_000
"""Of a raster, and of all that one diagnostic leaves of one network, as JSON."""
MOST_PICTURES = 100
"""Of a diagnosis."""
MOST_BYTES = 64 * 2**20
"""Of a file that is no data: a record, a suite, a plugin."""

PROPORTIONS = frozenset(
    {"accuracy", "agreement", "average_incremental_accuracy", "balanced_accuracy", "calibration_error"}
    | {"coarse_accuracy", "f1"}
    | {"mistakes_within_superclass", "pr_auc", "precision", "recall", "roc_auc", "sparsity", "top_5_accuracy"}
)
"""Measurements that lie between 0 and 1, but for rounding."""
METRICS = (
    PROPORTIONS
    | {"accuracy_drop", "bits_per_weight", "unique_weights"}
    | {"compressed_bytes", "fit_s", "flops", "forgetting", "generalization_gap", "loss", "mae", "mae_rise"}
    | {"output_difference", "parameters", "r2", "rmse", "size_bytes"}
)
"""All that findings can be about; a technique of one's own may add others."""
ROUNDING = 1e-9


def require(holds: bool, fault: str) -> None:
    """Raise ValueError, which a decoder turns into its own error with the place, unless a condition holds."""
    if not holds:
        raise ValueError(fault)


def require_time(created: str) -> None:
    """Raise ValueError for a date that no calendar has."""
    datetime.fromisoformat(created)


def require_equal_length(**parts: Sized) -> None:
    """Raise ValueError unless all parts are of one length."""
    require(len({len(part) for part in parts.values()}) <= 1, f"{' and '.join(parts)} differ in length")
