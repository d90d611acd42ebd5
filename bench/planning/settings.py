"""The training settings as a suite writes them: each a value, or a list of values that is one more axis."""

from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Struct

from bench.limits import NotNegative, Positive
from bench.records import Momentum


def _several(type_: Any) -> Any:
    """Return the type of a list of some type, which is not empty."""
    return Annotated[list[type_], msgspec.Meta(min_length=1)]


class Settings(Struct, frozen=True, kw_only=True):
    """The training settings of a suite that says nothing of them; a cell holds them all, so these may change."""

    epochs: Positive = 10
    batch_size: Positive = 64
    optimizer: str = "adam"
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 0.001
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    schedule: str = "constant"
    warmup_epochs: NotNegative = 0
    loss: str = "auto"
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    validation: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.1
    momentum: Momentum | None = None
    """For suites from before `sgd(momentum=0.9)`: it goes to the optimizers that have one."""


def _axes_of_training() -> type[msgspec.Struct]:
    """Return `Settings` with every field optional and, beside its type, a list of it."""
    fields = [
        (field.name, Union[field.type, _several(field.type), None], None)  # noqa: UP007 (a type made at run time)
        for field in msgspec.structs.fields(Settings)
    ]
    return msgspec.defstruct("TrainingAxes", fields, forbid_unknown_fields=True, kw_only=True, frozen=True)


TrainingAxes = _axes_of_training()
