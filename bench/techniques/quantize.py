"""Quantization: weights and activations as 8-bit integers

After training, without training on: the network is converted to LiteRT with int8 weights and
activations, whose ranges are read off `examples` training images. Raw pixels go in as bytes as
they are; the output stays float32, as 256 levels would spoil log loss and calibration.

Paper: B. Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018, https://arxiv.org/abs/1712.05877

Expect: ResNet-8 on CIFAR-10 87.19 → 86.97 % (MLPerf Tiny's published pair);
a quarter of the size, a third of the latency
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bench.work import training

BACKENDS = ("tensorflow",)
INPUT = "image"
TAKES = ("keras",)
GIVES = "litert"


def after(job: training.Job, *, examples: int = 300) -> training.Product:
    """Return the file of the int8 network."""
    network = job.parent.network
    chosen = np.random.default_rng(job.seed).permutation(len(job.learn.train))[:examples]

    def representative() -> Iterator[list[np.ndarray]]:
        for i in np.sort(chosen):
            yield [job.learn.train.x[i : i + 1].astype(np.float32)]

    path = job.folder / "network.tflite"
    network.export(
        path,
        format="litert",
        verbose=False,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
        inference_input_type=tf.uint8,
    )
    return training.Product(path)
