"""Test-time augmentation: several views of each image answer together

One network that asks the trained one about the image, its mirror image where `flip` is set, and
the same shifted by `shift` pixels up, down, left and right, and gives the mean of the
probabilities. It is as slow as all views together: with both, ten times.

Paper: A. Krizhevsky, I. Sutskever and G. E. Hinton, ImageNet Classification with Deep Convolutional Neural Networks,
NeurIPS 2012 (ten views)

Expect: a few tenths of a point for networks that were trained on shifted and mirrored images; harm where a mirror
image means something else, as with digits
"""

import keras
from keras import layers, ops

from bench.errors import Unsupported
from bench.work.training import Job, Product, groups

INPUT = "image"
TASKS = ("classification", "hierarchical")
TAKES = ("keras",)
GIVES = "keras"


def after(job: Job, *, flip: bool = True, shift: int = 0) -> Product:
    """Return the network that asks about all views; its answers are logarithms of probabilities, which are logits."""
    if not flip and not shift:
        raise Unsupported("test_time_augmentation(flip=False, shift=0) looks at one view alone")
    network = job.parent.network
    inputs = keras.Input(network.input_shape[1:], dtype="float32")
    mirrored = [inputs, ops.flip(inputs, axis=2)] if flip else [inputs]
    views = [view for one in mirrored for view in (one, *(_shifted(one, shift) if shift else ()))]
    answers = [job.parent.logits_of(view) for view in views]
    parts = [
        ops.log(ops.maximum(layers.Average()([ops.softmax(answer[:, group], axis=1) for answer in answers]), 1e-30))
        for group in groups(job.learn.facts)
    ]
    outputs = layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    return Product(keras.Model(inputs, outputs, name=network.name), outputs="logits")


def _shifted(x: keras.KerasTensor, by: int) -> list[keras.KerasTensor]:
    """Return the images moved down, up, right and left, the rim filled with zeros."""
    height, width = x.shape[1:3]
    padded = ops.pad(x, ((0, 0), (by, by), (by, by), (0, 0)))
    corners = ((0, by), (2 * by, by), (by, 0), (by, 2 * by))
    return [padded[:, top : top + height, left : left + width] for top, left in corners]
