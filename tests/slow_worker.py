"""The worker without TensorFlow, each of whose networks takes a while."""

import time

import fake_worker

from bench.tasks import Record, Task

NODE_S = 1.0
prepare, sample = fake_worker.prepare, fake_worker.sample


def execute(task: Task) -> Record:
    time.sleep(NODE_S)
    return fake_worker.execute(task)
