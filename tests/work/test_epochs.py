"""The epoch drivers train as Keras does, and a killed training goes on to the same network."""

from functools import cache
from typing import Any

import epoch_cases
import pytest
import workbench
from conftest import ROOT

pytestmark = pytest.mark.slow

BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
LOOSE = {"scaled loss": 2e-2}
"""Half precision rounds coarsely."""


@cache
def found(backend: str) -> dict[str, Any]:
    """Return what the cases came to on a backend, in a process of its own."""
    told: dict[str, Any] = workbench.told_on(BACKENDS[backend], ROOT / "tests" / "epoch_cases.py")
    return told


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", epoch_cases.CASES)
def test_an_epoch_is_what_keras_makes_of_it(backend: str, case: str) -> None:
    driven, kept = found(backend)["both"][case]
    if (backend, case) == ("torch", "dropout"):
        pytest.skip("drawn from PyTorch's own generator, of which Keras's feeding takes a number")
    assert driven.keys() == kept.keys()
    assert len(driven["train loss"]) == epoch_cases.EPOCHS
    assert len(set(driven["train loss"])) == epoch_cases.EPOCHS
    for name, values in kept.items():
        assert driven[name] == pytest.approx(values, rel=LOOSE.get(case, 2e-4), abs=1e-5), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_callback_that_wants_batches_is_told_of_them(backend: str) -> None:
    assert found(backend)["heard"] == epoch_cases.EPOCHS * 5


def test_the_loop_that_jax_compiles_for_accelerators_does_the_same() -> None:
    driven, _ = found("jax")["both"]["plain"]
    for name, values in found("jax")["scanned"].items():
        assert driven[name] == pytest.approx(values, rel=2e-4), name


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", epoch_cases.RESUMED)
def test_a_killed_training_goes_on_to_the_same_network(backend: str, case: str) -> None:
    undisturbed, killed = found(backend)["resumed"][case]
    assert killed == undisturbed
    assert len(undisturbed[1]["train loss"]) > 3, "it was killed after the first, the third and the last epoch"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slope_asked_for_elsewhere_sees_the_same_batch(backend: str) -> None:
    """Uphill by nothing is where one is: the same augmentation, the same dropout, one step of batch statistics."""
    told = found(backend)["uphill"]
    assert told["here"] == {name: pytest.approx(values, rel=1e-5) for name, values in told["plain"].items()}
    assert told["elsewhere"]["train loss"] != pytest.approx(told["plain"]["train loss"], rel=1e-3)
