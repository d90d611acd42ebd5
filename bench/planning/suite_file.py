"""A suite file as a person writes it: its keys and their types, before any call is resolved."""

import re
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from bench.errors import nearest
from bench.limits import Fold, Positive, Seed
from bench.planning.located_yaml import Located
from bench.planning.measures import Measure
from bench.planning.settings import TrainingAxes
from bench.suite_record import Claim


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A struct that refuses keys it does not know."""


class Expect(Strict, frozen=True):
    """What a run of the whole suite costs, for the reader."""

    duration: str = ""
    hardware: str = ""


class Rule(Strict, frozen=True):
    """Cells that an expression picks, and why."""

    when: str
    reason: str


class SuiteFile(Strict, frozen=True):
    """A suite as a person writes it."""

    title: str
    datasets: Annotated[list[str], msgspec.Meta(min_length=1)]
    architectures: Annotated[list[str], msgspec.Meta(min_length=1)]
    recipes: Annotated[dict[str, list[str]], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: {"baseline": []}
    )
    """Named lists of techniques, applied in order."""
    about: str = ""
    expect: Expect = Expect()
    baseline: str | None = None
    """The recipe that the others are judged against; the first one unless named."""
    training: TrainingAxes = TrainingAxes()  # type: ignore[valid-type]
    seeds: Annotated[tuple[Seed, ...], msgspec.Meta(min_length=1)] = (0, 1, 2)
    folds: Annotated[tuple[Fold, ...], msgspec.Meta(min_length=1)] = (0,)
    include: list[Rule] = []
    """If there are any, a cell must match one of them to stay."""
    exclude: list[Rule] = []
    """A cell that matches one of these is left out."""
    measure: Measure = Measure()
    diagnostics: list[str] = []
    findings: list[Claim] = []
    threads: Positive | None = None
    """CPU threads of each training; all cores unless set. Part of the result, unlike `--workers`."""
    timeout_s: Positive | None = None
    """Seconds after which a node is stopped; no limit unless set."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of suite files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(SuiteFile)}


def converted(source: Located) -> SuiteFile:
    """Return a file by its keys; raise SuiteError, with the line, for the first that is not as it must be."""
    try:
        return msgspec.convert(source.value, SuiteFile)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        location = tuple(
            int(part) if part.isdigit() else part
            for part in re.findall(r"\.(\w+)|\[(\d+)\]", place)
            for part in part
            if part
        )
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", message)
        if unknown:
            key = unknown[1]
            known = list(_types_at(location))
            raise source.error(
                f"unknown key '{key}'{nearest(key, known)} (known: {', '.join(known)})", *location, key
            ) from error
        missing = re.fullmatch(r"Object missing required field `(.*)`", message)
        if missing:
            raise source.error(f"the key '{missing[1]}' is missing; add '{missing[1]}: …'", *location) from error
        name = ".".join(str(part) for part in location)
        if chosen := re.fullmatch(r"Invalid enum value '(.*)'", message):
            *outside, key = (part for part in location if isinstance(part, str))  # numbers are places in a list
            known = list(dict.fromkeys(_choices(_types_at(tuple(outside))[key])))
            raise source.error(
                f"{name}: no '{chosen[1]}'{nearest(chosen[1], known)} (known: {', '.join(known)})", *location
            ) from error
        raise source.error(f"{name}: {message[0].lower()}{message[1:]}", *location) from error


def _types_at(location: tuple[str | int, ...]) -> dict[str, Any]:
    """Return the keys that there may be at a place of the file, with their types."""
    inner: dict[str, type] = {"training": TrainingAxes, "measure": Measure, "expect": Expect, "findings": Claim}
    inner |= {"include": Rule, "exclude": Rule}
    struct = inner.get(str(location[0]), SuiteFile) if location else SuiteFile
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


def _choices(kind: Any) -> list[str]:
    """Return the texts that a type lists."""
    if get_origin(kind) is Literal:
        return [value for value in get_args(kind) if isinstance(value, str)]
    return [value for part in get_args(kind) for value in _choices(part)]
