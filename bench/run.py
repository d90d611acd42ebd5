"""The verbs `run`, `data` and `clean`: a plan and the machine → records, and what a person is told."""

import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench import store
from bench.catalog import Catalog
from bench.dataset_record import DatasetRecord
from bench.errors import BenchError, shortened
from bench.measure.hardware import hardware
from bench.overview import guesswork
from bench.planning.plan import Plan, Step
from bench.planning.suite import Suite
from bench.records import Record, Status, Use
from bench.runner import local, outcomes
from bench.runner.leases import News
from bench.runner.machine_lock import IN_USE, hold
from bench.runner.settings import Settings
from bench.runner.watch import LiveWatch, PlainWatch, duration
from bench.runner.workers import Kind, once
from bench.tasks import commit, failure, home, node_id, run_id

FAILURES: tuple[Status, ...] = ("failed", "timeout", "out_of_memory", "diverged")


def settings_of(
    suite: Suite, catalog: Catalog, *, results: Path, workers: int | None, timeout_s: float | None
) -> Settings:
    """Return how a suite is run here."""
    threads = suite.written.threads or hardware().cores
    head, dirty = commit()
    return Settings(
        suite=suite.name,
        results=results,
        home=home(),
        plugins=catalog.folders,
        backend=os.environ.get("KERAS_BACKEND", "tensorflow"),
        threads=threads,
        workers=workers or _workers(threads),
        timeout_s=timeout_s or suite.written.timeout_s,
        commit=head,
        dirty=dirty,
    )


def run_suite(
    suite: Suite, plan: Plan, catalog: Catalog, settings: Settings, replan: Callable[[], Plan] | None = None
) -> bool:
    """Execute what is due, print what happened, and tell whether a run of the plan stands failed.

    `replan` is asked when other runs of the suite have gone and left what needs their networks.
    """
    console = Console()
    due = [step for step in plan.steps.values() if step.due]
    if due:
        settings.home.claim()
    side_by_side = max(1, len([step for step in due if step.node.kind != "measure"]))
    settings = msgspec.structs.replace(settings, workers=min(settings.workers, side_by_side))
    console.print(_intention(plan, due, settings.workers), markup=False, highlight=False)

    def ready() -> None:
        store.write_suite(settings.results, suite.record(catalog))

    if console.is_terminal and due:
        with LiveWatch(plan, settings.workers, console) as watch:
            new, is_left = local.run(plan, settings, watch, ready)
    else:
        new, is_left = local.run(plan, settings, PlainWatch(plan, settings.workers, console), ready)
    if is_left and new and replan is not None:
        return run_suite(suite, replan(), catalog, settings, replan)
    new += _keep_unsupported(plan, settings)
    standing = _standing(plan, new)
    if due:
        console.print(_table(plan, standing))
    broken = [name for name, status in standing.items() if status in FAILURES]
    lines = [f"{name} stands {standing[name]}" for name in broken]
    lines += [f"{label} cannot work: {reason}" for label, reason in _unsupported(plan, new)]
    if broken:
        now = sum(record.status in FAILURES for record in new)
        earlier = f", {len(broken) - now} of them before and not tried again" if now < len(broken) else ""
        again = f"see them with: bench show RUN; again: bench run {suite.name} --retry-failed"
        lines.append(f"{len(broken)} failed{earlier}; {again}")
    lines.append(f"see it all with: {_serve(settings)}")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    # Where nothing at all could work, a script must not take it for a success.
    nothing_works = bool(standing) and set(standing.values()) == {"unsupported"}
    return bool(broken) or is_left or nothing_works


def _unsupported(plan: Plan, new: list[Record]) -> list[tuple[str, str]]:
    """Return each row of the plan that cannot work, with the reason, once."""
    told = {name: step.reason for name, step in plan.steps.items() if step.status == "unsupported"}
    told |= {
        node_id(run_id(one.cell_id, one.seed, one.fold), one.measure, one.diagnostic): one.error.message
        for one in new
        if one.status == "unsupported" and one.error
    }
    found = {(run.label, shortened(told[name])): None for run in plan.runs for name in run.nodes if name in told}
    return list(found)


def _serve(settings: Settings) -> str:
    """Return the command that shows what was recorded."""
    words = [f"--results {settings.results}"] if settings.results != Path("results") else []
    here = Path.cwd()
    for folder in settings.plugins:
        words.append(f"--plugins {folder.relative_to(here) if folder.is_relative_to(here) else folder}")
    return " ".join(("bench site serve", *words))


def _workers(threads: int) -> int:
    """Return how many trainings go side by side: as the cores allow, or one for each accelerator."""
    return len(hardware().accelerators) or max(1, hardware().cores // threads)


def _intention(plan: Plan, due: list[Step], workers: int) -> str:
    runs = len([run for run in plan.runs if run.status != "excluded"])
    if not due:
        return f"{plan.suite}: {runs} runs, nothing to do"
    cost = duration(sum(step.wall_s(workers) for step in due))
    nodes = f"{len(due)} of {len(plan.steps)} nodes to execute"
    side_by_side = f"{workers} worker{'s' * (workers > 1)}"
    return f"{plan.suite}: {runs} runs, {nodes}, about {cost} with {side_by_side}{guesswork(plan)}"


def _keep_unsupported(plan: Plan, settings: Settings) -> list[Record]:
    """Leave a record for each cell that cannot work, unless there is one."""
    made = []
    others = News(settings.results, settings.backend, plan.seen)
    for step in plan.steps.values():
        if step.status == "unsupported" and step.record is None and step.node.kind in {"train", "derive"}:
            if others.of(step.node):
                continue
            task = local.task_of(step.node, settings, threads=settings.threads)
            kind = "ParentFailed" if step.node.parents else "Unsupported"
            made.append(failure(task, "unsupported", kind, step.reason))
            store.write(settings.results, made[-1])
    return made


def _standing(plan: Plan, new: list[Record]) -> dict[str, str]:
    """Return what each node of the plan has come to, by id."""
    standing = {name: "not executed" if step.due else str(step.status) for name, step in plan.steps.items()}
    for record in new:
        run = run_id(record.cell_id, record.seed, record.fold)
        standing[node_id(run, record.measure, record.diagnostic)] = record.status
    return standing


def _table(plan: Plan, standing: dict[str, str]) -> Table:
    """Return one row a cell: how many of its nodes came to what."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("cell", "runs", "nodes"):
        table.add_column(title)
    nodes: dict[str, set[str]] = defaultdict(set)
    runs: dict[str, int] = defaultdict(int)
    for run in plan.runs:
        if run.status != "excluded":
            nodes[run.label] |= {name for name in run.nodes if name.startswith(run.id)}
            runs[run.label] += 1
    for label, names in nodes.items():
        statuses = [standing[name] for name in names]
        counts = [f"{statuses.count(status)} {status.replace('_', ' ')}" for status in sorted(set(statuses))]
        table.add_row(label, str(runs[label]), ", ".join(counts))
    return table


def survey(uses: Iterable[Use], catalog: Catalog, results: Path) -> None:
    """Look again at datasets whose files were not the published ones; their records will say what they are now."""
    for use in uses:
        if _explored("survey", use, catalog, results) is False:
            print(f"bench: {use}: its files are not the published ones; what was made of them stands", file=sys.stderr)


def look(use: Use, catalog: Catalog) -> DatasetRecord:
    """Return what there is to know of a dataset."""
    found: DatasetRecord = _explored("look", use, catalog)
    return found


def _explored(does: str, use: Use, catalog: Catalog, *more: Path) -> Any:
    """Load a dataset in a process of its own, as its files may be anybody's, and return what is said of it."""
    place = home()
    place.claim()
    kind = Kind.of("bench.work.exploration", variables={})
    job = once(kind, place.logs / "workers.log", f"bench.work.exploration:{does}", use, catalog.folders, *more, place)
    return outcomes.loaded(use, job)


def clean(results: Path, *, everything: bool) -> tuple[str, tuple[str, ...]]:
    """Delete logs, what was kept to save time, and the networks that no record names; or all, with begun trainings.

    Return what was done in one line, and the records that cannot be read: with any of those all
    networks are kept, as they may name some.
    """
    place = home()
    if not place.root.exists():
        return "nothing to delete", ()
    if not place.is_claimed:
        raise BenchError(f"{place.root}: not made by bench, so nothing in it is deleted; see BENCH_HOME")
    if not everything and not results.is_dir():
        raise BenchError(f"{results}: no such folder, so nobody knows which networks are needed; --all deletes each")
    with hold(alone=True, waiting=lambda: print("waiting for another bench process to end"), lock=IN_USE):
        headers, problems = store.headers(results)
        named = set() if everything else {header.artifact.file for header in headers if header.artifact}
        networks = [] if problems and not everything else list(place.artifacts.glob("*"))
        doomed = [path for path in networks if path.name not in named and not path.is_dir()]
        size = sum(path.stat().st_size for path in doomed)
        for path in doomed:
            path.unlink()
        made = [place.conversions, place.outputs, place.features, place.decoded, place.compiled]
        made += [place.root / "scratch", place.logs]
        for folder in [*made, place.checkpoints] if everything else made:
            shutil.rmtree(folder, ignore_errors=True)
    kept = "" if everything else "; those that records name are kept"
    return f"{len(doomed)} networks deleted, {size / 2**20:.1f} MiB{kept}", tuple(problems)
