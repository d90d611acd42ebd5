"""New records against a baseline: regressed, improved, unchanged or undecided.

Quality has one row for each cell: the mean over seeds of the test accuracy, or of the loss where
there is none, on equal test sets. Its interval covers the seeds' spread and the choice of test
examples; where a cell has a single seed, the spread of the suite's other cells stands in.

1. The whole interval lies within ±tolerance: unchanged, however certain the difference is.
2. p, adjusted over all rows of the check (false-discovery rate 5 %), is below 5 %: regressed or improved.
3. The interval excludes a loss beyond the tolerance: unchanged.
4. Otherwise undecided, which neither raises an alarm nor clears one.

Speed (p50 latency, throughput) is compared at equal hardware and equal measurement, valid timings
alone. Its interval runs between the extreme ratios that all seeds' intervals allow, and it has
regressed or improved only if that lies wholly beyond the tolerance.

A run that did not finish where the baseline did has regressed.
"""

import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from bench import errors, records, stats, store, upgrades, wording
from bench.errors import BenchError, NothingToCompare, RecordError
from bench.records import Measurement, Record

Verdict = Literal["regressed", "undecided", "improved", "unchanged"]
Side = Sequence[Record]
Group = tuple[bytes, str]
TIMED_PACKAGES = ("ai-edge-litert", "jax", "keras", "onnxruntime", "tensorflow", "torch")
"""Packages with another version of which a timing is of another runtime."""
"""A node of all seeds and folds, and the machine's fingerprint if it is timed."""
Scores = dict[tuple[int | None, int], stats.Score]
"""By seed and fold."""


class Row(Struct, frozen=True, kw_only=True):
    """One comparison of new records with their baseline."""

    suite: str
    cell_id: str
    label: str
    node: records.NodeKind
    better: records.Better = "higher"
    metric: str
    """`accuracy`, `loss`, `latency_ms`, `throughput`, or `status` for runs that did not finish."""
    runtime: str | None = None
    batch_size: int | None = None
    verdict: Verdict = "undecided"
    old: stats.Interval | None = None
    new: stats.Interval | None = None
    unit: str = ""
    """Of the difference: `points` for proportions and `%` for speed, both 0 to 1 here nonetheless."""
    difference: float | None = None
    """New minus old; for speed new / old - 1."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    """p adjusted for all rows of the check."""
    n: int
    """Seeds and folds on the new side."""
    reason: str


class Report(Struct, frozen=True, kw_only=True):
    """What a check found, regressions first."""

    baseline: str
    rows: tuple[Row, ...]
    counts: dict[str, int]
    """Rows of each verdict, and under `new` the records that have no counterpart."""
    problems: tuple[str, ...]
    """One line for each file that was skipped."""
    exit_code: int


def check(
    results: Path, baseline: str | Path = "HEAD", *, tolerance: float = 0.01, latency_tolerance: float = 0.1
) -> Report:
    """Compare new records with a baseline, a folder of results or else a git revision.

    `tolerance` is the loss of accuracy (0 to 1) that does not matter, and of a metric that is no
    proportion the share of its old value; `latency_tolerance` is a share as well. New are the
    files that the revision has not, or all files if the baseline is a folder. Raises
    NothingToCompare without a single pair, BenchError for a baseline that cannot be read.
    """
    if not results.is_dir():
        raise BenchError(f"{results}: no such folder; name the one that `bench run` wrote with --results")
    if not str(baseline).strip():
        raise BenchError("--baseline: name a git revision or a folder of records")
    for share in (tolerance, latency_tolerance):
        if not 0 <= share <= 1:
            raise BenchError(f"a tolerance of {share}: it is a share from 0 to 1")
    reading = store.read(results)
    new, old, problems = _sides(results, reading, baseline)
    labels = {cell.cell_id: cell.label for suite in reading.suites.values() for cell in suite.cells}
    quality = list(_quality(new, old, labels))
    adjusted = iter(stats.q_values([row.p for row in quality if row.p is not None]))
    rows = [
        *_failures(new, old, labels),
        *(_decide(row, tolerance, None if row.p is None else next(adjusted)) for row in quality),
        *(_decide(row, latency_tolerance, None) for row in _speed(new, old, labels)),
    ]
    if all(row.difference is None and row.metric != "status" for row in rows):
        raise NothingToCompare(_nothing(baseline, new, rows, problems))
    order: tuple[Verdict, ...] = get_args(Verdict)
    rows.sort(
        key=lambda row: (
            order.index(row.verdict),
            row.suite,
            row.label,
            row.node,
            row.metric,
            row.runtime or "",
            row.batch_size or 0,
        )
    )
    found = Counter(row.verdict for row in rows)
    known = {_node(record) for record in old}
    return Report(
        baseline=str(baseline),
        rows=tuple(rows),
        counts={**{name: found[name] for name in order}, "new": sum(_node(record) not in known for record in new)},
        problems=problems,
        exit_code=errors.FAILED if found["regressed"] else errors.BROKEN_RECORDS if problems else errors.FINE,
    )


def render(report: Report) -> str:
    """Return the report as plain text: a line for each row, regressions first, and a summary."""
    lines = []
    for row in report.rows:
        place = " ".join(str(part) for part in (row.metric, row.runtime, row.batch_size) if part is not None)
        shown = (
            f"{wording.difference(row.difference, row.low, row.high, row.unit)}: " if row.difference is not None else ""
        )
        lines.append(f"{row.verdict:<9}  {row.suite}  {row.label}  {row.node}  {place}  {shown}{row.reason}")
    lines += [f"skipped    {problem}" for problem in report.problems]
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items())
    return "\n".join([*lines, f"against {report.baseline}: {counts}; {len(report.problems)} broken records skipped"])


def _sides(
    results: Path, reading: store.Reading, baseline: str | Path
) -> tuple[list[Record], list[Record], tuple[str, ...]]:
    """Return the new records, the baseline's and what could not be read on either side."""
    folder = Path(baseline)
    if folder.is_dir():
        if folder.resolve() == results.resolve():
            raise BenchError(f"{folder}: is the results folder itself; name another folder or a git revision")
        other = store.read(folder)
        return list(reading.records), list(other.records), (*reading.problems, *other.problems)
    files = _files_at(results, str(baseline))
    old, problems = [], list(reading.problems)
    for name, text in files.items():
        try:
            old.append(upgrades.decode(text, Record, f"{baseline}:{name}"))
        except RecordError as error:
            problems.append(str(error))
    paths = reading.paths
    new = [one for one in reading.records if paths[id(one)].relative_to(results).as_posix() not in files]
    return new, sorted(old, key=lambda record: record.created), tuple(problems)


def _files_at(results: Path, revision: str) -> dict[str, bytes]:
    """Return the records of a git revision, by their path below `results`."""
    commit = _git(results, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        cure = "name a folder of results, or a revision of the git repository that holds the results"
        raise BenchError(f"{revision}: neither a folder nor a revision known to git at {results}; {cure}")
    listing = _git(results, "ls-tree", "-r", "-z", commit.decode().strip()) or b""
    entries = [entry.partition("\t") for entry in listing.decode().split("\0") if entry]
    names = {name: about.split()[2] for about, _, name in entries if _is_record(name)}
    stream = _git(results, "cat-file", "--batch", text="\n".join(names.values()).encode()) or b""
    return dict(zip(names, _blobs(stream), strict=True))


def _git(folder: Path, *arguments: str, text: bytes = b"") -> bytes | None:
    """Return what git prints when run in `folder`, None if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], input=text, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise BenchError("git: not found; install it, or compare with a folder: --baseline FOLDER") from error
    return done.stdout if done.returncode == 0 else None


def _is_record(name: str) -> bool:
    return name.count("/") == 2 and name.endswith(".json") and not name.rpartition("/")[2].startswith(".")


def _blobs(stream: bytes) -> Iterator[bytes]:
    """Yield the contents from `git cat-file --batch`: a line `id type size`, the content, a newline."""
    start = 0
    while start < len(stream):
        end = stream.index(b"\n", start)
        size = int(stream[start:end].split()[2])
        yield stream[end + 1 : end + 1 + size]
        start = end + size + 2


def _node(record: Record) -> bytes:
    """Return what the seeds and folds of one node share."""
    return records.canonical((record.cell_id, record.node, record.measure))


def _group(record: Record) -> Group:
    """Return what one row gathers: a node, and if it is timed, hardware and versions that timings depend on."""
    if record.measure is None:
        return _node(record), ""
    made = record.provenance
    packages = (f"{name} {made.packages[name]}" for name in TIMED_PACKAGES if name in made.packages)
    return _node(record), ", ".join((made.hardware.fingerprint, made.backend, *packages))


def _grouped(found: Iterable[Record]) -> dict[Group, list[Record]]:
    """Return the newest finished record of each seed and fold, by group."""
    groups: defaultdict[Group, list[Record]] = defaultdict(list)
    for record in found:
        groups[_group(record)].append(record)
    return {key: latest for key, group in groups.items() if (latest := store.newest(group))}


def _row(group: Side, labels: Mapping[str, str], **fields: Any) -> Row:
    first = group[0]
    label = labels.get(first.cell_id, first.cell_id)
    return Row(suite=first.suite, cell_id=first.cell_id, label=label, node=first.node, n=len(group), **fields)


def _failures(new: Side, old: Side, labels: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row for each group with runs whose last attempt failed, though the baseline finished them."""
    finished = {(_group(record), record.seed, record.fold) for record in old if record.status == "finished"}
    last = {(_group(record), record.seed, record.fold): record for record in new}
    failed: defaultdict[Group, list[Record]] = defaultdict(list)
    for key, record in last.items():
        if record.status not in {"finished", "unsupported"} and key in finished:
            failed[key[0]].append(record)
    for group in failed.values():
        first = group[0]
        cause = f"{first.error.type}: {first.error.message}" if first.error else "no error was recorded"
        others = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
        reason = f"{first.status}: seed {first.seed}{others}: {' '.join(cause.split())}"
        runtime = first.measure.name if first.measure else None
        yield _row(group, labels, metric="status", runtime=runtime, verdict="regressed", reason=reason)


def _quality(new: Side, old: Side, labels: Mapping[str, str]) -> Iterator[Row]:
    """Yield an undecided row with its p for each cell that both sides trained or derived."""
    baseline = _grouped(record for record in old if record.node in {"train", "derive"})
    spreads = _spreads(baseline.values())
    for key, group in _grouped(record for record in new if record.node in {"train", "derive"}).items():
        if key in baseline:
            metric = "accuracy" if stats.score(group[0], "accuracy") else "loss"
            after, before = _scores(group, metric), _scores(baseline[key], metric)
            if after and before:
                yield _compare(_row(group, labels, metric=metric, reason=""), after, before, spreads)


def _compare(row: Row, new: Scores, old: Scores, spreads: Mapping[tuple[str, str], stats.Spread]) -> Row:
    """Return the row with its difference; with the reason instead, where there is none."""
    after, before = list(new.values()), list(old.values())
    row = replace(
        row,
        better="higher" if row.metric == "accuracy" else "lower",
        unit=after[0].unit,
        old=stats.scores_interval(before),
        new=stats.scores_interval(after),
    )
    if not {score.test for score in after} & {score.test for score in before}:
        return replace(row, reason="the test sets differ, by their fingerprints")
    if new == old:
        return replace(row, difference=0.0, low=0.0, high=0.0, p=1.0)
    found = stats.unpaired_scores(after, before, spreads.get((row.suite, row.metric)))
    if found is None:
        difference = fmean(s.value for s in after) - fmean(s.value for s in before)
        return replace(row, difference=difference, reason="one seed, and no cell of the baseline tells their spread")
    return replace(row, difference=found.value, low=found.low, high=found.high, p=found.p)


def _scores(group: Side, metric: str) -> Scores:
    scored = {(record.seed, record.fold): stats.score(record, metric) for record in group}
    return {key: score for key, score in scored.items() if score is not None}


def _spreads(groups: Iterable[Side]) -> dict[tuple[str, str], stats.Spread]:
    """Return the spread between runs on one test set, pooled over the groups, by suite and metric."""
    values: defaultdict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for group in groups:
        for metric in ("accuracy", "loss"):
            by_test: defaultdict[str, list[float]] = defaultdict(list)
            for score in _scores(group, metric).values():
                by_test[score.test].append(score.value)
            values[group[0].suite, metric] += by_test.values()
    spreads = {key: stats.pooled_spread(found) for key, found in values.items()}
    return {key: spread for key, spread in spreads.items() if spread is not None}


def _speed(new: Side, old: Side, labels: Mapping[str, str]) -> Iterator[Row]:
    """Yield an undecided row for each runtime, batch size and metric of speed that both sides have."""
    baseline = _grouped(record for record in old if record.measure)
    machines = dict(baseline.keys())
    for key, group in _grouped(record for record in new if record.measure).items():
        node, machine = key
        if key in baseline:
            after, before = _timings(group), _timings(baseline[key])
            for place in after.keys() & before.keys():
                metric, runtime, batch_size = place
                row = _row(group, labels, metric=metric, runtime=runtime, batch_size=batch_size, reason="")
                yield _ratio(row, after[place], before[place])
        elif node in machines:
            reason = f"measured on other hardware or versions: {machine}; baseline {machines[node]}"
            runtime = group[0].measure.name if group[0].measure else None
            yield _row(group, labels, metric="latency_ms", better="lower", runtime=runtime, reason=reason)


def _timings(group: Side) -> dict[tuple[str, str | None, int | None], list[tuple[Measurement, str]]]:
    """Return p50 latency and throughput of all seeds, each with the reason not to trust it, or an empty one."""
    found: defaultdict[tuple[str, str | None, int | None], list[tuple[Measurement, str]]] = defaultdict(list)
    for record in group:
        doubts = {
            (t.runtime, t.batch_size): "" if t.validity == "valid" else f"{t.validity}: {'; '.join(t.reasons)}"
            for t in record.timings
        }
        for m in record.measurements:
            if (m.name == "latency_ms" and m.statistic == "p50") or m.name == "throughput":
                doubt = doubts.get((m.runtime or "", m.batch_size or 0), "its validity is not recorded")
                if not doubt and (m.low is None or m.high is None):
                    doubt = "it has no interval"
                found[m.name, m.runtime, m.batch_size].append((m, doubt))
    return found


def _ratio(row: Row, new: Sequence[tuple[Measurement, str]], old: Sequence[tuple[Measurement, str]]) -> Row:
    """Return the row with new / old - 1 of the trusted timings; with the reason instead, where there are none."""
    row = replace(row, better=new[0][0].better, unit="%")
    for side, name in ((new, "new"), (old, "baseline")):
        if all(doubt for _, doubt in side):
            return replace(row, reason=f"{name} timing: {side[0][1]}")
    after, before = _envelope(new), _envelope(old)
    low, high = (after.low or 0) / (before.high or 1) - 1, (after.high or 0) / (before.low or 1) - 1
    return replace(row, old=before, new=after, difference=after.value / before.value - 1, low=low, high=high)


def _envelope(timings: Sequence[tuple[Measurement, str]]) -> stats.Interval:
    """Return the median of the trusted timings, from the lowest to the highest end of their intervals."""
    trusted = [m for m, doubt in timings if not doubt]
    return stats.Interval(
        value=median(m.value for m in trusted),
        low=min(m.low for m in trusted if m.low is not None),
        high=max(m.high for m in trusted if m.high is not None),
        n=len(trusted),
    )


def _decide(row: Row, tolerance: float, q: float | None) -> Row:
    """Return the row with its verdict and reason, by the rules at the top of this file."""
    if row.low is None or row.high is None or row.difference is None:
        return row
    allowed = tolerance if row.unit in {"points", "%"} or row.old is None else tolerance * abs(row.old.value)
    shown = wording.amount(allowed, row.unit)
    sign = 1 if row.better == "higher" else -1
    worst, best = sorted((sign * row.low, sign * row.high))
    certain = q < stats.ALPHA if q is not None else best < -allowed or worst > allowed
    limit = "noise of seeds and test set" if q is not None else f"tolerance of {shown}"
    verdict: Verdict
    if -allowed <= worst and best <= allowed:
        verdict, reason = "unchanged", f"surely within ±{shown}"
    elif certain:
        verdict, reason = "improved" if sign * row.difference > 0 else "regressed", f"beyond the {limit}"
    elif -allowed <= worst:
        verdict, reason = "unchanged", f"surely no loss beyond {shown}"
    else:
        more = "more seeds" if q is not None else "a profile of more processes"
        verdict, reason = "undecided", f"noise may hide a loss beyond {shown}; {more} would tell"
    return replace(row, verdict=verdict, q=q, reason=reason)


def _nothing(baseline: str | Path, new: Side, rows: Sequence[Row], problems: Sequence[str]) -> str:
    """Return why nothing was compared, in one line."""
    if rows:
        why = f"{len(rows)} pairs, none comparable, the first because {rows[0].reason}"
    else:
        why = f"{len(new)} new records, none with a counterpart" if new else "no new records"
    broken = f"; {len(problems)} broken records were skipped, the first: {problems[0]}" if problems else ""
    return f"{baseline}: {why}{broken}; run the baseline's suite again and check its records"
