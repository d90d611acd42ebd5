"""What stands before and after every architecture, as layers of the same graph.

A network takes the dataset's own pixels or columns, so a wrong preprocessing cannot happen where
it is deployed. What is learned here (means, variances) is learned on the training part alone.
Only Keras's own layers and operations are used: a saved network loads without this package.
Columns and targets may be of any size, so they are float32 whatever the precision of training.
"""

import keras
import numpy as np
from keras import layers, ops

from bench.work.data import Learn


def inputs(learn: Learn) -> keras.KerasTensor:
    """Return the raw input: pixels 0–255, or columns with NaN for missing and codes for categories, as float32."""
    examples = learn.train.x
    return keras.Input(examples.shape[1:], dtype="float32", name="pixels" if examples.ndim == 4 else "columns")


def prepare(raw: keras.KerasTensor, learn: Learn) -> keras.KerasTensor:
    """Rescale pixels to 0–1; fill and standardize columns of numbers, make one-hot vectors of categories."""
    if len(raw.shape) == 4:
        return layers.Rescaling(1 / 255, name="rescale")(raw)
    columns = learn.facts.columns
    measured = [i for i, column in enumerate(columns) if not column.categories]
    parts = []
    if measured:
        chosen = raw if len(measured) == len(columns) else ops.take(raw, np.array(measured), axis=1)
        parts.append(_standardize(chosen, learn, measured))
    for i, column in enumerate(columns):
        if column.categories:
            code = ops.cast(ops.nan_to_num(raw[:, i], nan=-1.0), "int32")
            parts.append(ops.one_hot(code, len(column.categories)))  # a missing category is all zeros
    return layers.Concatenate(name="prepared")(parts) if len(parts) > 1 else parts[0]


def _standardize(x: keras.KerasTensor, learn: Learn, columns: list[int]) -> keras.KerasTensor:
    values = learn.train.x[:, columns].astype(np.float64)
    known = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    mean = np.nansum(values, axis=0) / known
    variance = np.nansum((values - mean) ** 2, axis=0) / known
    variance = np.where(variance > 0, variance, 1.0)  # a constant column becomes zeros
    x = layers.Normalization(mean=mean.tolist(), variance=variance.tolist(), dtype="float32", name="standardize")(x)
    return ops.nan_to_num(x, nan=0.0)  # a gap becomes the column's mean, whether there was one to learn from or not


def to_units(values: keras.KerasTensor, learn: Learn) -> keras.KerasTensor:
    """Bring the one output of a regression from standard deviations to the target's own unit."""
    mean, deviation = target_scale(learn)
    return layers.Rescaling(deviation, offset=mean, dtype="float32", name="to_units")(values)


def target_scale(learn: Learn) -> tuple[float, float]:
    """Return mean and standard deviation of a regression's targets in the training part."""
    y = learn.train.y.astype(np.float64)
    return float(y.mean()), float(y.std()) or 1.0
