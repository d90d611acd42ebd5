"""suites/*.yaml → Suite: everything that a person may write, checked before any compute.

A `Suite` is the file with every plugin call resolved and the grid unfolded into cells.
"""

import re
from collections.abc import Sequence, Set
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench.catalog import CALLS, Catalog
from bench.errors import PluginError, SuiteError, nearest
from bench.limits import METRICS, NAME, PROPORTIONS
from bench.planning.compatibility import format_of, unsupported
from bench.planning.identity import complete, former_ids, source_of, training_of
from bench.planning.located_yaml import Located
from bench.planning.measures import require_calls, specs, usual
from bench.planning.settings import Settings
from bench.planning.suite_file import Rule, SuiteFile, converted
from bench.query import Query, fields_of
from bench.records import Cell, MeasureSpec, Training, Use, canonical, cell_id
from bench.store import now
from bench.suite_record import Exclusion, PluginNote, SuiteCell, SuiteRecord

MOST_RUNS = 1_000_000


class Suite(Struct, frozen=True):
    """A checked suite: every call resolved, the grid unfolded."""

    name: str
    path: Path
    digest: str
    written: SuiteFile
    baseline: str
    cells: tuple[SuiteCell, ...]
    exclusions: tuple[Exclusion, ...]
    excluded: tuple[tuple[SuiteCell, str], ...]
    measures: tuple[MeasureSpec, ...]
    diagnostics: tuple[Use, ...]

    def record(self, catalog: Catalog) -> SuiteRecord:
        """Return what `results/` keeps of the suite, enough to draw its pages without the plugins."""
        written = self.written
        uses = {("datasets", cell.cell.dataset.name) for cell in self.cells}
        uses |= {("architectures", cell.cell.architecture.name) for cell in self.cells}
        uses |= {("techniques", use.name) for cell in self.cells for use in cell.cell.techniques}
        uses |= {("runtimes", spec.runtime.name) for spec in self.measures}
        cards = [catalog.card(kind, name) for kind, name in sorted(uses)]
        return SuiteRecord(
            created=now(),
            name=self.name,
            digest=self.digest,
            title=written.title,
            about=written.about,
            expect={"duration": written.expect.duration, "hardware": written.expect.hardware},
            axes={
                "datasets": written.datasets,
                "architectures": written.architectures,
                "recipes": list(written.recipes),
                **{name: [str(value) for value in values] for name, values in _training_axes(written).items()},
            },
            recipes=written.recipes,
            baseline=self.baseline,
            seeds=list(written.seeds),
            folds=list(written.folds),
            profile=written.measure.profile,
            runtimes=[str(spec.runtime) for spec in self.measures],
            cells=self.cells,
            exclusions=self.exclusions,
            findings=tuple(written.findings),
            plugins={f"{card.kind}/{card.name}": PluginNote(title=card.title, paper=card.paper) for card in cards},
        )


def find(name: str, folder: Path = Path("suites")) -> Path:
    """Return the file of a suite given by name or path; raise SuiteError with the nearest name."""
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        if path.exists() or path.is_symlink():
            return path
        raise SuiteError(f"{path}: no such suite file (bench list suites)")
    path = folder / f"{name}.yaml"
    if path.exists() or path.is_symlink():  # a link to nowhere is said to be one
        return path
    known = [found.stem for found in files(folder)]
    raise SuiteError(f"{path}: no such suite{nearest(name, known)} (bench list suites)")


def files(folder: Path = Path("suites")) -> list[Path]:
    """Return the suite files of a folder, by name; what is hidden is some editor's."""
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith("."))


def read(path: Path, catalog: Catalog) -> Suite:
    """Read and check a suite; raise SuiteError naming file, line, fault and cure."""
    if not re.fullmatch(NAME, path.stem) or not path.stem.isprintable():
        raise SuiteError(f"{path}: no name for a suite, as its records lie in a folder of that name; rename the file")
    source = Located(path)
    written = converted(source)
    for key, items in (("seeds", written.seeds), ("folds", written.folds)):
        before: set[int] = set()
        for i, item in enumerate(items):
            if item in before:
                raise source.error(f"{key} holds {item} twice", key, i)
            before.add(item)
    baseline = written.baseline or next(iter(written.recipes))
    if baseline not in written.recipes:
        raise source.error(f"no recipe '{baseline}'{nearest(baseline, written.recipes)}", "baseline")
    _bound(source, written)
    kept, excluded = _select(source, written, _grid(source, written, catalog))
    diagnostics = tuple(_resolve_all(source, catalog, "diagnostics", written.diagnostics, "diagnostics"))
    facts = [catalog.card("diagnostics", use.name).facts(use) for use in diagnostics]
    seen = {name for one in facts if one.seeds != "first" for name in one.figures}  # of one seed nothing is decided
    for i in range(len(written.findings)):
        _check_claim(source, written, kept, catalog, METRICS | seen, i)
    measure = written.measure
    try:
        require_calls(measure)
    except ValueError as error:
        raise source.error(str(error), "measure", "percentiles") from error
    named = measure.runtimes
    if named is None:
        named = usual(
            {format_of(catalog, row.cell) for row in kept if not unsupported(catalog, row.cell, "tensorflow")}
        )
    runtimes = _resolve_all(source, catalog, "runtimes", named, "measure", "runtimes")
    return Suite(
        name=path.stem,
        path=path,
        digest=sha256(canonical((written, [cell.cell_id for cell in kept]))).hexdigest()[:12],
        written=written,
        baseline=baseline,
        cells=tuple(kept),
        exclusions=tuple(Exclusion(label=cell.label, reason=reason) for cell, reason in excluded),
        excluded=tuple(excluded),
        measures=specs(measure, [(runtime, catalog.variant("runtimes", runtime)) for runtime in runtimes]),
        diagnostics=diagnostics,
    )


def _bound(source: Located, written: SuiteFile) -> None:
    """Refuse a grid that nobody could run, before it is unfolded."""
    axes = [written.datasets, written.architectures, written.recipes, written.seeds, written.folds]
    size = prod(map(len, [*axes, *_training_axes(written).values()]))
    if size > MOST_RUNS:
        raise source.error(f"the grid has {size:,} runs; more than {MOST_RUNS:,} is surely a slip")


def _resolve_all(source: Located, catalog: Catalog, kind: str, calls: Sequence[str], *location: str | int) -> list[Use]:
    """Resolve a list of calls; refuse unknown plugins, wrong parameters and doubles, each with its line."""
    uses: list[Use] = []
    for i, call in enumerate(calls):
        try:
            use = catalog.resolve(kind, call)
        except PluginError as error:
            raise source.error(str(error), *location, i) from error
        # A technique may be applied twice; anything else that stands twice is a slip.
        if use in uses and kind != "techniques":
            raise source.error(f"'{call}' is there twice", *location, i)
        uses.append(use)
    return uses


def _training_axes(written: SuiteFile) -> dict[str, list[Any]]:
    """Return the training settings that are lists, the further axes of the grid."""
    values = msgspec.structs.asdict(written.training)
    return {name: value for name, value in values.items() if isinstance(value, list)}


def _trainings(source: Located, written: SuiteFile, catalog: Catalog) -> list[tuple[Training, str]]:
    """Unfold the training settings into (settings, label of what varies)."""
    axes = _training_axes(written)
    for name, values in axes.items():
        if len({canonical(value) for value in values}) < len(values):
            raise source.error(f"{name} holds a value twice", "training", name)
    given = {k: v for k, v in msgspec.structs.asdict(written.training).items() if v is not None and k not in axes}
    for name, kind in CALLS.items():
        calls = axes.get(name, [given[name]] if name in given else [])
        _resolve_all(source, catalog, kind, calls, "training", name)
    fixed = msgspec.structs.asdict(Settings()) | given
    varied = [name for name, values in axes.items() if len(values) > 1]
    found: dict[bytes, tuple[Training, str]] = {}
    for chosen in product(*axes.values()):
        point = dict(zip(axes, chosen, strict=True))
        label = ", ".join(f"{name}={point[name]}" for name in varied)
        try:
            training = training_of(catalog, fixed | point)
        except PluginError as error:
            raise source.error(str(error), "training", "optimizer") from error
        # A momentum beside an optimizer that has none makes no other point.
        found.setdefault(canonical(training), (training, label))
    return list(found.values())


def _grid(source: Located, written: SuiteFile, catalog: Catalog) -> list[SuiteCell]:
    datasets = _resolve_all(source, catalog, "datasets", written.datasets, "datasets")
    architectures = _resolve_all(source, catalog, "architectures", written.architectures, "architectures")
    recipes = {
        name: tuple(_resolve_all(source, catalog, "techniques", calls, "recipes", name))
        for name, calls in written.recipes.items()
    }
    trainings = _trainings(source, written, catalog)
    labels = {
        "architectures": _labels(catalog, "architectures", written.architectures, architectures),
        "datasets": _labels(catalog, "datasets", written.datasets, datasets),
    }
    cells: list[SuiteCell] = []
    for (i, dataset), (j, architecture), recipe, (training, varied) in product(
        enumerate(datasets), enumerate(architectures), recipes, trainings
    ):
        cell = Cell(
            dataset=dataset,
            source=source_of(catalog, dataset),
            architecture=architecture,
            techniques=recipes[recipe],
            training=training,
        )
        try:
            cell = complete(catalog, cell, written.recipes, (recipe,), written.seeds)
        except PluginError as error:
            raise source.error(str(error), "recipes", recipe) from error
        parts = [labels["architectures"][j], recipe, varied, labels["datasets"][i] if len(datasets) > 1 else ""]
        row = SuiteCell(
            cell_id=cell_id(cell),
            label=" · ".join(part for part in parts if part),
            dataset=written.datasets[i],
            architecture=written.architectures[j],
            recipe=recipe,
            cell=cell,
            formerly=former_ids(catalog, cell),
        )
        cells.append(row)
    return cells


def _labels(catalog: Catalog, kind: str, written: Sequence[str], uses: list[Use]) -> list[str]:
    """Return calls as a reader knows them: paths without their folders, unless two would then look alike."""
    short = []
    for call, use in zip(written, uses, strict=True):
        for path in catalog.paths(kind, use).values():
            call = call.replace(path, Path(path).name)
        short.append(call)
    return short if len(set(short)) == len(short) else list(written)


def _select(
    source: Located, written: SuiteFile, grid: list[SuiteCell]
) -> tuple[list[SuiteCell], list[tuple[SuiteCell, str]]]:
    """Apply the include and exclude rules; return the kept cells and the others with their reason."""

    def queries(key: str, rules: list[Rule]) -> list[tuple[Query, Rule, int]]:
        return [
            (Query(rule.when, f"{source.path}:{source.line(key, i, 'when')}"), rule, i) for i, rule in enumerate(rules)
        ]

    include, exclude = queries("include", written.include), queries("exclude", written.exclude)
    used: set[tuple[str, int]] = set()
    kept, excluded = [], []
    for cell in grid:
        fields = {k: v for k, v in fields_of(cell, None, 0).items() if k not in {"seed", "fold"}}
        wanted = [i for query, _, i in include if query.matches(fields)]
        refused = [(i, rule.reason) for query, rule, i in exclude if query.matches(fields)]
        used |= {("include", i) for i in wanted} | {("exclude", i) for i, _ in refused}
        if include and not wanted:
            excluded.append((cell, f"not among the included: {'; '.join(rule.reason for _, rule, _ in include)}"))
        elif refused:
            excluded.append((cell, refused[0][1]))
        else:
            kept.append(cell)
    for key, rules in (("include", include), ("exclude", exclude)):
        for query, _, i in rules:
            if (key, i) not in used:
                raise source.error(f"no cell of the grid matches '{query.text}'", key, i, "when")
    recipes: dict[str, str] = {}
    for cell in kept:
        other = recipes.setdefault(cell.cell_id, cell.recipe)
        if other != cell.recipe:
            raise source.error(f"the recipes '{other}' and '{cell.recipe}' are the same", "recipes", cell.recipe)
    if not kept:
        raise source.error("the rules exclude every cell of the grid", "exclude" if exclude else "include")
    return kept, excluded


def _check_claim(
    source: Located, written: SuiteFile, cells: list[SuiteCell], catalog: Catalog, metrics: Set[str], index: int
) -> None:
    claim = written.findings[index]
    if claim.metric not in metrics and not catalog.folders:  # a technique of one's own may have figures of its own
        givers = [
            card.name for card in catalog.cards("diagnostics") if claim.metric in card.literals.get("FIGURES", ())
        ]
        cure = f"; the diagnostic {givers[0]} gives it: diagnostics: [{givers[0]}]" if givers else ""
        near = cure or nearest(claim.metric, metrics)
        raise source.error(f"no metric '{claim.metric}'{near}", "findings", index, "metric")
    is_score = claim.metric in PROPORTIONS - {"calibration_error", "sparsity"}
    if claim.keeps is not None and (claim.by or claim.expect != "higher" or not is_score):
        raise source.error(
            "'keeps' is about a share of a score that is better when higher; it goes with neither 'by' nor 'expect'",
            "findings",
            index,
            "keeps",
        )
    for side in ("compare", "against"):
        query = Query(getattr(claim, side), f"{source.path}:{source.line('findings', index, side)}")
        runs = product(cells, written.seeds, written.folds)
        if not any(query.matches(fields_of(cell, seed, fold)) for cell, seed, fold in runs):
            raise source.error(f"no run of the suite matches '{query.text}'", "findings", index, side)
