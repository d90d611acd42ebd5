"""Proofs that changed code still does the same: `results/proofs/*.json`, written by `bench prove`.

A proof holds for one group of cells: those that differ in numbers of the training alone, such as
epochs or learning rate. It makes two states of the code equal, so several make a chain.
"""

import subprocess
from collections import defaultdict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from bench import records
from bench.errors import RecordError
from bench.files.contents import PREFIX
from bench.records import SCHEMA, Cell, Use
from bench.store import Header, read_file
from bench.tasks import Node

FOLDER = "proofs"


class Group(Struct, frozen=True, order=True):
    """What cells have in common that a proof of one of them holds for."""

    source: str
    dataset: str
    architecture: str
    techniques: tuple[str, ...]
    optimizer: str
    schedule: str
    loss: str
    precision: str
    node: str
    backend: str
    device: str
    """`cpu` or `gpu`: nothing is proved from one to the other."""

    def __str__(self) -> str:
        """Return the group in a few words."""
        words = (self.dataset, self.architecture, *self.techniques)
        return " · ".join((*words, self.optimizer, f"{self.backend} on {self.device}"))


class Probe(Struct, frozen=True):
    """A shortened cell, run with one state of the code."""

    commit: str
    code: dict[str, str]
    digest: str
    """Of the network that it made."""


class Proof(Struct, frozen=True, kw_only=True):
    """Two probes with equal networks, equal figures and equal curves."""

    schema: int = SCHEMA
    created: str
    group: Group
    cell: Cell
    """The shortened cell."""
    seed: int | None
    fold: int
    threads: int
    packages: dict[str, str]
    before: Probe
    after: Probe


class Proofs:
    """Which states of the code are equal, group by group."""

    def __init__(self, found: list[Proof]) -> None:
        """Join the proofs into sets of equal states."""
        self._alike: dict[Group, dict[str, set[str]]] = defaultdict(dict)
        for proof in found:
            before, after = _state(proof.before.code), _state(proof.after.code)
            known = self._alike[proof.group]
            joined = known.get(before, {before}) | known.get(after, {after})
            known |= dict.fromkeys(joined, joined)

    def equal(self, header: Header, node: Node) -> bool:
        """Tell whether what a record says would be said by today's code of its node, of the same files."""
        if header.provenance.code == node.code:
            return True
        if _files(header.provenance.code) != _files(node.code):
            return False
        known = self._alike.get(group_of(header), {}) if self._alike else {}
        return _state(node.code) in known.get(_state(header.provenance.code), ())


def group_of(header: Header) -> Group:
    """Return the group that a record belongs to."""
    cell, training = header.cell, header.cell.training
    return Group(
        source=cell.source,
        dataset=str(cell.dataset),
        architecture=str(cell.architecture),
        techniques=tuple(_told(use) for use in cell.techniques),
        optimizer=str(training.optimizer),
        schedule=str(training.schedule),
        loss=str(training.loss),
        precision=training.precision,
        node=header.node,
        backend=header.provenance.backend,
        device=header.provenance.device.partition(":")[0],
    )


def _told(use: Use) -> str:
    """Return a technique with what a proof must know of the cells that it names."""
    inside = [
        f"{cell.source} {cell.dataset} {training.optimizer} {training.schedule} {training.loss} {training.precision}"
        for cells in use.cells().values()
        for cell in cells
        for training in [cell.training]
    ]
    return " ".join((str(use), *inside))


class Reading(Struct, frozen=True):
    """The proofs of a results folder."""

    proofs: Proofs
    problems: tuple[str, ...]
    """One line for each broken file."""
    notes: tuple[str, ...]
    """What was left aside and is no fault: proofs of commits that are not here, as in a shallow clone."""


def read(results: Path) -> Reading:
    """Read all proofs; those of commits that are not here count for nothing."""
    found: dict[Path, Proof] = {}
    problems, notes = [], []
    for path in sorted((results / FOLDER).glob("*.json")):
        try:
            found[path] = read_file(path, Proof)
        except RecordError as error:
            problems.append(str(error))
    if found:
        named = {commit for proof in found.values() for commit in (proof.before.commit, proof.after.commit)}
        unknown = _unknown(named, results)
        idle = [path for path, proof in found.items() if {proof.before.commit, proof.after.commit} & unknown]
        if idle:
            missing = ", ".join(sorted(commit[:12] for commit in unknown))
            more = f" and {len(idle) - 1} more" if len(idle) > 1 else ""
            cure = "fetch the history (git fetch --unshallow)"
            notes.append(f"{idle[0]}{more}: proved nothing here, as there is no commit {missing}; {cure}")
            found = {path: proof for path, proof in found.items() if path not in idle}
    return Reading(Proofs(list(found.values())), tuple(problems), tuple(notes))


def _unknown(commits: set[str], folder: Path) -> set[str]:
    """Return those that the git repository of a folder does not have."""
    asked = "".join(f"{commit}^{{commit}}\n" for commit in sorted(commits))
    command = ("git", "-C", str(folder), "cat-file", "--batch-check")
    try:
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return commits
    answers = done.stdout.splitlines()
    return (
        {commit for commit, answer in zip(sorted(commits), answers, strict=False) if answer.endswith("missing")}
        if len(answers) == len(commits)
        else commits
    )


def without_files(code: Mapping[str, str]) -> dict[str, str]:
    """Return the code alone, without a person's own files."""
    return {name: value for name, value in code.items() if not name.startswith(PREFIX)}


def _files(code: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in code.items() if name.startswith(PREFIX)}


def _state(code: Mapping[str, str]) -> str:
    return sha256(records.canonical(without_files(code))).hexdigest()
