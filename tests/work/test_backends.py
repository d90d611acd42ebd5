"""Every technique runs on every backend that it does not exclude."""

import pytest
import workbench
from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_technique_trains_on_every_backend_that_it_does_not_exclude(backend: str) -> None:
    told = workbench.told_on(backend, ROOT / "tests" / "technique_cases.py")
    assert len(told) >= 28
    assert {call: what for call, what in told.items() if what != "finished"} == {}
