"""A suite's statements, tested on its records: supported, refuted or undecided.

Each claim becomes a mean paired difference, `compare` minus `against`, and one p-value: of the
difference against the claim's limit `by` (for `equal`, against the nearer end of ±by, which is
two one-sided tests of equivalence; for `keeps`, of `compare` minus that share of `against`). All
p-values of a suite are adjusted together, so that of the findings that it reports as decided about
one in twenty at most is expected to be chance.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from bench import stats, store, wording
from bench.query import Query, fields_of
from bench.records import Record
from bench.suite_record import Claim, SuiteRecord

Verdict = Literal["supported", "refuted", "undecided"]
RunKey = tuple[str, int | None, int]
"""Cell id, seed and fold."""


class Finding(Struct, frozen=True, kw_only=True):
    """A claim with its verdict."""

    claim: Claim
    verdict: Verdict
    difference: float | None
    """Mean of compare minus against over the pairs, in the metric's unit; proportions are 0 to 1."""
    low: float | None
    high: float | None
    unit: str
    """`points` for proportions, whose differences are 0 to 1 here nonetheless."""
    n: int
    """Pairs."""
    p: float | None
    """Of the claim's limit, two-sided, unadjusted."""
    q: float | None
    """The same, adjusted for all findings of the suite."""
    reason: str
    """One sentence that says how sure it is."""


class Run(Struct, frozen=True, kw_only=True):
    """One run of the suite, as an expression sees it, and what it reached."""

    fields: dict[str, Any]
    score: stats.Score
    is_copy: bool
    """Its network is from a file, and stands for every seed."""


class Comparison(Struct, frozen=True, kw_only=True):
    """A claim with the runs of its two sides and their mean paired difference."""

    claim: Claim
    compare: list[Run]
    against: list[Run]
    pairs: stats.Pairs | None
    difference: stats.Difference | None = None
    """Once all claims have said how far pairs lie apart."""

    @property
    def unit(self) -> str:
        """The metric's unit, `points` for proportions; empty without runs."""
        return next((run.score.unit for run in self.compare), "")

    @property
    def limit(self) -> float:
        """Smallest difference that counts; below zero where a share of the other side is enough."""
        if self.claim.keeps is None or self.pairs is None:
            return self.claim.by
        return (self.claim.keeps - 1) * fmean(old.value for _, old in self.pairs.pairs)

    @property
    def margin(self) -> float:
        """How far the difference lies on the claim's side of its limit; negative on the other side."""
        value = self.difference.value if self.difference else 0.0
        match self.claim.expect:
            case "higher":
                return value - self.limit
            case "lower":
                return -value - self.limit
            case "equal":
                return self.claim.by - abs(value)

    @property
    def p(self) -> float | None:
        """Two-sided p of the claim's limit, None with too few pairs."""
        if self.difference is None or self.difference.n < stats.FEWEST_SEEDS:
            return None
        return stats.p_value(self.margin, self.difference)


def judge(suite: SuiteRecord, records: Sequence[Record]) -> list[Finding]:
    """Test the suite's claims in their order; an expression that cannot be read raises SuiteError."""
    final, looks = final_records(records), looks_at(records)
    comparisons = [_compare(suite, claim, final, looks) for claim in suite.findings]
    witnesses: defaultdict[str, list[stats.Group]] = defaultdict(list)
    for found in comparisons:
        if found.pairs is not None:
            witnesses[found.claim.metric].append(found.pairs.group)
    priors = {metric: stats.prior_of(groups) for metric, groups in witnesses.items()}
    comparisons = [_decided(found, priors[found.claim.metric]) if found.pairs else found for found in comparisons]
    adjusted = iter(stats.q_values([found.p for found in comparisons if found.p is not None]))
    return [_finding(found, None if found.p is None else next(adjusted)) for found in comparisons]


def _decided(found: Comparison, prior: stats.Prior | None) -> Comparison:
    """Say how far the pairs lie apart; where a share is to be kept, the interval is of what lies beyond it."""
    assert found.pairs is not None
    beyond = found.pairs.difference(prior)
    if found.claim.keeps is None:
        return replace(found, difference=beyond)
    low, high = (None if end is None else end + found.limit for end in (beyond.low, beyond.high))
    return replace(found, difference=replace(beyond, value=beyond.value + found.limit, low=low, high=high))


def final_records(records: Sequence[Record]) -> dict[RunKey, Record]:
    """Return the record of each run's last artifact, by cell id, seed and fold.

    It is the newest finished `derive` record where the run has one, else the newest `train` record.
    """
    final: dict[RunKey, Record] = {}
    for record in store.newest([record for record in records if record.node in {"train", "derive"}]):
        key = (record.cell_id, record.seed, record.fold)
        if key not in final or record.node == "derive":
            final[key] = record
    return final


def looks_at(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the newest finished record of each diagnostic, by the digest of the network that it looked at."""
    found: defaultdict[str, list[Record]] = defaultdict(list)
    for record in store.newest([record for record in records if record.node == "diagnose" and record.parents]):
        found[record.parents[0]].append(record)
    return dict(found)


def _compare(
    suite: SuiteRecord, claim: Claim, final: Mapping[RunKey, Record], looks: Mapping[str, list[Record]]
) -> Comparison:
    where = f"{suite.name}: finding '{claim.statement}'"
    is_new, is_old = Query(claim.compare, where).matches, Query(claim.against, where).matches
    cells = {cell.cell_id: cell for cell in suite.cells}
    new, old = [], []
    for (cell_id, seed, fold), record in final.items():
        told = (record, *looks.get(record.artifact.digest if record.artifact else "", ()))
        score = next((found for one in told if (found := stats.score(one, claim.metric))), None)
        if cell_id not in cells or score is None:
            continue
        for each in suite.seeds if seed is None else [seed]:  # a network from a file stands for all seeds
            run = Run(fields=fields_of(cells[cell_id], each, fold), score=score, is_copy=seed is None)
            # A run that both sides match would be paired with itself.
            if is_new(run.fields):
                new.append(run)
            elif is_old(run.fields):
                old.append(run)
    if all(run.is_copy for run in (*new, *old)):  # which are as many pairs as there are files
        new, old = ([run for run in side if run.fields["seed"] == suite.seeds[0]] for side in (new, old))
    axes = _shared_axes(new, old)
    pairs = stats.Pairs.of(_by_place(new, axes), _by_place(old, axes), share=claim.keeps or 1.0)
    return Comparison(claim=claim, compare=new, against=old, pairs=pairs)


def _shared_axes(new: Sequence[Run], old: Sequence[Run]) -> list[str]:
    """Return seed, fold and every other axis on which the two sides have a value in common."""
    if not new or not old:
        return []
    # The recipe's name stands for its techniques.
    names = new[0].fields.keys() - {"seed", "fold", "technique"}
    shared = [name for name in names if {run.fields[name] for run in new} & {run.fields[name] for run in old}]
    return ["seed", "fold", *sorted(shared)]


def _by_place(runs: Sequence[Run], axes: Sequence[str]) -> dict[tuple[Hashable, ...], stats.Score]:
    """Return the scores by their place on the shared axes; several at one place count as one."""
    places: defaultdict[tuple[Hashable, ...], list[stats.Score]] = defaultdict(list)
    for run in runs:
        places[tuple(run.fields[axis] for axis in axes)].append(run.score)
    return {place: stats.pool(scores) for place, scores in places.items()}


def _finding(found: Comparison, q: float | None) -> Finding:
    difference = found.difference
    verdict: Verdict = "undecided"
    if difference is not None and difference.n >= stats.FEWEST_SEEDS:
        if difference.standard_error == 0:
            holds = found.margin > 0 or (found.margin == 0 and (found.claim.expect == "equal" or found.claim.keeps))
            verdict = "supported" if holds else "refuted"
        elif q is not None and q < stats.ALPHA:
            verdict = "supported" if found.margin > 0 else "refuted"
    return Finding(
        claim=found.claim,
        verdict=verdict,
        difference=difference.value if difference else None,
        low=difference.low if difference else None,
        high=difference.high if difference else None,
        unit=found.unit,
        n=difference.n if difference else 0,
        p=found.p,
        q=q,
        reason=_reason(found, verdict, q),
    )


def _reason(found: Comparison, verdict: Verdict, q: float | None) -> str:
    claim, difference = found.claim, found.difference
    if difference is None:
        return (
            f"no pairs: {len(found.compare)} finished runs with {claim.metric} match `compare`, "
            f"{len(found.against)} match `against`, none of both with one seed and test set"
        )
    value = wording.difference(difference.value, difference.low, difference.high, found.unit)
    shown = f"{value}, n = {difference.n} {'pair' if difference.n == 1 else 'pairs'}"
    if difference.n < stats.FEWEST_SEEDS:
        return f"{shown}: fewer than {stats.FEWEST_SEEDS} pairs say too little about noise"
    if difference.standard_error == 0:
        return f"{shown}: the same difference in every pair"
    limit = "zero"
    if claim.expect == "equal":
        limit = "±" + wording.amount(claim.by, found.unit)
    elif claim.keeps is not None:
        limit = f"{wording.amount(found.limit, found.unit, sign=True)}, at which {claim.keeps:.4g} of it is kept"
    elif claim.by:
        limit = wording.amount(claim.by if claim.expect == "higher" else -claim.by, found.unit, sign=True)
    if verdict == "undecided":
        if found.p is not None and found.p < stats.ALPHA:
            return f"{shown}: clear of {limit} alone, not among the findings tested together (q = {q:.2g})"
        return f"{shown}: the interval includes {limit}"
    if claim.expect == "equal":
        side = "inside" if verdict == "supported" else "outside"
    else:
        side = "above" if (verdict == "supported") is (claim.expect == "higher") else "below"
    return f"{shown}: the whole interval lies {side} {limit} (q = {q:.2g})"
