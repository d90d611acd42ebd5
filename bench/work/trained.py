"""Finished networks that techniques start from or ask."""

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import keras
from keras import ops

from bench.work.data import Facts
from bench.work.epochs import Tensor


@dataclass(frozen=True)
class Trained:
    """A finished network that a technique starts from, or that one of its parameters names.

    Attributes:
        path: Its file.
        outputs: What it answers with; networks that were trained here give logits.
        facts: What is known of the dataset that its answers are about.
    """

    path: Path
    outputs: Literal["logits", "probabilities"]
    facts: Facts

    @cached_property
    def network(self) -> keras.Model:
        """The network, for inference or further training; loaded once, and no draw of the run is spent on it."""
        state = random.getstate()
        try:
            return keras.models.load_model(self.path, compile=False)
        finally:
            random.setstate(state)

    def logits(self, x: Tensor) -> Tensor:
        """Return its answers to raw examples as logits (n, classes), or values (n, 1), as tensors without gradient."""
        return ops.stop_gradient(self._as_logits(self.network(x, training=False)))

    def logits_of(self, inputs: keras.KerasTensor | None = None) -> keras.KerasTensor:
        """Return the same as part of a graph, of the network's own inputs or of others."""
        return self._as_logits(self.network.output if inputs is None else self.network(inputs))

    def _as_logits(self, outputs: Tensor) -> Tensor:
        if keras.backend.standardize_dtype(outputs.dtype) != "float32":
            outputs = ops.cast(outputs, "float32")
        if self.outputs == "probabilities":
            outputs = ops.clip(outputs, 1e-7, 1.0 - 1e-7)
            if outputs.shape[-1] == 1 and self.facts.task != "regression":  # the probability of class 1
                outputs = ops.concatenate([1.0 - outputs, outputs], axis=1)
            outputs = ops.log(outputs)
        elif outputs.shape[-1] == 1 and self.facts.task != "regression":
            outputs = ops.concatenate([ops.zeros_like(outputs), outputs], axis=1)
        return outputs
