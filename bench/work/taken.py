"""A network that a person has trained elsewhere: does it fit the dataset, and is it given what it wants?"""

from collections.abc import Callable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.blocks.input_steps import Numbers
from bench.errors import DataError, Unsupported, first_line
from bench.records import Measurement, Table
from bench.work import evaluation
from bench.work.data import Learn
from bench.work.deployment import Deployed
from bench.work.evaluation import Floats

LOOKED_AT = 512
"""Training examples on which other scales are tried."""
CLIPPED = 0.2
"""Share of the values that a quantized input may cut off."""
NEAR_CHANCE = 0.1
"""Share of the way from a guess (the largest class) to all answers right, below which an accuracy is hardly more."""
FAR_ABOVE = 1.5
"""Times the loss of a guess, above which one is worse than knowing nothing."""
SCALES = (
    ("0–255, as they are", 1.0, 0.0),
    ("0 to 1: scale=1/255", 1 / 255, 0.0),
    ("−1 to 1: scale=2/255, offset=-1", 2 / 255, -1.0),
)
Predict = Callable[[NDArray[Any]], Floats]


def kind(
    parameters: Mapping[str, Any],
    found: Any,
    file: Path,
    deploy: Callable[[], Deployed],
    learn: Learn,
) -> evaluation.Kind:
    """Return what a person's network answers with, by its answers to training examples.

    Raise Unsupported, which names the file, for one that does not fit the dataset, DataError for one
    that cannot be loaded.
    """
    path, said, examples = parameters["path"], parameters["outputs"], learn.train.x[:64]
    try:
        deployed = deploy()
    except Unsupported as error:
        raise Unsupported(f"{path}: {error}") from error
    except Exception as error:  # each runtime has its own for a file that it cannot load
        raise DataError(f"{path}: cannot be loaded, may be damaged: {first_line(error)}; export it again") from error
    try:
        if file.suffix == ".tflite":
            require_room(file, examples, parameters.get("scale", 1.0), parameters.get("offset", 0.0))
        answers = deployed.outputs(examples)
        seen = evaluation.kind_of(answers, learn.facts, said)
        if said == "probabilities":
            require_probabilities(answers, len(learn.facts.classes))
    except Unsupported as error:
        raise Unsupported(f"{path}: {error}") from error
    except Exception as error:  # each runtime has its own for a shape that does not fit
        wanted = getattr(found, "input_shape", None)
        takes = f"it takes {wanted[1:]}" if wanted else f"channels last: {first_line(error)}"
        raise Unsupported(f"{path}: does not take examples of shape {examples.shape[1:]}; {takes}") from error
    return seen


def require_room(file: Path, examples: NDArray[Any], scale: Numbers, offset: Numbers) -> None:
    """Raise Unsupported, with the scale that would fit, where a quantized file holds few of the dataset's values.

    A file that takes floats may make integers of them at once; a scale and an offset stand before that.
    """
    entry = _entry(file)
    step, zero = entry["quantization"]
    if not step or not np.issubdtype(entry["dtype"], np.integer):
        return
    limits = np.iinfo(entry["dtype"])
    low, high = (limits.min - zero) * step, (limits.max - zero) * step
    given = examples * np.asarray(scale) + np.asarray(offset)
    outside = float(((given < low - step) | (given > high + step)).mean())
    if outside > CLIPPED:
        most = float(np.nanmax(examples)) or 1.0
        is_centred = low < -high / 2
        factor = (2 if is_centred else 1) * high / most
        by_255 = round(factor * 255, 1)
        fits = f"{by_255:g}/255" if by_255 in {1.0, 2.0} else f"{factor:.4g}"
        fits += f", offset={-high:.3g}" if is_centred else ""
        raise Unsupported(
            f"its input is quantized and holds {low:.3g} to {high:.3g}; {outside:.0%} of what it is given of the "
            f"dataset's values, which reach {most:.4g}, lies outside: scale={fits} would fit"
        )


def _entry(file: Path) -> dict[str, Any]:
    """Return the tensor of a LiteRT file that holds the examples as it computes with them."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(file))
    (entry, *_) = network.get_input_details()
    details = {one["index"]: one for one in network.get_tensor_details()}
    for step in network._get_ops_details():
        is_whole = np.issubdtype(entry["dtype"], np.integer)  # and what follows is the network's own
        if is_whole or step["op_name"] not in {"MUL", "ADD", "QUANTIZE"} or entry["index"] not in step["inputs"]:
            break
        entry = details[step["outputs"][0]]
    return dict(entry)


def require_probabilities(answers: Floats, classes: int) -> None:
    """Raise Unsupported for answers that are said to be probabilities and are none."""
    sums = answers[:, :classes].sum(axis=1) if answers.shape[1] > 1 else np.ones(len(answers))
    if answers.min() < -1e-3 or answers.max() > 1 + 1e-3 or np.abs(sums - 1).max() > max(0.05, classes / 512):
        raise Unsupported(
            f"outputs='probabilities', and its answers lie between {answers.min():.3g} and {answers.max():.3g}, "
            "which are none; leave outputs out, or say outputs='logits'"
        )


def require_numbers(path: str, outputs: Floats, examples: NDArray[Any]) -> None:
    """Raise Unsupported, with what may be the reason, for answers to the test set that are no finite numbers."""
    wrong = int((~np.isfinite(outputs).all(axis=1)).sum())
    if not wrong:
        return
    has_gaps = np.issubdtype(examples.dtype, np.floating) and bool(np.isnan(examples).any())
    why = (
        "the table has missing values, which this network does not fill in: let it begin with a layer that does"
        if has_gaps
        else "it may have been exported without its weights, or want another scale="
    )
    raise Unsupported(
        f"{path}: its answers to {wrong:,} of {len(outputs):,} test examples are no finite numbers; {why}"
    )


def doubt(
    figures: Sequence[Measurement], predict: Predict, learn: Learn, kind: evaluation.Kind, given: Mapping[str, Any]
) -> Table | None:
    """Return what the network says of training images at other scales, where its score or loss is that of a guess.

    `given` are the scale and the offset that it has. Nothing where there are no images.
    """
    classes = len(learn.facts.classes)
    if not classes or learn.train.x.ndim != 4:
        return None
    had, moved = (np.asarray(given.get(name, usual), np.float32) for name, usual in (("scale", 1.0), ("offset", 0.0)))
    accuracy, loss = (next((m.value for m in figures if m.name == name), None) for name in ("accuracy", "loss"))
    labels = learn.train.y[:LOOKED_AT].astype(np.int64)
    chance = np.bincount(learn.train.y.astype(np.int64), minlength=classes).max() / len(learn.train)
    if (
        accuracy is None
        or loss is None
        or (accuracy > chance + NEAR_CHANCE * (1 - chance) and loss < FAR_ABOVE * log(classes))
    ):
        return None
    rows = []
    for name, scale, offset in SCALES:
        x = learn.train.x[:LOOKED_AT].astype(np.float32) * np.float32(scale) + np.float32(offset)
        outputs = evaluation.logits(predict((x - moved) / had), kind, learn.facts)
        right = outputs[:, :classes].argmax(axis=1) == labels
        rows.append((name, float(right.mean())))
    return Table(
        f"Accuracy on {len(labels)} training images, by what they are given as", ("pixels as", "accuracy"), tuple(rows)
    )


def told(path: str, table: Table) -> str:
    """Return the notice of it for a terminal."""
    shown = "; ".join(f"{name}: {100 * float(value or 0):.1f} %" for name, value in table.rows)
    return f"{path}: its score or its loss is that of a guess. Does it want another scale=? {table.title}: {shown}"
