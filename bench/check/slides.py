"""A cell that loses a little with every commit: what no single check can see, its history shows."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from bench import stats
from bench.check.rows import Row, Side, node_of, row_of
from bench.records import Record
from bench.stats import LOGIT, Group
from bench.stats.runs import Runs, Sample, pooled

TRAINED = {"train", "derive"}


class History:
    """The runs of one cell's node, commit by commit, oldest first, as far back as they are of the newest test set."""

    def __init__(self, records: Side) -> None:
        """Sort finished records, oldest first; networks that an earlier commit had already say nothing new."""
        commits: defaultdict[str, dict[tuple[int | None, int], Record]] = defaultdict(dict)
        for record in records:
            commits[record.provenance.commit or record.created[:10]][record.seed, record.fold] = record
        self.commits: list[str] = []
        self.points: list[Sample] = []
        self.newest: list[Record] = []
        """The records of the last point."""
        seen: set[frozenset[str]] = set()
        for commit, runs in commits.items():
            made = frozenset(record.artifact.digest for record in runs.values() if record.artifact)
            found = [score for record in runs.values() if (score := stats.score(record, "accuracy"))]
            if not found or not all(score.counts for score in found) or (made and made in seen):
                continue
            seen.add(made)
            samples = Runs(found, LOGIT).samples
            if len(samples) == 1:
                (point,) = samples.values()
                if self.points and _test(point) != _test(self.points[-1]):
                    self.commits, self.points = [], []
                self.commits.append(commit)
                self.points.append(point)
                self.newest = list(runs.values())

    @property
    def group(self) -> Group:
        """Return what the runs of all commits say of the seeds' variance."""
        return pooled([point.group for point in self.points])


def _test(point: Sample) -> tuple[str, int]:
    return point.scores[0].test, point.n


def slides(new: Side, old: Side, labels: dict[str, str], tolerance: float) -> Iterator[Row]:
    """Yield a row for each cell whose accuracy has slid, as its last commits show together."""
    runs: defaultdict[bytes, list[Record]] = defaultdict(list)
    for record in sorted((*old, *new), key=lambda record: record.created):
        if record.status == "finished" and record.node in TRAINED:
            runs[node_of(record)].append(record)
    fresh = {node_of(record) for record in new if record.status == "finished" and record.node in TRAINED}
    histories = [history for node in fresh if len((history := History(runs[node])).points) >= stats.SHORTEST_HISTORY]
    prior = stats.prior_of(history.group for history in histories)
    if prior is None:
        return
    found = [(history, slide) for history in histories if (slide := stats.slide(history.points, prior))]
    for (history, slide), q in zip(found, stats.q_values([slide.p for _, slide in found]), strict=True):
        if q < stats.SLIDE_ALPHA and slide.loss > tolerance:
            first, last = (history.commits[place][:10] for place in (slide.first, slide.last))
            reason = f"slid from commit {first} to {last}, q = {q:.2g} over the last {len(history.points)} commits"
            fields: dict[str, Any] = {"metric": "slide", "unit": "points", "verdict": "regressed"}
            yield row_of(history.newest, labels, **fields, difference=-slide.loss, q=q, reason=reason)
