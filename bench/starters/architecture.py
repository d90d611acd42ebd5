"""NAME: say in one line what it is

Then what makes it different, in two or three sentences.

Paper: who, what, where, when

Expect: the accuracy that the paper gives, on which dataset
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.records import Activation, Initializer

INPUT = "image"  # or "table", or "any"
SMALLEST_SIDE = 4  # smaller images are refused before anything is trained


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    width: int = 16,
    activation: Activation = "relu",
    initializer: Initializer = "he",
) -> KerasTensor:
    """Return logits; `inputs` are prepared already, pixels 0–1 or standardized columns."""
    x = layers.Conv2D(width, 3, padding="same", activation=activation, kernel_initializer=weights(initializer))(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(outputs, kernel_initializer=weights(initializer))(x)
