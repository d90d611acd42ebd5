"""What the functions of plugins must answer, looked at where the answer comes back.

A wrong guess is then one line that names the plugin and the door, and not an error somewhere else.
"""

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np

from bench.errors import PluginError, shortened
from bench.limits import MOST_DIAGNOSIS_BYTES
from bench.records import Diagnosis, Series
from bench.work.data import Learn
from bench.work.training import Product


def _callbacks(answer: Any) -> bool:
    return isinstance(answer, (list, tuple)) and all(isinstance(one, keras.callbacks.Callback) for one in answer)


def _one_number_an_example(answer: Any) -> bool:
    shape = getattr(answer, "shape", ())
    return getattr(shape, "rank", 1) is None or len(shape) == 1  # a graph may not know it


def _pair(answer: Any) -> bool:
    return isinstance(answer, tuple) and len(answer) == 2


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda answer: isinstance(answer, kinds)


def _learn(answer: Any) -> bool:
    return isinstance(answer, Learn) and len(answer.train.x) == len(answer.train.y) > 0


def _product(answer: Any) -> bool:
    if not isinstance(answer, Product) or not isinstance(answer.network, (keras.Model, Path)):
        return False
    return all(_is_figure(figure) for figure in answer.figures.values())


def _is_figure(figure: Any) -> bool:
    try:
        value, unit = figure
        return isinstance(unit, str) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _diagnosis(answer: Any) -> bool:
    """Tell whether a record can hold a diagnosis: bare numbers, all finite, and not too many of them."""
    try:
        if not isinstance(answer, Diagnosis):
            return False
        text = msgspec.json.encode(answer)
        values = [value for one in answer.series for value in (*one.points, *one.values) if value is not None]
        told = msgspec.json.decode(text, type=Diagnosis)
        return bool(told) and len(text) <= MOST_DIAGNOSIS_BYTES and all(math.isfinite(value) for value in values)
    except (TypeError, ValueError):
        return False


def _series(answer: Any) -> bool:
    """Tell whether a record can hold what was seen."""
    try:
        text = msgspec.json.encode(tuple(answer))
        return len(text) <= MOST_DIAGNOSIS_BYTES and len(msgspec.json.decode(text, type=tuple[Series, ...])) <= SEEN
    except (TypeError, ValueError):
        return False


_OPTIMIZER = (_is(keras.optimizers.Optimizer), "a Keras optimizer")
_PRODUCT = (
    _product,
    "a bench.work.training.Product, such as trainer.fit returns: a Keras network (or a file's Path), and figures, "
    "if any, as (finite number, unit)",
)


def _rows(answer: Any) -> bool:
    return isinstance(answer, np.ndarray) and answer.ndim == 1 and answer.dtype.kind in "iu" and len(answer) > 0


SEEN = 50
"""Series that one diagnostic may leave of a training."""
_SEEN = (
    _series,
    f"at most {SEEN} bench.records.Series, their numbers plain (array.tolist()), of at most "
    f"{MOST_DIAGNOSIS_BYTES:,} bytes as JSON",
)
_NUMBERS = (_one_number_an_example, "one number an example, of shape (n,)")
WANTED: dict[tuple[str, str], tuple[Callable[[Any], bool], str]] = {
    ("techniques", "data"): (_learn, "a bench.work.data.Learn, such as it was given, of as many examples as labels"),
    ("techniques", "order"): (_rows, "a NumPy array of row numbers, (n,)"),
    ("techniques", "batch"): (_pair, "the pair (x, y) to train on"),
    ("techniques", "gradient"): (_is(list, tuple), "a list of gradients, one for each of the weights"),
    ("techniques", "model"): (_is(keras.Model), "a Keras network"),
    ("techniques", "optimizer"): _OPTIMIZER,
    ("techniques", "loss"): (callable, "a function of (x, y, outputs)"),
    ("techniques", "callbacks"): (_callbacks, "a list of Keras callbacks"),
    ("techniques", "fit"): _PRODUCT,
    ("techniques", "after"): _PRODUCT,
    ("optimizers", "optimizer"): _OPTIMIZER,
    ("schedules", "callbacks"): (_callbacks, "a list of Keras callbacks"),
    ("losses", "loss"): _NUMBERS,
    ("diagnostics", "diagnose"): (
        _diagnosis,
        "a bench.records.Diagnosis, its numbers plain (array.tolist()) and finite, "
        f"of at most {MOST_DIAGNOSIS_BYTES:,} bytes as JSON",
    ),
    ("diagnostics", "watch"): (callable, "a function that returns the series at the end"),
}
"""By kind and door: what fits, and how it is called. Networks and datasets are looked at where they are built."""


def checked(kind: str, name: str, door: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plugin's function that raises PluginError where its answer is not what the contract says."""
    if (kind, door) not in WANTED:
        return function
    asked = _refusing(function, *WANTED[kind, door], f"{kind}/{name}: its '{door}'")
    if (kind, door) == ("diagnostics", "watch"):
        return lambda trainer: _refusing(asked(trainer), *_SEEN, f"diagnostics/{name}: the function of its 'watch'")
    if (kind, door) != ("techniques", "loss"):
        return asked
    return lambda inner, trainer: _refusing(asked(inner, trainer), *_NUMBERS, f"techniques/{name}: its loss")


def _refusing(function: Callable[..., Any], fits: Callable[[Any], bool], wanted: str, what: str) -> Callable[..., Any]:
    """Return a function that raises PluginError where the answer does not fit."""

    @wraps(function)
    def asked(*arguments: Any, **given: Any) -> Any:
        answer = function(*arguments, **given)
        if not fits(answer):
            raise PluginError(f"{what} must return {wanted}; got {described(answer)}")
        return answer

    return asked


def described(answer: Any) -> str:
    """Return what an answer is, in a few words."""
    shape = getattr(answer, "shape", None)
    if shape is not None:
        return f"{type(answer).__name__} of shape {tuple(shape)}"
    return "nothing" if answer is None else f"{type(answer).__name__} {shortened(repr(answer), 60)}"
