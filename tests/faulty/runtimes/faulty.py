"""A runtime that goes wrong when a network is deployed on it, in the second of its processes."""

import os
from pathlib import Path

from fault_kinds import KINDS

from bench.runtimes import litert
from bench.work.deployment import Deployable, Deployed

ACCEPTS = ("keras",)
CONVERTS = {"keras": ".tflite"}
LIGHT = True
PACKAGES = ("ai-edge-litert",)


def convert(network: Path, converted: Path) -> None:
    litert.convert(network, converted)


def deploy(network: Deployable, *, kind: str) -> Deployed:
    mark = Path(os.environ["FAULTS"]) / f"runtime-{kind}"
    with mark.open("a") as file:
        file.write("x")
    if mark.stat().st_size == 2:
        KINDS[kind]()
    return litert.deploy(network)
