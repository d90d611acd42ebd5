"""ImageNet networks: all of keras.applications

The network `backbone` with its own preprocessing inside the graph, average pooling and a new
dense layer on top. `weights` is 'imagenet' for pretrained ones (downloaded once, into
KERAS_HOME), None for random ones, or the path of a weights file without top. Images are
resized in the graph, on the device, to `input_size` pixels squared; without it they keep their
size, or get the smallest that the network takes. Grey images become three equal channels.
`alpha` thins out the MobileNets. `momentum` is that of batch normalization's running statistics: the
networks' own, up to 0.999, has not forgotten its first value after a thousand steps.

Paper: https://keras.io/api/applications names that of each network

Expect: EfficientNet-B0 fine-tuned 98.1 % on CIFAR-10, 88.1 % on CIFAR-100 (Tan and Le 2019)
"""

import sys
from typing import Any, Literal

import keras
from keras import KerasTensor, layers

from bench.errors import DataError, Unsupported
from bench.records import Momentum

INPUT = "image"
PREPARATION = "none"
PATHS = ("weights",)
ADDED = {"momentum": None}
NO_PATHS = ("imagenet",)
ALIASES = {
    "convnext_tiny": "imagenet(backbone='ConvNeXtTiny')",
    "densenet121": "imagenet(backbone='DenseNet121')",
    "efficientnet": "imagenet(backbone='EfficientNetB0')",
    "efficientnet_b0": "imagenet(backbone='EfficientNetB0')",
    "efficientnet_v2": "imagenet(backbone='EfficientNetV2B0')",
    "efficientnet_v2_b0": "imagenet(backbone='EfficientNetV2B0')",
    "inception_resnet_v2": "imagenet(backbone='InceptionResNetV2')",
    "inception_v3": "imagenet(backbone='InceptionV3')",
    "mobilenet": "imagenet(backbone='MobileNet')",
    "mobilenet_v3": "imagenet(backbone='MobileNetV3Small')",
    "nasnet": "imagenet(backbone='NASNetMobile')",
    "resnet50": "imagenet(backbone='ResNet50')",
    "resnet50_v2": "imagenet(backbone='ResNet50V2')",
    "resnet101": "imagenet(backbone='ResNet101')",
    "resnet152": "imagenet(backbone='ResNet152')",
    "xception": "imagenet(backbone='Xception')",
}

SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
"""Sides in pixels; all other networks take 32."""


def build(
    inputs: KerasTensor,
    outputs: int,
    *,
    backbone: Literal[
        "ConvNeXtTiny",
        "ConvNeXtSmall",
        "ConvNeXtBase",
        "ConvNeXtLarge",
        "ConvNeXtXLarge",
        "DenseNet121",
        "DenseNet169",
        "DenseNet201",
        "EfficientNetB0",
        "EfficientNetB1",
        "EfficientNetB2",
        "EfficientNetB3",
        "EfficientNetB4",
        "EfficientNetB5",
        "EfficientNetB6",
        "EfficientNetB7",
        "EfficientNetV2B0",
        "EfficientNetV2B1",
        "EfficientNetV2B2",
        "EfficientNetV2B3",
        "EfficientNetV2S",
        "EfficientNetV2M",
        "EfficientNetV2L",
        "InceptionV3",
        "InceptionResNetV2",
        "Xception",
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Small",
        "MobileNetV3Large",
        "NASNetMobile",
        "NASNetLarge",
        "ResNet50",
        "ResNet101",
        "ResNet152",
        "ResNet50V2",
        "ResNet101V2",
        "ResNet152V2",
        "VGG16",
        "VGG19",
    ],
    weights: str | None = "imagenet",
    input_size: int | None = None,
    alpha: float = 1.0,
    dropout: float = 0.0,
    momentum: Momentum | None = None,
) -> KerasTensor:
    """Return logits; the network's layers stand in this graph, not in a network of their own."""
    if inputs.shape[-1] not in (1, 3):
        raise Unsupported(f"{backbone} takes grey and RGB images, not {inputs.shape[-1]} channels")
    make = getattr(keras.applications, backbone)
    x = layers.Concatenate(name="three_channels")([inputs] * 3) if inputs.shape[-1] == 1 else inputs
    smallest = SMALLEST.get(backbone, 32)
    sides = (input_size, input_size) if input_size else [max(side, smallest) for side in inputs.shape[1:3]]
    if min(sides) < smallest:
        raise Unsupported(f"{backbone} takes images of at least {smallest} pixels a side, not {min(sides)}")
    if tuple(sides) != tuple(inputs.shape[1:3]):
        x = layers.Resizing(*sides, name="resize")(x)
    x = sys.modules[make.__module__].preprocess_input(x)
    more: dict[str, Any] = {}
    if alpha != 1.0:
        if not backbone.startswith("MobileNet"):
            raise Unsupported(f"alpha is for the MobileNets, not for {backbone}")
        more["alpha"] = alpha
    try:
        network = make(include_top=False, weights=weights, input_tensor=x, **more)
    except Exception as error:
        if "URL fetch failure" in str(error):
            raise DataError(
                f"{backbone}: its ImageNet weights for this size are not in KERAS_HOME and cannot be fetched; "
                "connect to the network once, or write weights=None"
            ) from error
        raise
    for layer in network.layers:
        if momentum is not None and isinstance(layer, layers.BatchNormalization):
            layer.momentum = momentum
    x = layers.GlobalAveragePooling2D(name="pool")(network.output)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return layers.Dense(outputs, name="logits")(x)
