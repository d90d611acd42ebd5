"""Which examples of old classes are kept to be trained on again."""

from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

from bench.blocks.anatomy import head
from bench.work.data import Part

Rows = NDArray[np.int64]
Select = Literal["random", "herding", "reservoir", "cyclic"]


class Buffer:
    """Rows of the training part: at most `size`, and of every class that was added."""

    def __init__(self, size: int, select: Select, rng: np.random.Generator) -> None:
        """Begin with no rows."""
        self._size = size
        self._select = select
        self._rng = rng
        self._by_class: dict[int, Rows] = {}
        """The best to keep first."""
        self._passed = 0
        """Examples that have gone by, of which a reservoir is a sample."""

    @property
    def rows(self) -> list[int]:
        """The rows that are kept, class by class."""
        return [int(row) for rows in self._by_class.values() for row in rows]

    def add(self, network: keras.Model, train: Part, rows: Rows) -> None:
        """Let the examples of a task go by; what herding keeps depends on the network as it is now."""
        if not self._size:
            return
        if self._select == "reservoir":
            self._pour(train, rows)
            return
        for label in np.unique(train.y[rows]):
            own = rows[train.y[rows] == label]
            if self._select == "random":
                own = self._rng.permutation(own)
            elif self._select == "herding":
                own = own[_herded(network, train.x[own], self._size)]
            else:
                own = own[::-1]
            self._by_class[int(label)] = own
        share, rest = divmod(self._size, len(self._by_class))
        for i, (label, kept) in enumerate(self._by_class.items()):
            self._by_class[label] = kept[: share + (i < rest)]

    def _pour(self, train: Part, rows: Rows) -> None:
        """Keep a sample of all that has gone by, each example as likely as any other (Vitter 1985)."""
        kept = self.rows
        for row in self._rng.permutation(rows):
            self._passed += 1
            if len(kept) < self._size:
                kept.append(int(row))
            elif (place := int(self._rng.integers(self._passed))) < self._size:
                kept[place] = int(row)
        labels = train.y[kept]
        classes = {*self._by_class, *map(int, np.unique(train.y[rows]))}
        for label in classes - {int(one) for one in labels}:
            # Luck left the class out; one of the commonest makes room.
            common = np.bincount(labels.astype(np.int64)).argmax()
            place = int(np.flatnonzero(labels == common)[0])
            before = self._by_class.get(label, rows[train.y[rows] == label])
            kept[place], labels[place] = int(before[0]), label
        self._by_class = {label: np.array(kept)[labels == label] for label in sorted(classes)}


def _herded(network: keras.Model, x: NDArray[np.generic], most: int) -> Rows:
    """Return which examples, in order, bring the mean of the features seen so far nearest to that of all."""
    seen = keras.Model(network.inputs, head(network)[0]).predict(x, batch_size=256, verbose=0)
    features = seen.reshape(len(x), -1)
    features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    mean, total = features.mean(axis=0), np.zeros(features.shape[1])
    left, chosen = np.ones(len(x), bool), []
    for k in range(1, min(most, len(x)) + 1):
        distance = np.linalg.norm(mean - (total + features) / k, axis=1)
        best = int(np.where(left, distance, np.inf).argmin())
        left[best] = False
        total += features[best]
        chosen.append(best)
    return np.array(chosen)
