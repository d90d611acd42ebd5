"""GoogLeNet: inception modules and auxiliary heads

Nine inception modules, each of which looks at its input through 1 × 1, 3 × 3 and 5 × 5
convolutions and a pooling side by side. While training, two auxiliary heads in the middle are
asked for the answer too, their losses weighing 0.3 each; the finished network goes without them.
7.0 M parameters for 1,000 classes, 13.4 M with the heads. Images below 64 pixels would be gone
before the first module: for them one 3 × 3 convolution stands in place of the published stem.

Paper: C. Szegedy et al., Going Deeper with Convolutions, CVPR 2015, https://arxiv.org/abs/1409.4842

Expect: 92.85 % on CIFAR-10, with batch_norm (huyvnphan/PyTorch_CIFAR10); 93.3 % top-5 on ImageNet (the
paper, seven networks and 144 crops)
"""

from keras import KerasTensor, layers

from bench.blocks.initializers import initializer as weights
from bench.blocks.normalization import local_response
from bench.records import Activation, Initializer

INPUT = "image"
SMALLEST_SIDE = 8
ALIASES = {"inception": "googlenet", "inception_v1": "googlenet"}

# Maps of: 1 × 1; 3 × 3 reduced, 3 × 3; 5 × 5 reduced, 5 × 5; pooling projected (table 1 of the paper).
MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    auxiliary: bool = True,
    batch_norm: bool = False,
    dropout: float = 0.4,
    activation: Activation = "relu",
    initializer: Initializer = "glorot",
) -> dict[str, KerasTensor]:
    """Return logits, and those of the auxiliary heads."""

    def convolution(x: KerasTensor, maps: int, size: int, stride: int = 1) -> KerasTensor:
        x = layers.Conv2D(
            maps,
            size,
            strides=stride,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer=weights(initializer),
        )(x)
        return layers.Activation(activation)(layers.BatchNormalization()(x) if batch_norm else x)

    def inception(x: KerasTensor, name: str) -> KerasTensor:
        one, reduced_3, three, reduced_5, five, pooled = MODULES[name]
        branches = [
            convolution(x, one, 1),
            convolution(convolution(x, reduced_3, 1), three, 3),
            convolution(convolution(x, reduced_5, 1), five, 5),
            convolution(layers.MaxPooling2D(3, strides=1, padding="same")(x), pooled, 1),
        ]
        return layers.Concatenate(name=f"inception_{name}")(branches)

    def halve(x: KerasTensor) -> KerasTensor:
        return layers.MaxPooling2D(3, strides=2, padding="same")(x)

    def head(x: KerasTensor) -> KerasTensor:
        if min(x.shape[1:3]) >= 5:
            x = layers.AveragePooling2D(5, strides=3)(x)
        x = layers.Flatten()(convolution(x, 128, 1))
        x = layers.Dense(1024, activation=activation, kernel_initializer=weights(initializer))(x)
        return layers.Dense(outputs, kernel_initializer=weights(initializer))(layers.Dropout(0.7)(x))

    if min(inputs.shape[1:3]) >= 64:
        x = local_response(halve(convolution(inputs, 64, 7, stride=2)))
        x = halve(local_response(convolution(convolution(x, 64, 1), 192, 3)))
    else:
        x = convolution(inputs, 192, 3)
    heads = {}
    for name in MODULES:
        x = inception(x, name)
        if auxiliary and name in {"4a", "4d"}:
            heads[f"auxiliary_{name}"] = head(x)
        if name in {"3b", "4e"}:
            x = halve(x)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return {"logits": layers.Dense(outputs, kernel_initializer=weights(initializer))(x), **heads}
