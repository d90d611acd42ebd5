"""The command `bench`: one function a verb.

Modules are imported by the verb that needs them, so `bench --help` answers at once, and `list`,
`plan` and `check` never import TensorFlow.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import RESULTS, parser
from bench.errors import (
    BAD_INPUT,
    BROKEN_RECORDS,
    FAILED,
    FINE,
    INTERRUPTED,
    NOTHING_COMPARABLE,
    BenchError,
    NothingToCompare,
    is_of_disk,
    shortened,
    told,
)

if TYPE_CHECKING:
    from bench.catalog import Catalog
    from bench.planning.plan import Plan
    from bench.planning.suite import Suite

ACKNOWLEDGED = Path("acknowledged.yaml")
MOST_CHARACTERS = 2000
"""Of a line that says what is wrong; it quotes what a person wrote."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see `bench.errors` for the codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be anything
    first = (list_, plan, run, measure, best, model, prove, data, new)
    verbs = (*first, show, check, findings, site, export, schema, doctor, clean)
    options = parser({verb.__name__.rstrip("_"): verb for verb in verbs}).parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)  # stopped by a scheduler: as clean as Ctrl-C
    try:
        _check_results(options)
        code: int = options.verb(options)
    except BenchError as error:
        print(f"bench: {shortened(str(error), MOST_CHARACTERS)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bench: interrupted; what was done is kept", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `bench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except OSError as error:
        if error.filename is None and not is_of_disk(error):
            raise
        print(f"bench: {shortened(told(error), MOST_CHARACTERS)}", file=sys.stderr)
        return BAD_INPUT
    return code


def _check_results(options: argparse.Namespace) -> None:
    """Refuse a folder of records that is none, and one that a person named and that is not there to be read."""
    if not hasattr(options, "results"):
        return
    results: Path = options.results
    if results.exists() and not results.is_dir():
        raise BenchError(f"{results}: not a folder; name the one of `bench run` with --results")
    if options.reads and results != RESULTS and not results.exists():
        raise BenchError(f"{results}: no such folder; name the one of `bench run` with --results")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def list_(options: argparse.Namespace) -> int:
    """List plugins or suites."""
    from bench import overview

    found = overview.rows(options.kind, _catalog(options), options.results)
    _show(options, found, overview.text(found))
    return FINE


def plan(options: argparse.Namespace) -> int:
    """Say for every run of a suite whether it is to be executed, why, and what it will cost."""
    from bench import overview

    _, _, made = _plan(options)
    fields = ("id", "status", "reason", "cost_s", "label", "recipe", "dataset", "architecture", "seed", "fold", "nodes")
    runs = [{name: getattr(run, name) for name in fields} for run in made.runs]
    _show(options, {"suite": made.suite, "cost_s": round(made.cost_s, 2), "runs": runs}, overview.plan_text(made))
    return _name_problems(made.problems)


def run(options: argparse.Namespace) -> int:
    """Train and measure what is due of a suite, and leave records."""
    from bench.run import run_suite, settings_of, survey

    suite, catalog, made = _plan(options)
    if made.doubtful:
        survey(made.doubtful, catalog, options.results)
        suite, catalog, made = _plan(options, told=True)
    settings = settings_of(suite, catalog, results=options.results, workers=options.workers, timeout_s=options.timeout)

    def replan() -> "Plan":
        options.fresh = options.retry_failed = False
        return _plan(options, told=True)[2]

    stands_failed = run_suite(suite, made, catalog, settings, replan)
    return FAILED if stands_failed else _name_problems(made.problems)


def measure(options: argparse.Namespace) -> int:
    """Time a suite's finished networks again, and do nothing else."""
    from bench.planning.again import timings_alone
    from bench.run import run_suite, settings_of
    from bench.tasks import home

    suite, catalog, made = _plan(options)
    settings = settings_of(suite, catalog, results=options.results, workers=1, timeout_s=options.timeout)
    stands_failed = run_suite(suite, timings_alone(made, home().artifacts), catalog, settings)
    return FAILED if stands_failed else _name_problems(made.problems)


def best(options: argparse.Namespace) -> int:
    """Name the best networks of a suite under a budget."""
    from bench import best as choosing

    budget = choosing.Budget(options.max_latency_ms, options.max_size_kb, options.max_parameters, options.min_accuracy)
    answer = choosing.best(options.results, options.suite, budget)
    _show(options, answer, choosing.text(answer))
    return FINE if answer.choices else NOTHING_COMPARABLE


def model(options: argparse.Namespace) -> int:
    """Hand a recorded network over: its file, a card, and a program that runs it."""
    from bench.hand_over import hand_over

    folder = hand_over(options.results, options.run, options.to, options.destination, _catalog(options))
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return FINE


def prove(options: argparse.Namespace) -> int:
    """Show that a suite's stale records still stand, instead of running them again."""
    from bench.prove import prove as proving

    _, catalog, made = _plan(options)
    outcomes = []
    for outcome in proving(made, catalog, options.results):
        outcomes.append(outcome)
        if not options.json:
            verdict = "proved" if outcome.proved else "not proved"
            print(f"{verdict}: {outcome.group} ({outcome.records} records): {outcome.reason}", flush=True)
    proved = sum(outcome.records for outcome in outcomes if outcome.proved)
    every = sum(outcome.records for outcome in outcomes)
    told = f"{made.suite}: {proved} of {every} stale records proved" if every else "nothing is left to prove"
    _show(options, outcomes, told)
    return (FINE if proved == every else FAILED) or _name_problems(made.problems)


def show(options: argparse.Namespace) -> int:
    """Show all that is recorded of a run."""
    from bench import overview, store

    reading = store.read(options.results)
    found = overview.find_run(reading, options.run, options.results)
    _show(options, found, overview.run_text(reading, found))
    return _name_problems(reading.problems)


def check(options: argparse.Namespace) -> int:
    """Judge new records against a baseline."""
    from bench import check as checking
    from bench.check import formats
    from bench.check.delivery import deliver

    catalog, accepted = _catalog(options), options.acknowledged
    if accepted is None and ACKNOWLEDGED.exists():
        accepted = ACKNOWLEDGED

    def judged(remeasure: Any = None) -> checking.Report:
        return checking.check(
            options.results,
            options.baseline,
            tolerance=options.tolerance,
            latency_tolerance=options.latency_tolerance,
            gates=options.gate,
            accepted=accepted,
            strict=options.strict,
            remeasure=remeasure,
            any_versions=options.any_versions,
        )

    if options.confirm:
        from bench.confirm import confirm

        with contextlib.redirect_stdout(sys.stderr):  # the report alone goes to the other
            confirm(judged().rows, options.results, catalog)
    try:
        report = judged(_remeasure(options, catalog) if options.remeasure else None)
    except NothingToCompare as error:
        if not (options.json or options.github or options.report or options.webhook):
            raise
        report = checking.empty(str(options.baseline), error)  # or an older report would seem to be today's
        print(f"bench: {shortened(str(error), MOST_CHARACTERS)}", file=sys.stderr)
    _show(options, report, formats.github(report) if options.github else checking.render(report))
    summary = os.environ.get("GITHUB_STEP_SUMMARY") if options.github else None
    lost = deliver(report, options.report, Path(summary) if summary else None, options.webhook)
    for fault in lost:
        print(f"bench: {shortened(fault, MOST_CHARACTERS)}", file=sys.stderr)
    return report.exit_code or (BAD_INPUT if lost else FINE)


def _remeasure(options: argparse.Namespace, catalog: "Catalog") -> Any:
    """Return a function that takes the timings of both sides of a check again."""
    from bench import remeasure

    settings = remeasure.settings_of(options.results, catalog)
    return lambda new, old: remeasure.remeasure(new, old, settings, options.latency_tolerance)


def findings(options: argparse.Namespace) -> int:
    """Test the statements of a suite on its records."""
    from bench import store
    from bench.errors import SuiteError, nearest
    from bench.findings import judge

    reading = store.read(options.results)
    if options.suite is not None and options.suite not in reading.suites:
        known = nearest(options.suite, reading.suites)
        raise SuiteError(
            f"{options.results}: no records of a suite '{options.suite}'{known} (bench run {options.suite})"
        )
    suites = [suite for name, suite in reading.suites.items() if options.suite in (None, name)]
    judged = {suite.name: judge(suite, reading.of_suite(suite)) for suite in suites}
    lines = [
        f"{name}: {found.verdict:10} {found.claim.statement}\n    {found.reason}"
        + (f"\n    published: {found.claim.published}" if found.claim.published else "")
        for name in judged
        for found in judged[name]
    ]
    _show(
        options,
        judged,
        "\n".join(lines) or "no findings: no suite with records makes a statement (of a changed one: bench run)",
    )
    return _name_problems(reading.problems)


def site(options: argparse.Namespace) -> int:
    """Build the results site, or serve it."""
    from bench import site as site_module

    catalog = _catalog(options)
    if options.action == "serve":
        site_module.serve(options.results, options.port, catalog)
        return FINE
    report = site_module.build(options.results, options.output, catalog)
    print(f"{report.pages} pages in {options.output}/index.html")
    return _name_problems(report.problems)


def export(options: argparse.Namespace) -> int:
    """Write all measurements as one table."""
    from bench import export as exporting

    with warnings.catch_warnings(record=True) as skipped:
        warnings.simplefilter("always")
        frame = exporting.read(options.results)
    exporting.write(frame, options.file)
    print(f"{len(frame)} rows in {options.file}")
    return _name_problems([str(warning.message) for warning in skipped])


def data(options: argparse.Namespace) -> int:
    """Look at a dataset: classes, images or columns, missing values, duplicates."""
    from bench import dataset_record, overview
    from bench.run import look

    catalog = _catalog(options)
    use = catalog.resolve("datasets", options.name)
    found = look(use, catalog)
    _show(options, found, overview.data_text(found))
    if use == catalog.plain(use):  # the site shows datasets as they are published
        print(f"written to {dataset_record.write(options.results, found)}", file=sys.stderr)
    return FINE


def new(options: argparse.Namespace) -> int:
    """Write a plugin or a suite of your own to start from."""
    from bench import starters

    folder = options.plugins[-1] if options.plugins else Path("plugins")
    path = starters.write(options.kind, options.name, folder)
    own = "" if (folder / "cards.py").exists() else f" --plugins {folder}"  # the package needs no naming
    use = f"bench run {options.name}" if options.kind == "suite" else f"bench run SUITE{own}"
    print(f"{path} is written and works as it is; change it, then: {use}")
    return FINE


def schema(options: argparse.Namespace) -> int:
    """Print the JSON Schema of suite files, of records or of what `check --json` prints."""
    import msgspec

    from bench.check import Report
    from bench.planning import suite_file
    from bench.records import Record

    kinds = {"record": Record, "report": Report}
    found = suite_file.schema() if options.of == "suite" else msgspec.json.schema(kinds[options.of])
    print(json.dumps(found, indent=2))
    return FINE


def doctor(options: argparse.Namespace) -> int:
    """Say which datasets, weights, runtimes, backends and devices are here."""
    from bench import doctor as doctoring

    found = doctoring.examine(_catalog(options))
    _show(options, found, doctoring.text(found))
    return FINE


def clean(options: argparse.Namespace) -> int:
    """Delete logs, what was kept to save time, and the networks that no record in the results folder names."""
    from bench.run import clean as cleaning

    done, problems = cleaning(options.results, everything=options.all)
    print(done)
    return _name_problems(problems)


def _plan(options: argparse.Namespace, *, told: bool = False) -> tuple["Suite", "Catalog", "Plan"]:
    """Return the plan that options ask for; its notes are for a person, once."""
    from bench.planning import plan as planning
    from bench.planning import suite as suites
    from bench.query import Query
    from bench.tasks import home

    catalog = _catalog(options)
    suite = suites.read(suites.find(options.suite), catalog)
    made = planning.make(
        suite,
        catalog,
        options.results,
        home().artifacts,
        only=Query(options.only) if options.only is not None else None,
        fresh=options.fresh,
        retry_failed=options.retry_failed,
        need_artifacts=options.artifacts,
        backend=os.environ.get("KERAS_BACKEND", "tensorflow"),
    )
    for note in () if told else made.notes:
        print(f"bench: {note}", file=sys.stderr)
    return suite, catalog, made


def _catalog(options: argparse.Namespace) -> "Catalog":
    from bench.catalog import Catalog

    return Catalog(options.plugins)


def _show(options: argparse.Namespace, value: Any, text: str) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() if options.json else text)


def _name_problems(problems: Sequence[str]) -> int:
    for problem in problems:
        print(f"bench: skipped {problem}", file=sys.stderr)
    return BROKEN_RECORDS if problems else FINE
