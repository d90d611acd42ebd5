"""Cutout: a square of each image covered

A square of `size` by `size` pixels of each training image is covered. Its middle may be any pixel,
so part of it may lie outside the image. It is filled with the mean pixel of the batch: the paper
fills with zeros, which are the mean pixel there, as its images are normalized before.

Paper: T. DeVries and G. W. Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017,
https://arxiv.org/abs/1708.04552

Expect: ResNet-18 on CIFAR-10 with shifts and flips 4.72 → 3.99 % error with 16 pixels, on CIFAR-100 22.46 → 21.96 %
with 8 (the paper)
"""

import keras
from keras import ops

from bench.blocks.warping import rectangle
from bench.work.training import Tensor

INPUT = "image"


def batch(x: Tensor, y: Tensor, seed: keras.random.SeedGenerator, *, size: int = 16) -> tuple[Tensor, Tensor]:
    """Cover a square of each image (n, height, width, channels); labels stay."""
    n = ops.shape(x)[0]
    top, left = (keras.random.randint((n,), 0, side, seed=seed) - size // 2 for side in x.shape[1:3])
    covered = rectangle(x, top, left, size, size)
    return ops.where(covered, ops.mean(x, axis=(0, 1, 2)), x), y
