"""The worker without TensorFlow, each of whose networks takes a while."""

import time

from fake_worker import prepare, sample

from bench.tasks import Record, Task

__all__ = ["execute", "prepare", "sample"]
NODE_S = 1.0


def execute(task: Task) -> Record:
    from fake_worker import execute as at_once

    time.sleep(NODE_S)
    return at_once(task)
