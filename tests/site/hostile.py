"""Results from a stranger: every text of every kind of record can be what they like.

The samples fill every field that takes a text; `test_site_hostile` fails for one that is
forgotten, so a new field is tested by having to stand here.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import factory
import msgspec
import timings
from msgspec import Struct, inspect

from bench.dataset_record import ColumnSummary, DatasetRecord, Duplicates, ImageSummary, PartSummary
from bench.records import Data, Diagnosis, Fault, Measurement, Picture, Record, Series, Table, Use
from bench.suite_record import Claim, Exclusion, SuiteRecord

KINDS = (Record, SuiteRecord, DatasetRecord)
MARK = "m4rk"
TEXTS = {
    "breaks out": f"{MARK}'\"></title></desc><script>alert(1)</script><img src=x onerror=alert(1)>{{{{7*7}}}}",
    "controls": f"{MARK}\0\x1b[2J\r\n\n\u202eevil\u2028",
    "address": f"javascript:alert('{MARK}')",
    "path": f"../../../{MARK}/'\"></title><script>alert(1)</script><img src=x onerror=alert(1)>/index",
    "markdown": f"{MARK} [a](javascript:a(1)) <javascript:a(1)>\n\n``` {{ #top .x onclick=a() }}\nx\n```\n\n# b",
    "long": MARK + "A" * 5000,
}
PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="alert(1)"><script>alert(1)</script>'
    '<a href="javascript:alert(1)"><rect width="9" height="9"/></a></svg>'
)
RASTER = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAAAAABX3VL4AAAADklEQVR4nGNkZ2BiYAAAADUAC6RaRLsAAAAASUVORK5CYII="
)
JOINED = frozenset(
    {
        *("cell_id", "suite", "created", "parents", "digest", "formerly", "correct", "samples", "picture_svg"),
        *("node", "status", "format", "outputs", "better", "split", "validity", "profile", "precision", "expect"),
        *("statistic", "axis", "compare", "against", "metric", "recipe", "baseline", "recipes", "dataset", "name"),
        *("file", "watcher", "chart", "png", "marks"),
    }
)
"""Fields by which records find each other or their readers: poisoned one by one, since else nothing is shown."""
Place = tuple[str, ...]


def samples() -> dict[str, Struct]:
    """Return records of every kind by their paths in a results folder, of a trained cell and one derived from it."""
    cell = factory.cell(techniques=[Use("dropout", {"where": "top"})])
    derived = factory.cell(techniques=[*cell.techniques, Use("quantize")])
    suite = factory.suite_record(
        [
            factory.replace(factory.suite_cell(cell), formerly=("former-00000000",)),
            factory.suite_cell(derived, "quantize"),
        ],
        findings=[Claim(statement="It helps", compare="seed=0", against="seed=1", published="+1 point")],
        exclusions=[Exclusion(label="mlp · odd", reason="too odd")],
    )
    found: dict[str, Struct] = {f"demo/suite-{suite.digest}.json": suite}
    for seed in range(3):
        made = _whole(factory.record(cell, seed=seed))
        assert made.artifact is not None
        of = {"seed": seed, "parent": made.artifact.digest}
        found[f"demo/cell/train-s{seed}.json"] = made
        found[f"demo/cell/measure-s{seed}.json"] = _whole(timings.timed(cell, reasons=("steal",), **of))
        smaller = _whole(factory.record(derived, seed=seed, node="derive", parents=(made.artifact.digest,)))
        assert smaller.artifact is not None
        of = {"seed": seed, "parent": smaller.artifact.digest}
        found[f"demo/derived/derive-s{seed}.json"] = smaller
        found[f"demo/derived/measure-s{seed}.json"] = _whole(timings.timed(derived, p50_ms=0.5, **of))
    first = found["demo/cell/train-s0.json"]
    assert isinstance(first, Record) and first.artifact is not None
    found["demo/cell/diagnose.json"] = factory.replace(
        first,
        node="diagnose",
        diagnostic=Use("calibration", {"how": "plainly"}),
        parents=(first.artifact.digest,),
        artifact=None,
    )
    failed = factory.unfinished(cell, seed=3)
    found["demo/cell/failed.json"] = factory.replace(failed, error=Fault("ValueError", "odd", "Traceback …"))
    found["datasets/digits-0.json"] = _images()
    found["datasets/digits-1.json"] = _columns()
    return found


def poisoned(value: Any, text: str, places: frozenset[Place] | None = None, at: Place = ()) -> Any:
    """Return JSON data with a text in every place, or in the given ones: as values and as keys."""
    if isinstance(value, dict):
        here = {}
        for key, inside in value.items():
            below = (*at, key)
            known = places is None or any(place[: len(below)] == below for place in places)
            here[key] = poisoned(inside, text, places, below) if known else inside
        return here
    if isinstance(value, list):
        return [poisoned(inside, text, places, at) for inside in value]
    if isinstance(value, str) and (places is None or at in places):
        return text
    return value


def text_places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Yield where texts stand in JSON data; the items of a list share a place."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from text_places(inside, (*at, key))
    elif isinstance(value, list):
        for inside in value:
            yield from text_places(inside, at)
    elif isinstance(value, str):
        yield at


def data(record: Struct) -> Any:
    """Return a record as the JSON data of its file."""
    return json.loads(msgspec.json.encode(record))


def renamed(value: Any, text: str, maps: frozenset[str]) -> Any:
    """Return JSON data in which the last key of every mapping by name is a text."""
    if isinstance(value, list):
        return [renamed(inside, text, maps) for inside in value]
    if not isinstance(value, dict):
        return value
    made = {key: renamed(inside, text, maps) for key, inside in value.items()}
    for name in maps & made.keys():
        if isinstance(made[name], dict) and made[name]:
            *others, last = made[name].items()
            made[name] = dict([*others, (text, last[1])])
    return made


def write(folder: Path, files: dict[str, Any]) -> None:
    """Write a results folder as a stranger may: any text in any file."""
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(content))


def text_fields(kind: type[Struct]) -> set[tuple[str, str]]:
    """Return the fields, as struct and name, that take any text, below a kind of record too."""
    found: set[tuple[str, str]] = set()
    seen: set[type] = set()

    def visit(of: inspect.Type, owner: tuple[str, str]) -> None:
        match of:
            case inspect.StructType():
                if of.cls not in seen:
                    seen.add(of.cls)
                    for field in of.fields:
                        visit(field.type, (of.cls.__name__, field.name))
            case inspect.StrType() | inspect.AnyType():
                found.add(owner)
            case inspect.UnionType():
                for one in of.types:
                    visit(one, owner)
            case inspect.ListType() | inspect.VarTupleType():
                visit(of.item_type, owner)
            case inspect.DictType():
                found.add(owner)
                visit(of.value_type, owner)

    visit(inspect.type_info(kind), (kind.__name__, ""))
    return found


def filled(value: Any, owner: tuple[str, str] = ("", "")) -> Iterator[tuple[str, str]]:
    """Yield the fields of a record in which there is a text."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from filled(getattr(value, name), (type(value).__name__, name))
    elif isinstance(value, dict):
        for key, inside in value.items():
            yield from filled(key, owner)
            yield from filled(inside, owner)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            yield from filled(inside, owner)
    elif isinstance(value, str) and value:
        yield owner


def _whole(record: Record) -> Record:
    """Return a record that has all that it may have."""
    of = record.provenance
    hardware = factory.replace(of.hardware, accelerators=("Some GPU",), driver="1.2")
    seen: Data | None = record.data
    measure = record.measure and factory.replace(record.measure, label="litert(fast)")
    curve = Series("accuracy", "epoch", [1.0, 2.0], [0.5, 0.6], unit="1", split="train", runtime="litert")
    looked = Series("hidden", "epoch", [1.0, 2.0], [0.5, 0.6], chart="gradient norm", watcher="gradients")
    return factory.replace(
        record,
        provenance=factory.replace(of, hardware=hardware),
        data=seen,
        measure=measure,
        watched=(Use("calibration"),),
        sitting="one evening",
        series=(*record.series, curve, looked),
        tables={"trials": Table("Trials", ("what", "value"), (("first", 1.0), ("second", None)))},
        watch_faults={"units": Fault("ValueError", "odd", "Traceback …")},
        diagnostics={
            "calibration": Diagnosis(
                "Calibration",
                (Series("right", "confidence", [0.5], [0.5], unit="1", split="test", chart="How sure"),),
                PICTURE,
                note="As it is.",
                marks="points",
                pictures=(Picture(RASTER, "the surest", 3),),
                columns=("one", "other"),
                tables=(Table("Steps", ("what", "value"), (("first", 1.0),)),),
                measurements=(Measurement("sureness", 0.5, "1", "higher", n=3, split="test"),),
            )
        },
    )


def _images() -> DatasetRecord:
    pixels = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
    return DatasetRecord(
        created=factory.CREATED,
        dataset=Use("digits", {"how": "so"}),
        source="somebody/digits",
        task="classification",
        verified=True,
        classes=("zero", "one"),
        superclasses=("all",),
        parts=(PartSummary("train", 8, (4, 4), "aaaa"), PartSummary("test", 4, (2, 2), "bbbb")),
        folds=5,
        duplicates=Duplicates(1, 1, 1),
        images=ImageSummary((8, 8, 1), (9.0,), (1.0,), {"zero": pixels}, 4, {"8 × 8": 12}),
    )


def _columns() -> DatasetRecord:
    numbers = ColumnSummary("age", 1, 2.0, 1.0, (0, 1, 2, 3, 4), (0, 2, 4), (3, 5))
    return factory.replace(
        _images(),
        images=None,
        columns=(numbers, ColumnSummary("colour", 0, counts=(5, 3), categories=("red", "blue"))),
        target=factory.replace(numbers, name="price"),
        correlations=((1.0, 0.5), (0.5, 1.0)),
        correlated=("age", "price"),
    )
