"""The ways to draw a network's first weights, by the short names that suites use."""

import keras

_NAMES = {
    "zeros": "zeros",
    "random_normal": "random_normal",
    "glorot": "glorot_uniform",
    "he": "he_normal",
    "lecun": "lecun_normal",
    "orthogonal": "orthogonal",
}


def initializer(name: str) -> keras.initializers.Initializer:
    """Return a new Keras initializer; `random_normal(0.01)` names the standard deviation, 0.05 unless said.

    Glorot draws evenly, He and LeCun from a normal distribution.
    """
    word, _, deviation = name.partition("(")
    if deviation:
        return keras.initializers.RandomNormal(stddev=float(deviation.rstrip(")")))
    return keras.initializers.get(_NAMES[word])
