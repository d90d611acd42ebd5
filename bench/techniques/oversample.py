"""Oversampling: rare classes shown more often

Examples of each class are drawn again, with replacement, until there are as many as of the
largest class; every example is there at least once. The validation part stays as it is.

Paper: M. Buda, A. Maki and M. A. Mazurowski, A systematic study of the class imbalance problem in convolutional
neural networks, Neural Networks 106, 2018, https://arxiv.org/abs/1710.05381

Expect: the best of the methods compared, on CIFAR-10 with few large and many small classes (the paper)
"""

from dataclasses import replace

import numpy as np

from bench.work.data import Learn, Part

TASKS = ("classification", "hierarchical")


def data(learn: Learn, rng: np.random.Generator) -> Learn:
    """Return the learning part with a balanced training part, in random order."""
    x, y = learn.train.x, learn.train.y.astype(np.int64)
    counts = np.bincount(y, minlength=len(learn.facts.classes))
    rows = [np.arange(len(y))]
    for label, count in enumerate(counts):
        if count:
            rows.append(rng.choice(np.flatnonzero(y == label), counts.max() - count))
    chosen = rng.permutation(np.concatenate(rows))
    return replace(learn, train=Part(x[chosen], learn.train.y[chosen]))
