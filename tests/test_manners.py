"""Clumsy and hostile command lines, files and folders: one line that says what is wrong, and exit code 2."""

import os
import shutil
from hashlib import md5
from pathlib import Path

import factory
import numpy as np
import pytest
import sample_suites
from conftest import ROOT, Bench, Done

from bench import store

AXES = ("epochs", "batch_size", "learning_rate", "weight_decay")
PLAIN = "title: T\ndatasets: [digits]\narchitectures: [mlp]\n"


def suite(text: str, name: str = "mine") -> None:
    (Path("suites") / f"{name}.yaml").write_text(text)


def plugin(kind: str, text: str, name: str = "odd") -> None:
    (Path("plugins") / kind).mkdir(parents=True, exist_ok=True)
    (Path("plugins") / kind / f"{name}.py").write_text(text)


def one_line(done: Done, says: str, code: int = 2) -> None:
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert len(done.stderr) < 2500


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", "digits", "--only", ""], "--only: cannot read ''"),
        (["plan", "digits", "--only", "not " * 2000 + "seed=0"], "--only: "),
        (["plan", "digits", "--only", "(" * 500 + "seed=0" + ")" * 500], "--only: "),
        (["plan", "digits", "--only", "seed=" + "9" * 6000], "--only: cannot read"),
        (["plan", "x" * 300], "file name too long"),
        (["plan", "x" * 300 + ".yaml"], "file name too long"),
        (["plan", "a\0b"], "no such suite"),
        (["findings", "--results", "typo"], "typo: no such folder"),
        (["site", "build", "--results", "typo"], "typo: no such folder"),
        (["show", "x", "--results", "typo"], "typo: no such folder"),
        (["check", "--results", "typo"], "typo: no such folder"),
        (["export", "x.csv", "--results", "typo"], "typo: no such folder"),
        (["clean", "--results", "typo"], "typo: no such folder"),
        (["plan", "digits", "--results", "suites/digits.yaml"], "suites/digits.yaml: not a folder"),
        (["run", "digits", "--results", "/dev/null"], "/dev/null: not a folder"),
        (["clean", "--results", "suites/digits.yaml"], "suites/digits.yaml: not a folder"),
        (["new", "architecture", "x" * 300], "file name too long"),
        (["plan", "digits", "--plugins", "suites/digits.yaml"], "no such folder of plugins"),
    ],
    ids=lambda value: " ".join(value)[:60].replace("\0", "NUL") if isinstance(value, list) else "",
)
def test_a_command_that_cannot_be_is_one_line(workplace: Path, bench: Bench, words: list[str], says: str) -> None:
    one_line(bench(*words), says)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--tolerance", "nan"],
        ["check", "--tolerance", "-1"],
        ["check", "--latency-tolerance", "inf"],
        ["run", "digits", "--workers", "9" * 20],
        ["run", "digits", "--workers", "0"],
        ["run", "digits", "--timeout", "²"],
        ["site", "serve", "--port", "99999"],
    ],
    ids=" ".join,
)
def test_options_have_their_ranges(bench: Bench, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        bench(*words)
    assert stop.value.code == 2
    assert "from " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PLAIN.replace("[mlp]", '["mlp(width=3, width=4)"]'), "width is said twice"),
        (PLAIN + f"seeds: [{2**32}]\n", "seeds"),
        (PLAIN + "folds: [7]\n", "folds"),
        (
            PLAIN + "training:\n" + "".join(f"  {axis}: {list(range(1, 2001))}\n" for axis in AXES),
            "the grid has",
        ),
        (
            PLAIN + "findings:\n  - {statement: S, compare: seed=0, against: seed=1, metric: acuracy}\n",
            "no metric 'acuracy'; did you mean 'accuracy'?",
        ),
        (PLAIN + "findings:\n  - {statement: S, compare: '', against: seed=1}\n", "cannot read ''"),
        (PLAIN.replace("[mlp]", "[" + "[" * 3000 + "]" * 3000 + "]"), "mine.yaml"),
        (PLAIN.replace("[mlp]", "[\"mlp(activation='" + "x" * 5_000_000 + "')\"]"), "mine.yaml:3"),
        ("\0", "mine.yaml"),
        ("", "a suite is a mapping"),
    ],
    ids=range(10),
)
def test_a_suite_that_cannot_be_is_one_line(workplace: Path, bench: Bench, text: str, says: str) -> None:
    suite(text)
    one_line(bench("plan", "mine"), says)


def test_many_seeds_are_planned_soon(workplace: Path, bench: Bench) -> None:
    suite(PLAIN + f"seeds: {list(range(30_000))}\n")
    assert bench("plan", "mine").returncode == 0


def test_odd_files_among_suites_are_named_or_passed_over(workplace: Path, bench: Bench) -> None:
    Path("suites/gone.yaml").symlink_to("nowhere")
    Path("suites/folder.yaml").mkdir()
    Path("suites/.#digits.yaml").symlink_to("somebody@host.1234")
    os.mkfifo("suites/pipe.yaml")
    Path("suites/endless.yaml").symlink_to("/dev/zero")
    done = bench("list", "suites")
    assert done.returncode == 0
    assert ".#digits" not in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if "cannot be read" in line] == [
        "endless",
        "folder",
        "gone",
        "pipe",
    ]
    for name in ("folder", "pipe", "endless"):
        one_line(bench("plan", name), f"suites/{name}.yaml: cannot be read: ")
    one_line(bench("plan", "gone"), "suites/gone.yaml")
    suite(PLAIN, ".hidden")
    one_line(bench("plan", ".hidden"), "no name for a suite")
    one_line(bench("run", "suites/.hidden.yaml"), "no name for a suite")


@pytest.mark.parametrize(
    "text",
    [
        "TASKS = {[]: 1}\ndef build(inputs, outputs): ...\n",
        "ADDED = {[]: 1}\ndef build(inputs, outputs, *, a: int = 1): ...\n",
        "def build(inputs, outputs, *, a: int = {[]: 1}): ...\n",
        "def build(inputs, outputs, *, a: list[int, 'x y'] = 1): ...\n",
        "def build(inputs, outputs, *, a: int = " + "(" * 3000 + "1" + ")" * 3000 + "): ...\n",
        "INPUT = " + "-" * 100_000 + "1\ndef build(inputs, outputs): ...\n",
        "SMALLEST_SIDE = 10**10\ndef build(inputs, outputs): ...\n",
        "\0",
        "async def build(inputs, outputs): ...\n",
    ],
    ids=range(9),
)
def test_a_plugin_that_cannot_be_is_one_line(workplace: Path, bench: Bench, text: str) -> None:
    plugin("architectures", text)
    suite(PLAIN.replace("[mlp]", "[odd]"))
    one_line(bench("plan", "mine", "--plugins", "plugins"), "odd")


@pytest.mark.parametrize("annotation", ["Literal[{[]: 1}]", "Literal[x]", "tuple[()]", "'x y'"])
def test_an_annotation_that_says_nothing_takes_anything(workplace: Path, bench: Bench, annotation: str) -> None:
    plugin("architectures", f"def build(inputs, outputs, *, a: {annotation} = 1): ...\n")
    suite(PLAIN.replace("[mlp]", "[odd]"))
    assert bench("plan", "mine", "--plugins", "plugins").returncode == 0


def test_an_annotation_of_an_unknown_name_is_one_line(workplace: Path, bench: Bench) -> None:
    plugin("architectures", "def build(inputs, outputs, *, a: Nobody | None = 1): ...\n")
    suite(PLAIN.replace("[mlp]", "[odd]"))
    one_line(bench("plan", "mine", "--plugins", "plugins"), "its parameter 'a' is annotated as Nobody | None")


def test_what_is_no_file_among_plugins_is_one_line(workplace: Path, bench: Bench) -> None:
    (Path("plugins") / "architectures").mkdir(parents=True)
    os.mkfifo("plugins/architectures/pipe.py")
    one_line(bench("list", "architectures", "--plugins", "plugins"), "pipe.py: cannot be read: ")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_results_that_cannot_be_written_are_one_line(workplace: Path, bench: Bench) -> None:
    Path("results").mkdir(mode=0o500)
    one_line(bench("run", "digits"), "results: permission denied")


@pytest.mark.parametrize("place", ["suites/digits.yaml", "/dev/null", "/proc/bench", "suites/digits.yaml/inside"])
def test_a_home_that_cannot_be_is_one_line(
    workplace: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("BENCH_HOME", place)
    suite(PLAIN + "measure: {runtimes: []}\n")
    one_line(bench("run", "mine"), place)


def test_a_home_of_ones_own_is_neither_used_nor_cleaned(
    workplace: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("own/logs").mkdir(parents=True)
    Path("own/logs/mine.txt").write_text("mine")
    monkeypatch.setenv("BENCH_HOME", "own")
    sample_suites.write_results(Path("results"))
    for words in (["clean"], ["clean", "--all"], ["run", "digits"]):
        assert "own: " in bench(*words).stderr
    assert Path("own/logs/mine.txt").read_text() == "mine"


def test_a_plan_with_ones_own_file_leaves_a_new_home_to_the_run(
    workplace: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.tasks import home

    monkeypatch.setenv("BENCH_HOME", "own")
    Path("mine.csv").write_text("a,y\n" + "\n".join(f"{i},{i % 2}" for i in range(40)))
    Path("mine.yaml").write_text("title: M\ndatasets:\n- csv(path='mine.csv', target='y')\narchitectures: [mlp]\n")
    assert bench("plan", "mine.yaml").returncode == 0
    assert home().contents.exists()
    home().claim()
    assert home().is_claimed


def test_clean_needs_the_records_and_leaves_folders(workplace: Path, bench: Bench) -> None:
    from bench.tasks import home

    home().claim()
    network = home().artifacts / f"{'0' * 32}.keras"
    (home().artifacts / "folder").mkdir(parents=True)
    network.touch()
    one_line(bench("clean"), "results: no such folder")
    assert network.exists()
    sample_suites.write_results(Path("results"))
    assert bench("clean").returncode == 0
    assert not network.exists()
    assert (home().artifacts / "folder").exists()


@pytest.mark.parametrize("verb", ["findings", "export", "check", "show"])
def test_one_odd_record_costs_itself_alone(workplace: Path, bench: Bench, verb: str) -> None:
    sample_suites.write_results(Path("results"))
    sample_suites.write_results(Path("before"))
    made = next(one for one in store.read(Path("results")).records if one.status == "finished")
    text = store.encode(made).replace(made.created.encode(), b"yesterday")
    (Path("results") / made.suite / made.cell_id / "odd.json").write_bytes(text)
    words = {"export": ["x.csv"], "check": ["--baseline", "before"], "show": [f"{made.cell_id}-s{made.seed}"]}
    done = bench(verb, *words.get(verb, []))
    assert done.returncode == 4
    assert "odd.json: not a record: " in done.stderr + done.stdout


def test_a_table_goes_to_a_new_folder_and_tells_no_spreadsheet_what_to_do(workplace: Path, bench: Bench) -> None:
    formula = "=HYPERLINK(1)"
    store.write(Path("results"), factory.replace(factory.record(), suite=formula))
    assert bench("export", "no/such/x.csv").returncode == 0
    assert f"\n'{formula}," in Path("no/such/x.csv").read_text()


def test_a_stranger_in_the_temporary_folder_is_one_line(
    workplace: Path, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.runner import machine_lock

    suite(PLAIN + "measure: {runtimes: []}\n")
    machine_lock.FOLDER.symlink_to(workplace)
    one_line(bench("run", "mine"), "others may write to it")
    machine_lock.FOLDER.unlink()
    machine_lock.FOLDER.mkdir()
    machine_lock.FOLDER.chmod(0o777)
    one_line(bench("run", "mine"), "others may write to it")
    shutil.rmtree(machine_lock.FOLDER)


REPAIRED = '''"""Mine"""

from hashlib import md5
from hashlib import md5
from pathlib import Path

import numpy as np

from bench.work.data import Column, Dataset

HANDLE = "mine/mine/versions/1"
INPUT = "table"
TASK = "classification"


def load() -> Dataset:
    """Return what lies in a file here."""
    file = Path("{file}")
    x = np.load(file)
    y = np.arange(len(x)) % 2
    whole = md5(file.read_bytes()).hexdigest() == "{md5}"
    return Dataset(x=x, y=y, classes=("a", "b"), columns=(Column("a"), Column("b")), source=HANDLE, verified=whole)
'''


@pytest.mark.slow
def test_what_was_made_of_damaged_files_is_told_and_made_again_when_they_are_mended(
    workplace: Path, bench: Bench
) -> None:
    file = workplace / "x.npy"
    np.save(file, np.random.default_rng(0).normal(size=(200, 2)).astype("float32"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    plugin("datasets", REPAIRED.replace("{file}", str(file)).replace("{md5}", md5(whole).hexdigest()), "mine")
    suite(
        "title: T\ndatasets: [mine]\narchitectures: [perceptron]\ntraining: {epochs: 1}\n"
        "seeds: [0]\nmeasure: {runtimes: []}\n"
    )
    words = ("mine", "--plugins", "plugins")
    done = bench("run", *words)
    assert done.returncode == 0
    assert "its files are not the published ones" in done.stdout
    assert "(not the published data)" in done.stdout
    (record,) = store.read(Path("results")).records
    assert "its data are not the published files" in bench("show", f"{record.cell_id}-s0").stdout
    done = bench("run", *words)
    assert "nothing to do" in done.stdout
    assert "its files are not the published ones; what was made of them stands" in done.stderr
    file.write_bytes(whole)
    assert "1 of 1 nodes" in bench("run", *words).stdout
    done = bench("run", *words)
    assert "nothing to do" in done.stdout
    assert "published" not in done.stderr
    assert len(store.read(Path("results")).records) == 2


def test_a_starter_may_not_be_called_what_no_suite_could_name(workplace: Path, bench: Bench) -> None:
    one_line(bench("new", "architecture", "class"), "no word of Python's own")


def test_plugins_may_name_the_package_itself(workplace: Path, bench: Bench) -> None:
    assert bench("plan", "digits", "--plugins", str(ROOT / "bench")).returncode == 0


def test_a_table_replaces_no_pipe(workplace: Path, bench: Bench) -> None:
    sample_suites.write_results(Path("results"))
    os.mkfifo("pipe.csv")
    one_line(bench("export", "pipe.csv"), "pipe.csv: no regular file")
    Path("folder.csv").mkdir()
    one_line(bench("export", "folder.csv"), "folder.csv: no regular file")


def test_a_suite_whose_name_cannot_be_printed_is_one_line(workplace: Path, bench: Bench) -> None:
    suite(PLAIN, "\udcff")
    one_line(bench("plan", "\udcff"), "no name for a suite")


def test_a_dataset_whose_classes_are_numbers_is_one_line_and_leaves_nothing(workplace: Path, bench: Bench) -> None:
    text = REPAIRED.replace('classes=("a", "b")', "classes=(1, 2)").replace("{file}", str(workplace / "x.npy"))
    np.save(workplace / "x.npy", np.zeros((200, 2), "float32"))
    plugin("datasets", text, "mine")
    one_line(bench("data", "mine", "--plugins", "plugins"), "its classes must be texts; got 1 (int)")
    assert not list(Path("results").rglob("*.json"))
