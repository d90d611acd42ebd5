"""Latency of a suite's finished networks, by pytest-benchmark: `nox -s latency -- digits`.

For following one machine over time: each run is saved under its commit with every single call, and
`--benchmark-compare --benchmark-compare-fail=median:10%` fails where one has become slower. What is
published comes from `measure` nodes, which use several processes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
import pytest
import workbench

from bench.catalog import Catalog
from bench.errors import Unsupported
from bench.planning import plan, suite
from bench.records import Artifact
from bench.runner.machine_lock import hold
from bench.tasks import Node, home

CATALOG = Catalog()
ROUNDS, WARMUP = 662, 20
"""Calls that p99 needs, and those before them that do not count."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each measured artifact and runtime of the suite."""
    read = suite.read(suite.find(metafunc.config.getoption("--suite")), CATALOG)
    made = plan.make(read, CATALOG, Path("results"), home().artifacts)
    measured = [step.node for step in made.steps.values() if step.node.kind == "measure"]
    networks = [(node, made.steps[node.parents[0]].record) for node in measured]
    pairs = [(node, record.artifact) for node, record in networks if record and record.artifact]
    if not pairs:
        raise pytest.UsageError(f"{read.path}: no finished networks to time (bench run {read.name} --artifacts)")
    metafunc.parametrize(("node", "artifact"), pairs, ids=[node.id for node, _ in pairs])


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with hold(alone=True, waiting=lambda: print("waiting for another bench process")):
        yield


def test_latency(benchmark: Any, node: Node, artifact: Artifact) -> None:
    """Time one call at batch size 1."""
    assert node.measure is not None
    facts = CATALOG.card("runtimes", node.measure.runtime.name).facts(node.measure.runtime)
    if facts.backend:
        pytest.skip(f"{node.measure.name} needs a process with Keras on {facts.backend}; bench measure has one")
    if node.measure.runtime.parameters.get("amx") is False:
        pytest.skip(f"{node.measure.name} needs a process that has not asked for AMX; bench measure has one")
    try:
        deployed = workbench.deploy(str(node.measure.runtime), artifact, home())
    except Unsupported as error:
        pytest.skip(f"{node.measure.name}: {error}")
    split = workbench.prepare(str(node.cell.dataset), node.fold, node.cell.training.validation)
    prepared = deployed.prepare(split.test.x[:1])
    deployed.predict(prepared)
    benchmark.pedantic(deployed.predict, (prepared,), rounds=ROUNDS, warmup_rounds=WARMUP)
    calls = np.array(benchmark.stats.stats.data) * 1000
    for percent in (50, 90, 99):
        benchmark.extra_info[f"p{percent}_ms"] = round(float(np.percentile(calls, percent)), 6)
