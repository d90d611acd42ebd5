"""The command as a person meets it: exit codes, one-line errors, speed, nothing heavy imported."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import factory
import msgspec
import pytest
import sample_suites
from conftest import ROOT, Bench
from timings import timed

from bench import arguments, cards, cli, dataset_record, doctor, hand_over, store
from bench.catalog import KINDS, Catalog
from bench.overview import Found
from bench.records import Record

HEAVY = ["tensorflow", "keras", "jax", "pandas", "matplotlib", "seaborn", "sklearn", "scipy", "mkdocs", "kagglehub"]
VERBS = [
    "list",
    "plan",
    "run",
    "measure",
    "best",
    "model",
    "prove",
    "data",
    "new",
    "show",
    "check",
    "findings",
    "site",
    "export",
    "schema",
    "doctor",
]
VERBS += ["clean"]


def bench_process(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    return python("-m", "bench", *words)


def python(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that finds bench."""
    return subprocess.run(
        [sys.executable, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def cpu_of_children_s() -> float:
    """Return the seconds that commands took so far; unlike a clock's they do not grow when other tests run beside."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize(
    "words",
    [["--help"], ["list"], ["plan", "digits"], ["schema", "suite"], ["schema", "record"], ["doctor"]],
    ids=" ".join,
)
def test_light_verbs_import_nothing_heavy(workplace: Path, words: list[str]) -> None:
    script = (
        "import sys; from bench.cli import main\n"
        f"try: code = main({words!r})\nexcept SystemExit as stop: code = stop.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )
    done = python("-c", script)
    assert done.stderr.strip() == "[] 0"


def test_what_is_missing_is_named_with_the_command_that_brings_it() -> None:
    assert (
        doctor._packages(("no-such", "numpy"), "pip install it")
        == "not here: no-such is not installed (pip install it)"
    )
    some = doctor._packages(("numpy", "numpy-gpu", "no-such"), "pip install it")
    assert re.fullmatch(r"here: numpy 2[\d.]+; not installed: no-such \(pip install it\)", some), "a variant is enough"


def test_check_imports_no_framework(workplace: Path) -> None:
    sample_suites.write_results(workplace / "results")
    sample_suites.write_results(workplace / "before")
    script = (
        "import sys; from bench.cli import main; main(['check', '--baseline', 'before'])\n"
        "print([name for name in ('tensorflow', 'keras', 'pandas', 'matplotlib', 'sklearn') if name in sys.modules])"
    )
    done = python("-c", script)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    spent = []
    for _ in range(3):
        before = cpu_of_children_s()
        assert bench_process("--help").returncode == 0
        spent.append(cpu_of_children_s() - before)
    assert min(spent) < 0.3


def test_a_plan_of_ten_thousand_runs_is_quick(workplace: Path) -> None:
    calls = "\n".join(f"  - mlp(width={width})" for width in range(1, 1001))
    Path("suites/large.yaml").write_text(
        f"title: L\ndatasets: [digits]\narchitectures:\n{calls}\nseeds: [{', '.join(map(str, range(10)))}]\n"
    )
    before = cpu_of_children_s()
    done = bench_process("plan", "large", "--json")
    assert len(json.loads(done.stdout)["runs"]) == 10_000
    assert cpu_of_children_s() - before < 2


def test_plan_as_json(workplace: Path, bench: Bench) -> None:
    found = json.loads(bench("plan", "digits", "--json").stdout)
    assert found["suite"] == "digits"
    assert {"id", "status", "reason", "cost_s"} <= found["runs"][0].keys()
    assert {run["status"] for run in found["runs"]} == {"new"}
    assert all(run["cost_s"] > 0 for run in found["runs"])


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository whose results are all new."""
    place = tmp_path_factory.mktemp("repository")
    sample_suites.write_results(place / "results")
    git = ["git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], check=True)
    return place


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["plan", "digit"], 2, "suites/digit.yaml: no such suite; did you mean 'digits'?"),
        (["plan", "digits", "--only", "sed=0"], 2, "no field 'sed'; did you mean 'seed'?"),
        (["run", "nowhere/x.yaml"], 2, "nowhere/x.yaml: no such suite file"),
        (["show", "nothing"], 2, "no run 'nothing'"),
        (["check"], 3, "none with a counterpart"),
        (["check", "--baseline", "no-such-revision"], 2, "no-such-revision"),
        (["findings", "digit"], 2, "no records of a suite 'digit'; did you mean 'digits'?"),
        (["export", "x.xlsx"], 2, ".csv"),
        (["plan", "digits", "--plugins", "nowhere"], 2, "nowhere: no such folder of plugins"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_one_line_with_their_exit_code(
    workplace: Path, repository: Path, bench: Bench, words: list[str], code: int, says: str
) -> None:
    shutil.copytree(repository, workplace, dirs_exist_ok=True)
    done = bench(*words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_broken_records_are_named_and_the_exit_code_says_so(workplace: Path, bench: Bench) -> None:
    sample_suites.write_results(Path("results"))
    sample_suites.write_results(Path("before"))
    folder = next(Path("results").glob("*/*/"))
    (folder / "newer.json").write_text('{"schema": 99}')
    for words in (["plan", "digits"], ["check", "--baseline", "before"], ["findings"]):
        done = bench(*words)
        assert done.returncode == 4, done.stderr + done.stdout
        assert "newer.json" in done.stderr + done.stdout


def test_show_reads_what_a_run_left(workplace: Path, bench: Bench) -> None:
    sample_suites.write_results(Path("results"))
    record = next(record for record in store.read(Path("results")).records if record.status == "finished")
    found = json.loads(bench("show", f"{record.cell_id}-s{record.seed}", "--json").stdout)
    assert found["id"].startswith(record.cell_id)
    assert found["files"]
    assert "accuracy" in bench("show", f"{record.cell_id}-s{record.seed}").stdout


def test_every_verb_and_plugin_is_documented() -> None:
    readme = (ROOT / "README.md").read_text()
    help_text = arguments.parser(dict.fromkeys(VERBS, cli.main)).format_help()
    for verb in VERBS:
        assert f"bench {verb}" in readme
        assert re.search(rf"^    {verb} ", help_text, re.MULTILINE)
    names = {name for kind in KINDS for name in Catalog().names(kind)}
    for call in re.findall(r"`(\w+)\(.*?\)`", readme):
        assert call in names


def test_every_kind_of_plugin_can_be_listed() -> None:
    assert (*cards.KINDS, "suites") == arguments.KINDS


def test_a_network_can_be_had_in_every_format() -> None:
    assert tuple(hand_over.FILES) == arguments.NETWORKS


@pytest.mark.parametrize("call", ["diabetes", "diabetes(train_size=100, label_noise=0.1)"])
def test_a_card_names_the_columns_of_a_table_where_they_are_known(call: str) -> None:
    catalog = Catalog()
    made = factory.record(msgspec.structs.replace(factory.cell(), dataset=catalog.resolve("datasets", call)))
    assert made.data is not None
    (explored,) = [one for one in dataset_record.read(ROOT / "results")[0] if one.dataset.name == "diabetes"]
    facts = msgspec.structs.replace(made.data, shape=(8,), source=explored.source)
    table = msgspec.structs.replace(made, data=facts)
    columns = hand_over._columns(ROOT / "results", table, catalog)
    assert columns[:2] == ["Pregnancies", "Glucose"]
    assert hand_over._input(table, columns).endswith("NaN for missing: " + ", ".join(columns))
    wider = msgspec.structs.replace(table, data=msgspec.structs.replace(facts, shape=(9,)))
    assert not hand_over._columns(ROOT / "results", wider, catalog), "which are not those of other data"
    assert not hand_over._columns(ROOT / "results", made, catalog), "nor of another source"
    assert "if len(sys.argv) != 9:\n    sys.exit(__doc__)" in hand_over.program(table, "litert")


def test_a_card_says_why_it_has_no_latency() -> None:
    made = factory.record()
    assert made.artifact is not None
    parent = made.artifact.digest

    def told(*timings: Record) -> list[tuple[str, str]]:
        return hand_over._timings(Found("run", [made, *timings], []), made, "litert")

    ((_, valid),) = told(timed(parent=parent, p50_ms=0.5))
    assert valid.startswith("0.500 ms, half of all calls with one example; ")
    ((name, doubt),) = told(timed(parent=parent, validity="unstable", reasons=("a neighbour", "and more")))
    assert (name, doubt) == (
        "Latency on litert",
        "unstable, so not to be relied on: a neighbour; bench measure demo takes it again",
    )
    missing = [("Latency", "no timing on what runs this file; bench measure demo takes one")]
    assert told() == told(timed(parent=parent, runtime="openvino")) == told(timed(parent="0" * 64)) == missing
