"""What the verbs `list`, `plan` and `show` print."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec

from bench import store
from bench.cards import KINDS
from bench.catalog import OPTION_PARAMETERS, Catalog
from bench.dataset_record import ColumnSummary, DatasetRecord
from bench.errors import BenchError, nearest
from bench.planning import suite as suites
from bench.planning.compatibility import excluded
from bench.planning.plan import Plan
from bench.records import Record
from bench.runner.watch import duration
from bench.store import Reading
from bench.tasks import run_id


def rows(kind: str | None, catalog: Catalog, results: Path) -> list[dict[str, Any]]:
    """Return what `list` knows of plugins and suites, of one kind or of all."""
    found: list[dict[str, Any]] = []
    for one in (*KINDS, "suites") if kind is None else (kind,):
        found += _suites(catalog) if one == "suites" else _plugins(one, catalog)
    if kind == "techniques":
        measured = _measured(results)
        for row in found:
            card = catalog.card("techniques", row["name"])
            row |= {"doors": list(card.doors), "excludes": excluded(catalog, card)}
            row["measured"] = dict(measured.get(card.name, {}))
    return found


def _measured(results: Path) -> dict[str, Counter[str]]:
    """Return how many cells with a finished network use each technique, by suite."""
    cells = {
        (header.suite, header.cell_id): header.cell
        for header in store.headers(results)[0]
        if header.status == "finished" and header.node in {"train", "derive"}
    }
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (suite, _), cell in cells.items():
        for name in {use.name for use in cell.techniques}:
            found[name][suite] += 1
    return found


def _plugins(kind: str, catalog: Catalog) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "name": card.name,
            "title": card.title,
            "parameters": {
                p.name: {"type": p.annotation, "required": True}
                if p.required
                else {"type": p.annotation, "default": p.default}
                for p in card.parameters
            },
            "path": str(card.path),
        }
        for card in catalog.cards(kind)
    ]


def _suites(catalog: Catalog) -> list[dict[str, Any]]:
    found = []
    for path in suites.files():
        row: dict[str, Any] = {"kind": "suites", "name": path.stem, "path": str(path)}
        try:
            suite = suites.read(path, catalog)
        except BenchError as error:
            found.append(row | {"title": f"cannot be read: {error}"})
            continue
        written = suite.written
        runs = len(suite.cells) * len(written.seeds) * len(written.folds)
        found.append(row | {"title": written.title, "cells": len(suite.cells), "runs": runs, "expect": written.expect})
    return found


def text(found: list[dict[str, Any]]) -> str:
    """Return a list of plugins and suites as aligned lines, one kind after the other."""
    lines = []
    width = max((len(row["name"]) for row in found), default=0)
    for kind in dict.fromkeys(row["kind"] for row in found):
        lines.append(f"{kind}:")
        for row in found:
            if row["kind"] == kind:
                extra = f"  ({row['runs']} runs)" if "runs" in row else _parameters(row.get("parameters", {}))
                lines.append(f"  {row['name']:{width}}  {row['title']}{extra}")
                lines += [f"  {'':{width}}    {line}" for line in _details(row)]
        if kind == "datasets":
            options = ", ".join(f"{option.name}={option.default!r}" for option in OPTION_PARAMETERS)
            lines.append(f"  {'':{width}}  each also takes {options}")
    return "\n".join(lines) or "nothing here"


def _details(row: dict[str, Any]) -> list[str]:
    """Return what there is to say of a technique beside its title."""
    if "doors" not in row:
        return []
    lines = [f"doors: {', '.join(row['doors'])}"]
    lines += [f"not beside {name}: {reason}" for name, reason in row["excludes"].items()]
    where = ", ".join(f"{suite} ({count})" for suite, count in sorted(row["measured"].items()))
    return [*lines, f"measured in {where}" if where else "not measured yet"]


def _parameters(parameters: dict[str, Any]) -> str:
    inside = ", ".join(
        f"{name}={given['default']!r}" if "default" in given else f"{name}=…" for name, given in parameters.items()
    )
    return f"  ({inside})" if inside else ""


def guesswork(plan: Plan) -> str:
    """Say of how many nodes it is a mere guess how long they take, in brackets; nothing where it is known of all."""
    guessed = sum(step.due and step.guessed for step in plan.steps.values())
    return f" (a mere guess for {guessed} node{'s' * (guessed > 1)}, as no record is alike)" if guessed else ""


def plan_text(plan: Plan) -> str:
    """Return a plan as one line a run and a summary."""
    width = max((len(run.id) for run in plan.runs), default=0)
    lines = [
        f"{run.id:{width}}  {run.status:11}  {duration(run.cost_s) if run.cost_s else '–':>8}  {run.reason}"
        for run in plan.runs
    ]
    counts = Counter(run.status for run in plan.runs)
    summary = ", ".join(f"{count} {status}" for status, count in counts.items()) or "no run matches"
    lines.append(f"{plan.suite}: {summary}; about {duration(plan.cost_s)} of work{guesswork(plan)}")
    if plan.earlier:
        cells = "cell has" if plan.earlier == 1 else "cells have"
        lines.append(f"{plan.suite}: {plan.earlier} {cells} records and stands in the suite no more")
    return "\n".join(lines)


def data_text(record: DatasetRecord) -> str:
    """Return what a person looks at first of a dataset, for the terminal."""
    kind = {True: "match", False: "do not match", None: "none are published"}[record.verified]
    lines = [f"{record.dataset}: {record.task}", f"source: {record.source}; published checksums: {kind}"]
    held_out = f"one of {record.folds} folds" if record.folds else "the publisher's own"
    lines.append("; ".join(f"{part.name} {part.n:,}" for part in record.parts) + f" (the test part is {held_out})")
    twice = record.duplicates
    lines.append(
        f"duplicates: {twice.within_train} within train, {twice.test_in_train} of test are in train too, "
        f"{twice.contradicting} contradict each other"
    )
    if record.classes:
        width = max(map(len, record.classes))
        parts = [part.class_counts for part in record.parts]
        lines += ["", f"{'class':{width}}  {'train':>8}  {'test':>8}"]
        lines += [
            f"{name:{width}}  {train:>8,}  {test:>8,}" for name, train, test in zip(record.classes, *parts, strict=True)
        ]
    if record.images:
        height, across, channels = record.images.shape
        lines += ["", f"images: {height} × {across} pixels, {channels} channels, 0–255"]
        pairs = zip(record.images.channel_means, record.images.channel_deviations, strict=True)
        lines += [f"channel {i}: mean {mean:.2f}, standard deviation {dev:.2f}" for i, (mean, dev) in enumerate(pairs)]
        if record.images.sizes:
            lines.append(
                "sizes before resizing: " + _few([f"{size} ({n:,})" for size, n in record.images.sizes.items()])
            )
    columns = [*record.columns, *([record.target] if record.target else [])]
    if columns:
        width = max(len(column.name) for column in columns)
        lines += ["", f"{'column':{width}}  missing  {'mean':>10}  {'deviation':>10}  smallest, quartiles, largest"]
        lines += [f"{column.name:{width}}  {column.missing:>7}  {_values(column)}" for column in columns]
    if record.correlations:
        lines += ["", "strongest correlations: " + _few(_strongest(record))]
    return "\n".join(lines)


def _values(column: ColumnSummary) -> str:
    if column.mean is None or column.deviation is None:
        return _few([f"{name} ({n:,})" for name, n in zip(column.categories, column.counts, strict=True)])
    return f"{column.mean:>10.4g}  {column.deviation:>10.4g}  " + "  ".join(f"{q:.4g}" for q in column.quartiles)


def _strongest(record: DatasetRecord) -> list[str]:
    names = record.correlated
    pairs = [
        (value, f"{names[j]} and {names[i]} {value:+.2f}")
        for i, row in enumerate(record.correlations)
        for j, value in enumerate(row[:i])
        if value is not None
    ]
    return [text for _, text in sorted(pairs, key=lambda pair: -abs(pair[0]))]


def _few(items: list[str], most: int = 8) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")


class Found(msgspec.Struct, frozen=True):
    """All that is recorded of a run, the newest execution of each node, with the files."""

    id: str
    records: list[Record]
    files: list[str]


def find_run(reading: Reading, name: str, results: Path) -> Found:
    """Return a run by its id or the beginning of it; raise BenchError if none or several fit."""
    by_run: dict[str, dict[str, Record]] = {}
    for record in reading.records:
        node = record.measure.name if record.measure else str(record.diagnostic or record.node)
        by_run.setdefault(run_id(record.cell_id, record.seed, record.fold), {})[node] = record
    fitting = [name] if name in by_run else [known for known in by_run if known.startswith(name)]
    if len(fitting) != 1:
        fault = f"no run '{name}'{nearest(name, by_run)}"
        if fitting:
            fault = f"several runs begin so: {', '.join(fitting[:5])}"
        raise BenchError(f"{results}: {fault} (ids: bench plan SUITE)")
    records = list(by_run[fitting[0]].values())
    return Found(id=fitting[0], records=records, files=[str(reading.paths[id(record)]) for record in records])


def run_text(reading: Reading, found: Found) -> str:
    """Return a run's records for the terminal: status, figures, provenance."""
    lines = [found.id]
    for record, file in zip(found.records, found.files, strict=True):
        runtime = f" on {record.measure.name}" if record.measure else f" {record.diagnostic}" * bool(record.diagnostic)
        lines += ["", f"{record.node}{runtime}: {record.status}, {record.created}  {file}"]
        if record.error:
            lines.append(f"  {record.error.type}: {record.error.message}")
            lines += [f"  {line}" for line in (record.error.traceback or "").splitlines()]
        for m in record.measurements:
            if m.class_name is None:
                where = f" batch {m.batch_size}" if m.batch_size else ""
                interval = f"  [{m.low:.6g}, {m.high:.6g}]" if m.low is not None and m.high is not None else ""
                count = f"  n={m.n}" if m.n else ""
                unit = "" if m.unit in {"", "1"} else f" {m.unit}"
                statistic = f" {m.statistic}" if m.statistic else ""
                part = " of the training part" if m.split == "train" else ""
                lines.append(f"  {m.name}{part}{statistic}{where}: {m.value:.6g}{unit}{interval}{count}")
        for timing in record.timings:
            if timing.validity != "valid":
                lines.append(f"  batch {timing.batch_size} is {timing.validity}: {'; '.join(timing.reasons)}")
        if record.data and record.data.verified is False:
            lines.append("  its data are not the published files; mend them, then: bench run")
        made = record.provenance
        commit = (made.commit or "no commit")[:12] + (" with changes" if made.dirty else "")
        lines.append(f"  made with {made.backend} on {made.hardware.cpu}, {made.threads} threads, commit {commit}")
    return "\n".join(lines)
