"""Embeddings: how the last layer's features lie

The features before the last layer, of some test examples, in two dimensions: along their two
principal components, and by t-SNE, which keeps neighbours together and says nothing of distances.
Classes that lie apart are told apart; where they run into each other the network mixes them up.

Paper: L. van der Maaten and G. Hinton, Visualizing Data using t-SNE, JMLR 9, 2008, https://jmlr.org/papers/v9/vandermaaten08a.html
"""

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from bench.blocks.anatomy import head
from bench.errors import Unsupported
from bench.records import Diagnosis, Series
from bench.work.evaluation import Outcome

TASKS = ("classification", "hierarchical")
ACCEPTS = ("keras",)
SEEDS = "first"
MOST_CLASSES = 12
"""More colours are not told apart."""


def diagnose(outcome: Outcome, *, examples: int = 240, perplexity: float = 20.0) -> Diagnosis:
    """Return the two pictures as points, a series for each class."""
    facts, test = outcome.split.facts, outcome.split.test
    labels = test.y.astype(np.int64)
    places = np.flatnonzero(labels < MOST_CLASSES)
    places = np.sort(np.random.default_rng(0).permutation(places)[:examples])
    network = keras.Model(outcome.network.inputs, outcome.network.outputs[0])  # of a Sequential one, its graph
    tensor, _ = head(network)
    model = keras.Model(network.inputs, tensor, name="features")
    features = model.predict(test.x[places].astype(np.float32), batch_size=128, verbose=0)
    features = features.reshape(len(places), -1).astype(np.float64)
    if features.shape[1] < 2 or not np.ptp(features, axis=0).any():
        raise Unsupported("its features are one number, or the same for all examples")
    pca = PCA(2, random_state=0).fit(features)
    flat = {"Principal components": pca.transform(features)}
    if perplexity < len(places) / 3:
        flat["t-SNE"] = TSNE(2, perplexity=perplexity, random_state=0, init="pca").fit_transform(features)
    note = f"{len(places):,} of {len(test):,} test examples, {features.shape[1]:,} features each"
    note += (
        f", of the first {MOST_CLASSES} of {len(facts.classes)} classes." if len(facts.classes) > MOST_CLASSES else "."
    )
    return Diagnosis(
        "Features before the last layer",
        series=tuple(
            one for title, points in flat.items() for one in _by_class(title, points, labels[places], facts.classes)
        ),
        note=f"{note} The two components hold {100 * pca.explained_variance_ratio_.sum():.0f} % of the variance.",
        marks="points",
    )


def _by_class(
    title: str, points: NDArray[np.floating], labels: NDArray[np.int64], names: tuple[str, ...]
) -> list[Series]:
    rounded = np.round(points / np.abs(points).max(), 3)
    return [
        Series(
            name=names[label],
            axis="first direction",
            points=rounded[labels == label, 0].tolist(),
            values=rounded[labels == label, 1].tolist(),
            split="test",
            chart=title,
        )
        for label in np.unique(labels)
    ]
