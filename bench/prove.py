"""The verb `prove`: does changed code still do the same? Old and new run a shortened cell, bit for bit.

Stale records are grouped (see `bench.planning.proof`). Of each group one cell, with few examples
and few epochs, is run in a `git worktree` of the record's commit and here, with equal packages and
threads. Equal networks, figures and curves make the two states of the code equal for the group.
"""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from bench import store
from bench.cards import read_card
from bench.catalog import CALLS, PACKAGE, Catalog
from bench.disk import write_atomic
from bench.errors import BenchError, PluginError
from bench.planning.identity import OF_SEEDS
from bench.planning.plan import Plan
from bench.planning.proof import FOLDER, Group, Probe, Proof, group_of, without_files
from bench.records import Record, Use, canonical
from bench.store import Header, now
from bench.tasks import PACKAGES, Node, commit, versions

BATCHES, EPOCHS = 3.4, 3
"""Batches in an epoch of a probe, the last one not full, and epochs."""
MOST_EXAMPLES = 20_000
"""A probe learns from no more where it cannot learn from fewer."""
CLOCK = {"s", "B"}
"""Units of figures that differ from run to run: seconds, and bytes of files that hold the time."""


class Outcome(Struct, frozen=True):
    """What became of a group of stale records."""

    group: Group
    records: int
    proved: bool
    reason: str
    """Why not, or by which commits."""


class Stale(Struct, frozen=True):
    """A record whose code has changed since, standing for its group."""

    node: Node
    header: Header
    record: Record
    fields: dict[str, Any]
    """The record's cell in the words of the schema that it was written with."""


class _Unproved(Exception):
    """A group cannot be proved; the text says why."""


def prove(plan: Plan, catalog: Catalog, results: Path) -> Iterator[Outcome]:
    """Probe every group of the plan's stale records, leave a file for each that is proved, and say how it went."""
    groups: dict[Group, list[Stale]] = defaultdict(list)
    for step in plan.steps.values():
        made = step.record
        if step.status != "stale" or not made or made.status != "finished" or not made.artifact:
            continue
        if not plan.proofs.equal(made, step.node):
            groups[group_of(made)].append(_read(step.node, made))
    if not groups:
        return
    head, dirty = commit()
    if head is None or dirty:
        raise BenchError("the code here is in no commit; commit it first, so that a proof can name it")
    first = {group: min(stale, key=lambda one: (one.node.fold, one.node.seed or 0)) for group, stale in groups.items()}
    for batch in _batches(first):
        try:
            probed = _probe([first[group] for group in batch], catalog)
        except _Unproved as error:
            yield from (Outcome(group, len(groups[group]), False, str(error)) for group in batch)
            continue
        for group in batch:
            one = first[group]
            code = without_files(one.header.provenance.code)
            count = sum(without_files(other.header.provenance.code) == code for other in groups[group])
            before, after = probed[group]
            if before is None or after is None:
                when = "then" if before is None else "now"
                yield Outcome(group, count, False, f"the code of {when} left no record of {one.header.cell_id}")
            elif reason := _difference(one, before, after):
                yield Outcome(group, count, False, reason)
            else:
                proof = _proof(group, one, before, after, head)
                state = sha256(canonical((group, code))).hexdigest()
                name = f"{one.header.cell_id}-{one.node.kind}-{state[:8]}-{head[:8]}.json"
                write_atomic(results / FOLDER / name, msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n")
                yield Outcome(group, count, True, f"{proof.before.commit[:12]} and {head[:12]} do the same")


def _read(node: Node, header: Header) -> Stale:
    assert header.path is not None
    fields = msgspec.json.decode(header.path.read_bytes())["cell"]
    return Stale(node=node, header=header, record=store.read_file(header.path, Record), fields=fields)


def _batches(first: dict[Group, Stale]) -> list[list[Group]]:
    """Return the groups in lots that one run of one suite probes, no cell more: networks × datasets × recipes."""
    recipes: dict[bytes, set[bytes]] = defaultdict(set)
    lots: dict[bytes, list[Group]] = defaultdict(list)

    def key(one: Stale, *more: Any) -> bytes:
        made, cell = one.header.provenance, one.header.cell
        alike = (made.commit, made.dirty, made.packages, made.backend, made.threads, one.node.seed, one.node.fold)
        return msgspec.json.encode((alike, one.fields["training"], cell.dataset, *more))

    for one in first.values():
        recipes[key(one, one.fields["architecture"])].add(msgspec.json.encode(one.fields["techniques"]))
    for group, one in first.items():
        lots[key(one, sorted(recipes[key(one, one.fields["architecture"])]))].append(group)
    return list(lots.values())


def _probe(stale: Sequence[Stale], catalog: Catalog) -> dict[Group, tuple[Record | None, Record | None]]:
    """Run the shortened cells of one lot with the code of then and with that of now; return both records of each.

    A record is None where the code does not know the cell, such as of a technique whose settings have changed.
    """
    made = stale[0].header.provenance
    if made.commit is None:
        raise _Unproved("the code that made these records is in no commit")
    here = versions(PACKAGES)
    for name in PACKAGES:
        if name == "jax" != made.backend:
            continue  # another backend than the one that made these
        wanted, has = made.packages.get(name, "none"), here.get(name, "none")
        if wanted != has:
            raise _Unproved(f"made with {name} {wanted}, here is {has}; install the same to prove it")
    if any(_is_mixed(one) for one in stale):
        raise _Unproved("a cell of another dataset stands inside, which a probe does not shorten")
    root = _git("rev-parse", "--show-toplevel")
    if root is None or _git("cat-file", "-e", f"{made.commit}^{{commit}}") is None:
        raise _Unproved(f"no commit {made.commit[:12]} here; fetch it")
    with _worktree(made.commit) as then, tempfile.TemporaryDirectory() as scratch:

        def of_then(path: Path) -> Path:
            """Return where a path of the repository lies in the worktree; one outside is the same for both."""
            whole = path.resolve()
            return then / whole.relative_to(root) if whole.is_relative_to(root) else whole

        def both(name: str, *, shorten: bool) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
            plugins = [of_then(folder) for folder in catalog.folders]
            of_now = [msgspec.to_builtins(one.header.cell) for one in stale]
            old = _suite([one.fields for one in stale], stale, catalog, [of_then(PACKAGE), *plugins], shorten=shorten)
            new = _suite(of_now, stale, catalog, [PACKAGE, *catalog.folders], shorten=shorten)
            return (
                _run(of_then(Path.cwd()), plugins, old, made.backend, Path(scratch, f"then-{name}")),
                _run(Path.cwd(), catalog.folders, new, made.backend, Path(scratch, f"now-{name}")),
            )

        try:
            before, after = both("short", shorten=True)
        except _Unproved as error:
            if "train_size" not in str(error):
                raise
            largest = max(one.record.data.n_train for one in stale if one.record.data)
            if largest > MOST_EXAMPLES:
                raise _Unproved(
                    f"older than datasets that can be made smaller, and a probe on all {largest:,} examples takes "
                    "as long as a training; run it again"
                ) from error
            before, after = both("whole", shorten=False)  # options of datasets are younger than some records
    found = {}
    for one in stale:
        old = next((record for record in before if _is_probe_of(record, one)), None)
        new = next((record for record in after if _is_probe_of(record, one)), None)
        found[group_of(one.header)] = (old, new)
    return found


def _is_mixed(one: Stale) -> bool:
    cell = one.header.cell
    return any(inner.dataset != cell.dataset for inner in cell.named)


def _suite(
    cells: list[dict[str, Any]], stale: Sequence[Stale], catalog: Catalog, plugins: Sequence[Path], *, shorten: bool
) -> dict[str, Any]:
    """Return a suite of shortened cells, in the words of whichever schema they are in, for the code in `plugins`."""

    def full(kind: str, use: dict[str, Any]) -> Use:
        return _written_out(plugins, kind, Use(**use))

    made, seed = stale[0].header.provenance, stale[0].node.seed
    training = {
        key: str(full(CALLS[key], value)) if isinstance(value, dict) else value
        for key, value in cells[0]["training"].items()
    }
    training["epochs"] = min(training["epochs"], EPOCHS)
    training["warmup_epochs"] = min(training["warmup_epochs"], 1)
    datasets, architectures, recipes = [], [], []
    for cell, one in zip(cells, stale, strict=True):
        datasets.append(_here(catalog, "datasets", full("datasets", cell["dataset"]), _few(one) if shorten else {}))
        architectures.append(_here(catalog, "architectures", full("architectures", cell["architecture"]), {}))
        recipes.append([str(_without_seeds(full("techniques", use))) for use in cell["techniques"]])
    return {
        "title": "Probe",
        "datasets": list(dict.fromkeys(datasets)),
        "architectures": list(dict.fromkeys(architectures)),
        "recipes": {f"recipe{i}": list(recipe) for i, recipe in enumerate(dict.fromkeys(map(tuple, recipes)))},
        "training": training,
        "seeds": _seeds(stale[0]) if seed is None else [seed],
        "folds": [stale[0].node.fold],
        "measure": {"runtimes": []},
        "threads": made.threads,
    }


def _seeds(one: Stale) -> list[int]:
    """Return the seeds whose networks a network without a seed was made of; any will do for one from a file."""
    named = [use.parameters[OF_SEEDS] for use in one.header.cell.techniques if OF_SEEDS in use.parameters]
    return list(named[0]) if named else [0]


def _without_seeds(use: Use) -> Use:
    return Use(use.name, {key: value for key, value in use.parameters.items() if key != OF_SEEDS})


def _few(one: Stale) -> dict[str, int]:
    """Return the option for so many examples that an epoch has a few batches; none where there are no more."""
    training, data = one.header.cell.training, one.record.data
    wanted = round(BATCHES * training.batch_size / (1 - training.validation))
    known = (data.n_train + data.n_validation) if data else 0
    return {"train_size": wanted} if wanted < known else {}


def _written_out(plugins: Sequence[Path], kind: str, use: Use) -> Use:
    """Return a use with what a record leaves out: parameters that came later, which a call takes for their defaults."""
    files = (folder / kind / f"{use.name}.py" for folder in plugins)
    try:
        added = next((read_card(kind, file).added for file in files if file.exists()), {})
    except PluginError:  # of another contract
        added = {}
    return Use(use.name, added | use.parameters)


def _here(catalog: Catalog, kind: str, use: Use, more: dict[str, Any]) -> str:
    """Return a call in which a person's own files are named from the root, as the two sides run in two folders."""
    parameters = use.parameters | more
    try:
        files = catalog.paths(kind, Use(use.name, parameters))
    except BenchError:  # a name of then
        files = {}
    return str(Use(use.name, parameters | {key: str(Path(path).absolute()) for key, path in files.items()}))


def _run(
    folder: Path, plugins: Iterable[Path], suite: dict[str, Any], backend: str, scratch: Path
) -> tuple[Record, ...]:
    """Run a suite with the code of a folder and return its records; raise _Unproved if it does not run."""
    scratch.mkdir()
    file = scratch / "probe.yaml"
    file.write_bytes(msgspec.json.encode(suite))  # which is YAML
    words = [word for plugin in plugins for word in ("--plugins", str(plugin))]
    code = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", ""))).strip(os.pathsep)
    done = subprocess.run(
        (sys.executable, "-m", "bench", "run", str(file), "--results", str(scratch / "results"), *words),
        cwd=folder,
        env=os.environ | {"PYTHONPATH": code, "BENCH_HOME": str(scratch / "home"), "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise _Unproved(f"its code does not run: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return store.read(scratch / "results").records


def _is_probe_of(record: Record, one: Stale) -> bool:
    cell, of = record.cell, one.header.cell
    same_run = (record.node, record.seed, record.fold) == (one.node.kind, one.node.seed, one.node.fold)
    same_parts = (cell.source, cell.architecture) == (of.source, of.architecture)
    # Written out, a teacher's training, which is shortened too, does not show.
    return same_run and same_parts and list(map(str, cell.techniques)) == list(map(str, of.techniques))


def _difference(one: Stale, before: Record, after: Record) -> str:
    """Return in which way two probes differ, or an empty string if they do not."""
    made = one.header.provenance
    for record, code, when in ((before, made.code, "then"), (after, one.node.code, "now")):
        if without_files(record.provenance.code) != without_files(code):
            if when == "then" and made.dirty:  # unlike changes of something else, such as the suite's seeds
                return "the code that made these records is in no commit"
            return f"the code that ran for {when} is not the record's"
        wanted, here = group_of(one.header).device, record.provenance.device.partition(":")[0]
        if here != wanted:
            return f"probed on a {here}, the records are of a {wanted}"
        if record.status != "finished" or record.artifact is None:
            return f"{record.status} with the code of {when}: {record.error.message if record.error else ''}"
    assert before.artifact is not None and after.artifact is not None
    known = {_name(m): m.value for m in after.measurements}
    for m in before.measurements:
        if m.unit not in CLOCK and known.get(_name(m)) != m.value:
            return f"{m.name} was {m.value:.6g}, is {known.get(_name(m), float('nan')):.6g}"
    series = {(one.name, one.split): one for one in after.series}
    for curve in before.series:
        if series.get((curve.name, curve.split)) != curve:
            return f"the curve of {curve.name} ({curve.split}) has changed"
    if before.tables != after.tables:
        return "the tables have changed"
    if before.correct != after.correct or before.confusion != after.confusion:
        return "other examples are answered rightly"
    if before.artifact.digest != after.artifact.digest:
        return f"equal figures of another network: digest {before.artifact.digest[:12]} → {after.artifact.digest[:12]}"
    return ""


def _name(m: Any) -> tuple[str, str | None, str | None, str | None]:
    return (m.name, m.split, m.statistic, m.class_name)


def _proof(group: Group, one: Stale, before: Record, after: Record, head: str) -> Proof:
    assert before.artifact is not None and after.artifact is not None
    return Proof(
        created=now(),
        group=group,
        cell=after.cell,
        seed=after.seed,
        fold=after.fold,
        threads=after.provenance.threads,
        packages=after.provenance.packages,
        before=Probe(one.header.provenance.commit or "", one.header.provenance.code, before.artifact.digest),
        after=Probe(head, one.node.code, after.artifact.digest),
    )


@contextmanager
def _worktree(of: str) -> Iterator[Path]:
    """Check a commit out into a folder of its own for a while."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "then").resolve()
        if _git("worktree", "add", "--detach", str(place), of) is None:
            raise _Unproved(f"commit {of[:12]} cannot be checked out")
        try:
            yield place
        finally:
            _git("worktree", "remove", "--force", str(place))


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(("git", *words), capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
