"""What older records say in the words of today's schema; a newer schema is refused by name, never guessed at.

Each step takes the fields of any record file, of a node, a suite or a dataset, from one schema to
the next. A step is pure data, frozen for ever: it reads no plugin, so that it works where one is
gone, and it is never mended to fit a later schema; that is the next step's business.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bench.errors import RecordError
from bench.records import SCHEMA, Record

Fields = dict[str, Any]
READ_AS_IS = 2
"""From this schema on, the later ones have only added fields with a default: 3 says how processes were
started, 4 which timings took turns, 5 what others have published of a finding, 6 what diagnostics show beside
curves, 7 percentiles that a suite asks for and what a finding wants kept, 8 networks in OpenVINO's format; 9
adds none."""
TOO_LONG_BEFORE_9 = {"load_ms", "cold_start_ms"}
"""Figures of timings that are left out of older records: they held 12 to 24 ms in which the harness looked for the
converted file."""
AnyRecord = TypeVar("AnyRecord", bound=Struct)

_ADDED_BY_2: dict[str, dict[str, Any]] = {
    "custom_cnn": {"initializer": "glorot", "pooling": "max", "dropout": 0.0},
    "lenet5": {"initializer": "glorot"},
    "mlp": {"initializer": "glorot", "dropout": 0.0, "batch_norm": False},
    "mnist_convnet": {"activation": "relu", "initializer": "glorot"},
    "resnet": {"initializer": "he"},
    "resnet8": {"initializer": "he"},
}
"""Parameters that these architectures got while schema 1 was written, with the value that changed nothing."""
_MERGED_BY_2: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet20": ("resnet", {"depth": 20}),
    "resnet32": ("resnet", {"depth": 32}),
    "resnet56": ("resnet", {"depth": 56}),
}


class _Version(Struct):
    schema: int


def decode(text: bytes, kind: type[AnyRecord], where: str) -> AnyRecord:
    """Read a record, or the part of it that `kind` asks for; raise RecordError, naming `where`, if that fails."""
    try:
        schema = msgspec.json.decode(text, type=_Version).schema
        if schema > SCHEMA:
            raise RecordError(
                f"{where}: written with schema {schema}, this bench reads up to {SCHEMA}; update bench to read it"
            )
        if schema < 1:
            raise ValueError(f"there never was a schema {schema}")
        if schema < READ_AS_IS:
            text = _upgraded(text)
        record = msgspec.json.decode(text, type=kind)
        if schema < 9 and isinstance(record, Record) and record.node == "measure":
            kept = tuple(one for one in record.measurements if one.name not in TOO_LONG_BEFORE_9)
            record = msgspec.structs.replace(record, measurements=kept)
        return record
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not a record: {error}; restore it from git or delete it") from error


def _upgraded(text: bytes) -> bytes:
    try:
        return msgspec.json.encode(upgraded(msgspec.json.decode(text)))
    except (AttributeError, KeyError, TypeError) as error:  # the steps take what they find
        raise ValueError(f"{type(error).__name__}: {error}") from error


def upgraded(fields: Fields) -> Fields:
    """Return a record's fields as of `READ_AS_IS`; KeyError for a schema that never was."""
    while fields["schema"] < READ_AS_IS:
        fields = _STEPS[fields["schema"]](fields)
    return fields


def _from_1(old: Fields) -> Fields:
    """Optimizers, schedules and losses become calls; parameters that came later leave the cell; ids follow."""
    new = old | {"schema": 2}
    if "created" in new and "." not in new["created"]:
        new["created"] = new["created"].replace("Z", ".000Z")
    if "cells" in new:
        new["cells"] = [_row_from_1(row) for row in new["cells"]]
    if "cell" in new:
        new["cell"] = _cell_from_1(new["cell"])
        new["cell_id"] = _id(new["cell"])
    return new


def _row_from_1(row: Fields) -> Fields:
    cell = _cell_from_1(row["cell"])
    return row | {"cell": cell, "cell_id": _id(cell)}


def _cell_from_1(old: Fields) -> Fields:
    name, parameters = old["architecture"]["name"], dict(old["architecture"]["parameters"])
    if name in _MERGED_BY_2:
        name, fixed = _MERGED_BY_2[name]
        parameters = fixed | parameters
    added = _ADDED_BY_2.get(name, {})
    kept = {key: value for key, value in parameters.items() if key not in added or added[key] != value}
    training = dict(old["training"])
    momentum = training.pop("momentum")
    takes: dict[str, Fields] = {"sgd": {"momentum": momentum, "nesterov": True}, "rmsprop": {"momentum": momentum}}
    optimizer = training["optimizer"]
    training["optimizer"] = {"name": optimizer, "parameters": takes.get(optimizer, {})}
    for key in ("schedule", "loss"):
        training[key] = {"name": training[key], "parameters": {}}
    return old | {"architecture": {"name": name, "parameters": kept}, "training": training}


def _id(cell: Fields) -> str:
    """Return the id of a cell as schema 2 hashes it."""
    text = msgspec.json.encode({"cell": cell, "hash": 2}, order="sorted")
    words = [cell["dataset"]["name"], cell["architecture"]["name"], *(use["name"] for use in cell["techniques"])]
    return f"{'-'.join(words).replace('_', '')[:60]}-{sha256(text).hexdigest()[:8]}"


_STEPS: dict[int, Callable[[Fields], Fields]] = {1: _from_1}
"""From each schema, the step to the next."""
