"""CIFAR-100: colour photographs of 100 classes in 20 superclasses

50,000 training and 10,000 test images of 32 × 32 pixels, 600 of each class. Five classes each
make a superclass: beaver, dolphin, otter, seal and whale are aquatic mammals. With
`labels='fine'` the 100 classes are learned, with `'coarse'` the 20 superclasses, with `'both'`
a network gives logits for both and is trained on the sum of their losses. Fine answers are also
judged by their superclass: a dolphin taken for a whale is a smaller mistake than for a bus.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; Python files
from https://www.kaggle.com/datasets/fedesoriano/cifar100

Licence: none stated by the authors; free for research, please cite

Expect: fine 69 % for ResNet-20, 72.5 % for ResNet-56 (RepDistiller, chenyaofo)
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.files.cifar import read
from bench.files.downloads import download, find, published
from bench.work.data import Dataset

HANDLE = "fedesoriano/cifar100/versions/1"
INPUT = "image"
TASK = {"labels": {"fine": "classification", "coarse": "classification", "both": "hierarchical"}}
SHAPE = (32, 32, 3)
OUTPUTS = {"labels": {"fine": 100, "coarse": 20, "both": 120}}

MD5 = {"train": "16019d7e3df5f24257cddd939b257f8d", "test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}
SUPERCLASSES = (
    "aquatic mammals, fish, flowers, food containers, fruit and vegetables, household electrical devices, "
    "household furniture, insects, large carnivores, large man-made outdoor things, large natural outdoor scenes, "
    "large omnivores and herbivores, medium-sized mammals, non-insect invertebrates, people, reptiles, "
    "small mammals, trees, vehicles 1, vehicles 2"
)
CLASSES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster "
    "man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck "
    "pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk "
    "skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger "
    "tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)


def load(*, labels: Literal["fine", "coarse", "both"] = "fine") -> Dataset:
    """Return both parts; the published checksums are compared and the answer recorded."""
    folder = find(download(HANDLE), "train", "cifar-100-python/train").parent
    fine = [name.replace("_", " ") for name in CLASSES.split()]
    coarse = SUPERCLASSES.split(", ")
    x, (y, y_coarse) = read([folder / "train"], fine_labels=100, coarse_labels=20)
    x_test, (y_test, y_test_coarse) = read([folder / "test"], fine_labels=100, coarse_labels=20)
    grouped = labels != "coarse"
    return Dataset(
        x=x,
        y=y if grouped else y_coarse,
        x_test=x_test,
        y_test=y_test if grouped else y_test_coarse,
        classes=tuple(fine if grouped else coarse),
        superclasses=tuple(coarse) if grouped else (),
        superclass_of=_grouping(y, y_coarse) if grouped else (),
        task="hierarchical" if labels == "both" else "classification",
        source=HANDLE,
        verified=published({folder / name: checksum for name, checksum in MD5.items()}),
    )


def _grouping(fine: NDArray[np.int64], coarse: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the superclass of each class, which every image of it must have."""
    found = np.zeros(100, np.int64)
    found[fine] = coarse
    if (found[fine] != coarse).any():
        raise DataError(f"{HANDLE}: a class has two superclasses; delete the dataset's folder and fetch it again")
    return tuple(int(group) for group in found)
