"""A first look at a dataset [heavy: NumPy, pandas, Pillow]: what a person would want to know before training."""

import io
import sys
import traceback
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from bench import dataset_record
from bench.catalog import Catalog
from bench.dataset_record import ColumnSummary, DatasetRecord, Duplicates, ImageSummary, PartSummary
from bench.errors import DataError, RecordError, first_line
from bench.records import Use
from bench.runner.process import visible
from bench.store import now
from bench.tasks import Home
from bench.work import data, decoded

BINS = 20
TILES, TILES_OF_MANY = 8, 4
"""Sample images of each class; fewer where there are more than MANY classes."""
MANY = 20
LARGEST_TILE = 64
SMALLEST_LOSSY = 32
"""Smaller samples are stored without loss."""
MOST_CORRELATED = 60
"""A table of correlations with more rows cannot be read."""


def survey(use: Use, plugins: tuple[Path, ...], results: Path, home: Home) -> bool | None:
    """Load a dataset before any compute is spent and leave its record; return whether its files are the published ones.

    Raise DataError for one that cannot be loaded.
    """
    catalog = Catalog(plugins)
    plain = catalog.plain(use)
    dataset = _load(use, catalog, home)
    verified = dataset.verified
    known = dataset_record.find(results, plain, dataset.source)
    if known is None or known.verified != verified or catalog.paths("datasets", plain):
        try:
            found = explore(plain, dataset)
            if known is not None and known.parts == found.parts:  # other files of equal content: nothing is new
                found = msgspec.structs.replace(found, created=known.created)
            dataset_record.write(results, found)
        except (ArithmeticError, DataError, RecordError, TypeError, ValueError) as error:  # no reason not to train
            with visible():
                print(f"bench: {plain}: no first look at it: {first_line(error)}", file=sys.stderr)
    return verified


def look(use: Use, plugins: tuple[Path, ...], home: Home) -> DatasetRecord:
    """Return what there is to know of a dataset; raise DataError for one that cannot be loaded."""
    return explore(use, _load(use, Catalog(plugins), home))


def _load(use: Use, catalog: Catalog, home: Home) -> data.Dataset:
    """Load a dataset as published, whatever its plugin may raise."""
    try:
        with visible():  # the progress of a download
            loaded = data.load(decoded.loader(catalog, use, home), use.name, catalog.given("datasets", use))
        _check(use, loaded)
        return loaded
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{use}: too large for the memory of this machine") from error
    except Exception as error:
        traceback.print_exc()
        where = f"the whole is in {home.logs / 'workers.log'}"
        raise DataError(f"{use}: its load raised {type(error).__name__}: {first_line(error)}; {where}") from error


def _check(use: Use, loaded: data.Dataset) -> None:
    """Refuse what no record could hold, or what would be trained on in another sense than was meant."""
    for word, names in (("classes", loaded.classes), ("superclasses", loaded.superclasses)):
        for name in names:
            if not isinstance(name, str):
                raise DataError(f"{use}: its {word} must be texts; got {name!r} ({type(name).__name__})")
        if len(set(names)) < len(names):
            raise DataError(f"{use}: two of its {word} have one name")
    if (loaded.x_test is None) != (loaded.y_test is None):
        raise DataError(f"{use}: it has one of x_test and y_test; a test part has both")
    if loaded.task != "regression":
        for y in (loaded.y, loaded.y_test):
            if y is not None and np.any(np.asarray(y, np.float64) % 1):
                raise DataError(f"{use}: its labels must be whole numbers, the places of their classes")


def explore(use: Use, dataset: data.Dataset) -> DatasetRecord:
    """Look at the training and the test part of fold 0, the use's options applied; reorders the dataset's arrays."""
    split = data.split(dataset, 0, 0.0, data.options_of(use))
    facts, train = split.facts, split.train
    numbers = [i for i, column in enumerate(facts.columns) if not column.categories]
    correlated, correlations = _correlations(split, numbers)
    return DatasetRecord(
        created=now(),
        dataset=use,
        source=facts.source,
        task=facts.task,
        verified=facts.verified,
        classes=facts.classes,
        superclasses=facts.superclasses,
        parts=(_part("train", train, facts), _part("test", split.test, facts)),
        folds=data.FOLDS if dataset.x_test is None else None,
        duplicates=_duplicates(train, split.test),
        images=_images(split, dataset) if train.x.ndim == 4 else None,
        columns=tuple(_column(column, train.x[:, i]) for i, column in enumerate(facts.columns)),
        target=_column(data.Column(facts.target or "target"), train.y) if facts.task == "regression" else None,
        correlated=correlated,
        correlations=correlations,
    )


def _part(name: str, part: data.Part, facts: data.Facts) -> PartSummary:
    counts = tuple(part.counts(len(facts.classes))) if facts.classes else ()
    return PartSummary(name=name, n=len(part), class_counts=counts, fingerprint=part.fingerprint)


def _duplicates(train: data.Part, test: data.Part) -> Duplicates:
    labels: dict[bytes, set[float]] = {}

    def digests(part: data.Part) -> list[bytes]:
        found = [blake2b(np.ascontiguousarray(row).data, digest_size=16).digest() for row in part.x]
        for digest, label in zip(found, part.y, strict=True):
            labels.setdefault(digest, set()).add(float(label))
        return found

    first, second = digests(train), digests(test)
    seen = set(first)
    return Duplicates(
        within_train=len(first) - len(seen),
        test_in_train=sum(digest in seen for digest in second),
        contradicting=sum(len(labels[digest]) > 1 for digest in (*first, *second)),
    )


def _images(split: data.Split, dataset: data.Dataset) -> ImageSummary:
    x, y = split.train.x, split.train.y
    tiles = TILES if len(split.facts.classes) <= MANY else TILES_OF_MANY
    # Sums over images first, so that no copy of all of them is made.
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    sums = x.sum(axis=(0, 1, 2), dtype=np.float64)
    squares = sum((image.astype(np.int64) ** 2).sum(axis=(0, 1)) for image in x)
    means = sums / pixels
    return ImageSummary(
        shape=x.shape[1:],
        channel_means=tuple(round(float(mean), 3) for mean in means),
        channel_deviations=tuple(round(float(value), 3) for value in np.sqrt(squares / pixels - means**2)),
        samples={
            name: _strip([x[row] for row in np.flatnonzero(y == label)[:tiles]])
            for label, name in enumerate(split.facts.classes)
        },
        tiles=tiles,
        sizes={f"{width} × {height}": n for (width, height), n in dataset.sizes},
    )


def _strip(images: list[NDArray[np.uint8]]) -> bytes:
    """Return images side by side as WebP, a pixel apart."""
    tiles = [Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image) for image in images]
    for tile in tiles:
        tile.thumbnail((LARGEST_TILE, LARGEST_TILE))
    if not tiles:
        return b""
    width, height = tiles[0].size
    strip = Image.new("RGBA", ((width + 1) * len(tiles) - 1, height))
    for i, tile in enumerate(tiles):
        strip.paste(tile, ((width + 1) * i, 0))
    out = io.BytesIO()
    strip.save(out, "WEBP", lossless=height < SMALLEST_LOSSY, quality=80, method=6)
    return out.getvalue()


def _column(column: data.Column, values: data.Array) -> ColumnSummary:
    numbers: NDArray[np.float64] = values.astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    missing = len(numbers) - len(known)
    if column.categories:
        counts = np.bincount(known.astype(np.int64), minlength=len(column.categories))
        return ColumnSummary(
            name=column.name, missing=missing, counts=tuple(counts.tolist()), categories=column.categories
        )
    if not len(known):
        return ColumnSummary(name=column.name, missing=missing)
    counts, edges = np.histogram(known, BINS if np.ptp(known) > 0 else 1)
    return ColumnSummary(
        name=column.name,
        missing=missing,
        mean=float(known.mean()),
        deviation=float(known.std()),
        quartiles=tuple(float(value) for value in np.quantile(known, (0, 0.25, 0.5, 0.75, 1))),
        edges=tuple(float(edge) for edge in edges),
        counts=tuple(int(count) for count in counts),
    )


def _correlations(
    split: data.Split, columns: list[int]
) -> tuple[tuple[str, ...], tuple[tuple[float | None, ...], ...]]:
    """Return the names and Pearson's correlations of columns of numbers, each pair where both are known."""
    facts, train = split.facts, split.train
    if not 2 <= len(columns) <= MOST_CORRELATED:
        return (), ()
    names, values = [facts.columns[i].name for i in columns], train.x[:, columns].astype(np.float64)
    if facts.task == "regression" or len(facts.classes) == 2:
        names.append(facts.classes[1] if facts.classes else facts.target or "target")
        values = np.column_stack([values, train.y])
    table = pd.DataFrame(values).corr().to_numpy()
    rows = tuple(tuple(None if np.isnan(value) else round(float(value), 3) for value in row) for row in table)
    return tuple(names), rows
