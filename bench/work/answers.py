"""What the functions of plugins must answer, looked at where the answer comes back.

A wrong guess is then one line that names the plugin and the door, and not an error somewhere else.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import keras

from bench.errors import PluginError, shortened
from bench.records import Diagnosis
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


_OPTIMIZER = (_is(keras.optimizers.Optimizer), "a Keras optimizer")
_PRODUCT = (_is(Product), "a bench.work.training.Product, such as trainer.fit returns")
WANTED: dict[tuple[str, str], tuple[Callable[[Any], bool], str]] = {
    ("techniques", "data"): (_is(Learn), "a bench.work.data.Learn, such as it was given"),
    ("techniques", "batch"): (_pair, "the pair (x, y) to train on"),
    ("techniques", "model"): (_is(keras.Model), "a Keras network"),
    ("techniques", "optimizer"): _OPTIMIZER,
    ("techniques", "loss"): (callable, "a function of (x, y, outputs)"),
    ("techniques", "callbacks"): (_callbacks, "a list of Keras callbacks"),
    ("techniques", "fit"): _PRODUCT,
    ("techniques", "after"): _PRODUCT,
    ("optimizers", "optimizer"): _OPTIMIZER,
    ("losses", "loss"): (_one_number_an_example, "one number an example, of shape (n,)"),
    ("diagnostics", "diagnose"): (_is(Diagnosis), "a bench.records.Diagnosis"),
    ("diagnostics", "watch"): (callable, "a function that returns the series at the end"),
}
"""By kind and door: what fits, and how it is called. Networks and datasets are looked at where they are built."""


def checked(kind: str, name: str, door: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a plugin's function that raises PluginError where its answer is not what the contract says."""
    if (kind, door) not in WANTED:
        return function
    fits, wanted = WANTED[kind, door]

    @wraps(function)
    def asked(*arguments: Any, **given: Any) -> Any:
        answer = function(*arguments, **given)
        if not fits(answer):
            raise PluginError(f"{kind}/{name}: its '{door}' must return {wanted}; got {described(answer)}")
        return answer

    return asked


def described(answer: Any) -> str:
    """Return what an answer is, in a few words."""
    shape = getattr(answer, "shape", None)
    if shape is not None:
        return f"{type(answer).__name__} of shape {tuple(shape)}"
    return "nothing" if answer is None else f"{type(answer).__name__} {shortened(repr(answer), 60)}"
