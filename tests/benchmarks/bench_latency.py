"""Latency of a suite's finished networks, by pytest-benchmark: `nox -s latency -- digits`.

For following one machine over time (`--benchmark-compare`); what is published comes from
`measure` nodes, which use several processes and keep the raw samples.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

import pytest

from bench.catalog import Catalog
from bench.planning import plan, suite
from bench.planning.tree import Node
from bench.runner.machine_lock import hold
from bench.tasks import home
from bench.work import data, deployment
from bench.work.deployment import Deployable

CATALOG = Catalog()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each measured artifact and runtime of the suite."""
    read = suite.read(suite.find(metafunc.config.getoption("--suite")), CATALOG)
    made = plan.make(read, CATALOG, Path("results"), home().artifacts)
    measured = [node for node in made.nodes.values() if node.kind == "measure" and node.parent]
    pairs = [(node, made.nodes[node.parent]) for node in measured if node.parent and made.nodes[node.parent].record]
    if not pairs:
        raise pytest.UsageError(f"{read.path}: no finished networks to time (bench run {read.name} --artifacts)")
    metafunc.parametrize(("node", "trained"), pairs, ids=[node.id for node, _ in pairs])


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with hold(alone=True, waiting=lambda: print("waiting for another bench process")):
        yield


def test_latency(benchmark: Any, node: Node, trained: Node, tmp_path: Path) -> None:
    """Time one call at batch size 1."""
    artifact = trained.record.artifact if trained.record else None
    assert artifact is not None
    assert node.measure is not None
    network = Deployable(artifact, home().artifacts / artifact.file, 1, tmp_path)
    deployed = deployment.deploy(CATALOG, node.measure.runtime, network)
    split = data.split(data.load(CATALOG, node.cell.dataset), node.fold, node.cell.training.validation)
    prepared = deployed.prepare(split.test.x[:1])
    deployed.predict(prepared)
    benchmark(deployed.predict, prepared)
