"""`bench prove`: after a change of code, old records stand without being run again, where they do stand."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import factory
import msgspec
import pytest
from conftest import ROOT

from bench import prove, store, upgrades
from bench.planning import proof
from bench.planning.proof import Probe, Proof
from bench.records import Table
from bench.tasks import Node

NET = '''"""Net: one hidden layer

Made for this test.

Expect: nothing
"""

from keras import layers

INPUT = "any"
{added}

def build(inputs, outputs, *, width: int = 4{parameter}):
    x = layers.Flatten()(inputs)
    x = layers.Dense(width, activation="relu")(x)
    return layers.Dense(outputs)({answer})
'''
FIRST = NET.format(added="", parameter="", answer="x")
GROWN = NET.format(
    added='ADDED = {"slope": 1.0}\n', parameter=", slope: float = 2.0", answer="x if slope == 1 else slope * x"
)
FORGOTTEN = NET.format(added="", parameter=", slope: float = 1.0", answer="x")
OTHER = NET.format(added="", parameter="", answer="2 * x")
SUITE = """
title: T
datasets: [digits]
architectures: [net]
training: {epochs: 6, batch_size: 32}
seeds: [0, 1]
threads: 1
measure: {runtimes: []}
"""
GROWN_SUITE = SUITE.replace("[net]", '["net(slope=1.0)"]')
"""The same cell, in the words of GROWN."""


def bench(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words, "--plugins", "plugins"],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def commit(place: Path, net: str | None = None) -> str:
    if net:
        (place / "plugins" / "architectures" / "net.py").write_text(net)
    git = ("git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e")
    if not (place / ".git").exists():
        subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", ".gitignore", "plugins", "suites"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "m", "--allow-empty"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def planned(place: Path) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(bench(place, "plan", "mine", "--json").stdout)["runs"]
    return runs


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one's own with the records of its first commit."""
    place = tmp_path_factory.mktemp("own")
    (place / "plugins" / "architectures").mkdir(parents=True)
    (place / "suites").mkdir()
    (place / "suites" / "mine.yaml").write_text(SUITE)
    (place / ".gitignore").write_text(".bench\n")
    commit(place, FIRST)
    done = bench(place, "run", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    return place


@pytest.fixture
def place(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / "own")


@pytest.mark.slow
def test_a_parameter_that_came_later_leaves_old_records_standing(place: Path) -> None:
    (place / "suites" / "mine.yaml").write_text(GROWN_SUITE)
    before = commit(place, GROWN)
    assert {run["status"] for run in planned(place)} == {"stale"}, "found again under their cell, of other code"
    done = bench(place, "prove", "mine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine: 2 of 2 stale records proved" in done.stdout
    runs = planned(place)
    assert {run["status"] for run in runs} == {"cached"}
    assert "proved equal to" in runs[0]["reason"]
    count = len(list((place / "results").rglob("train-*.json")))
    assert "nothing to do" in bench(place, "run", "mine").stdout
    assert len(list((place / "results").rglob("train-*.json"))) == count == 2, "nothing was run"
    (file,) = (place / "results" / "proofs").glob("*.json")
    found = store.read_file(file, Proof)
    assert found.after.commit == before != found.before.commit
    assert found.cell.dataset.parameters["train_size"] < 200, "shortened"
    assert "nothing is left to prove" in bench(place, "prove", "mine").stdout
    (place / ".bench").rename(place / "elsewhere")
    (place / "suites" / "mine.yaml").write_text(f"{GROWN_SUITE}recipes: {{plain: [], small: [low_rank]}}\n")
    assert {run["status"] for run in planned(place)} == {"stale", "new"}, "the networks are gone, and needed"
    assert "nothing is left to prove" in bench(place, "prove", "mine").stdout, "and proved they are"


@pytest.mark.slow
def test_what_does_something_else_stays_stale_and_says_what_differs(place: Path) -> None:
    commit(place, OTHER)
    done = bench(place, "prove", "mine")
    assert done.returncode == 1
    assert "not proved: digits · net(width=4) · adam" in done.stdout
    assert " was 0." in done.stdout
    assert "mine: 0 of 2 stale records proved" in done.stdout
    assert not (place / "results" / "proofs").exists()
    assert {run["status"] for run in planned(place)} == {"stale"}


@pytest.mark.slow
def test_without_added_the_plan_says_which_parameter_made_the_cell_new(place: Path) -> None:
    commit(place, FORGOTTEN)
    (run, *_) = planned(place)
    assert run["status"] == "new"
    assert "net's parameter 'slope' is not in the records of" in run["reason"]
    assert "ADDED = {'slope': 1.0}" in run["reason"]
    assert "nothing is left to prove" in bench(place, "prove", "mine").stdout


@pytest.mark.slow
def test_code_that_is_in_no_commit_proves_nothing(place: Path) -> None:
    (place / "suites" / "mine.yaml").write_text(GROWN_SUITE)
    (place / "plugins" / "architectures" / "net.py").write_text(GROWN)
    done = bench(place, "prove", "mine")
    assert done.returncode == 2
    assert "the code here is in no commit; commit it first" in done.stderr
    commit(place)
    records = {path: path.read_text() for path in (place / "results").rglob("train-*.json")}

    def proved_where(*changes: tuple[str, str]) -> str:
        for path, text in records.items():
            for old, new in changes:
                assert text.count(old) == 1
                text = text.replace(old, new)
            path.write_text(text)
        return bench(place, "prove", "mine").stdout

    dirty, of_net = ('"dirty": false', '"dirty": true'), '"architectures/net": "'
    assert "made with keras 0" in proved_where(('"keras": "', '"keras": "0'))
    assert "the code that made these records is in no commit" in proved_where(dirty, (of_net, f"{of_net}0"))
    assert "the code that ran for then is not the record's" in proved_where((of_net, f"{of_net}0"))
    assert "2 of 2 stale records proved" in proved_where(dirty), "what had changed was something else"


def a_proof(before: str, after: str, commits: tuple[str, str]) -> Proof:
    header = header_of(before)
    return Proof(
        created=factory.CREATED,
        group=proof.group_of(header),
        cell=header.cell,
        seed=0,
        fold=0,
        threads=1,
        packages={},
        before=Probe(commits[0], {"training": before}, "d"),
        after=Probe(commits[1], {"training": after}, "d"),
    )


def header_of(code: str, **files: str) -> store.Header:
    made = factory.record()
    here = msgspec.structs.replace(made.provenance, code={"training": code, **files})
    text = msgspec.json.encode(msgspec.structs.replace(made, provenance=here))
    return upgrades.decode(text, store.Header, "made here")


def node_of(code: str, **files: str) -> Node:
    made = header_of(code)
    return Node(
        id="n", kind="train", cell_id=made.cell_id, cell=made.cell, seed=0, fold=0, code={"training": code, **files}
    )


def test_proofs_make_a_chain_and_hold_for_their_group_alone() -> None:
    proofs = proof.Proofs([a_proof("a", "b", ("1", "2")), a_proof("b", "c", ("2", "3"))])
    assert proofs.equal(header_of("a"), node_of("c"))
    assert proofs.equal(header_of("c"), node_of("a"))
    assert not proofs.equal(header_of("a"), node_of("d"))
    other = msgspec.structs.replace(header_of("a"), cell=factory.cell(architecture="lenet5"))
    assert not proofs.equal(other, node_of("c"))
    elsewhere = header_of("a")
    moved = msgspec.structs.replace(elsewhere.provenance, device="gpu:0")
    assert not proofs.equal(msgspec.structs.replace(elsewhere, provenance=moved), node_of("c"))
    longer = msgspec.structs.replace(header_of("a"), cell=factory.cell(epochs=99))
    assert proofs.equal(longer, node_of("c")), "of more epochs, too"
    modules = a_proof("a", "b", ("1", "2"))
    code = {**modules.after.code, "files/tables": "3"}  # a module of bench
    modules = msgspec.structs.replace(modules, after=msgspec.structs.replace(modules.after, code=code))
    assert proof.Proofs([modules]).equal(header_of("a"), node_of("b", **{"files/tables": "3"}))
    assert proofs.equal(header_of("a", **{"file:x": "1"}), node_of("c", **{"file:x": "1"}))
    assert not proofs.equal(header_of("a", **{"file:x": "1"}), node_of("c", **{"file:x": "2"}))


def test_nothing_is_proved_on_another_kind_of_device() -> None:
    header, node, record = header_of("a"), node_of("b"), factory.record()
    made = msgspec.structs.replace(header.provenance, device="gpu:0")
    stale = prove.Stale(node, msgspec.structs.replace(header, provenance=made), record, {})
    before = msgspec.structs.replace(
        record, provenance=msgspec.structs.replace(record.provenance, code={"training": "a"})
    )
    after = msgspec.structs.replace(
        record, provenance=msgspec.structs.replace(record.provenance, code={"training": "b"})
    )
    assert prove._difference(stale, before, after) == "probed on a cpu, the records are of a gpu"
    here = prove.Stale(node, header, record, {})
    assert prove._difference(here, before, after) == ""
    table = Table("T", ("a",), ((1.0,),))
    assert (
        prove._difference(here, before, msgspec.structs.replace(after, tables={"t": table}))
        == "the tables have changed"
    )


def test_a_proof_of_unknown_commits_is_ignored_and_named(tmp_path: Path) -> None:
    for command in (["init", "-q"], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m", "--allow-empty"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    head = subprocess.run(
        ["git", "-C", str(tmp_path), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    folder = tmp_path / "results" / proof.FOLDER
    folder.mkdir(parents=True)
    (folder / "known.json").write_bytes(msgspec.json.encode(a_proof("a", "b", (head, head))))
    (folder / "unknown.json").write_bytes(msgspec.json.encode(a_proof("b", "c", (head, "0" * 40))))
    (folder / "broken.json").write_text("{")
    found = proof.read(tmp_path / "results")
    assert found.proofs.equal(header_of("a"), node_of("b"))
    assert not found.proofs.equal(header_of("a"), node_of("c"))
    assert ["broken.json: not a record" in problem for problem in found.problems] == [True]
    (note,) = found.notes
    assert f"unknown.json: proved nothing here, as there is no commit {'0' * 12}; fetch the history" in note
