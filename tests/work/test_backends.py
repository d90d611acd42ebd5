"""Every technique runs on every backend that it does not exclude."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_technique_trains_on_every_backend_that_it_does_not_exclude(backend: str) -> None:
    pytest.importorskip(backend, exc_type=ImportError)
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "technique_cases.py")],
        env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(told) >= 28
    assert {call: what for call, what in told.items() if what != "finished"} == {}
