"""A cell that loses a little with every commit: what no single check can see, its history shows."""

from collections import defaultdict
from collections.abc import Iterator

from bench import stats
from bench.check.rows import Row, Side, row_of
from bench.records import Record
from bench.stats import Group
from bench.stats.runs import Runs, Sample, pooled

TRAINED = {"train", "derive"}


class History:
    """A cell's runs, commit by commit, oldest first, as far back as they are of the newest test set."""

    def __init__(self, records: Side) -> None:
        """Sort finished records of one cell, oldest first."""
        commits: defaultdict[str, dict[tuple[int | None, int], Record]] = defaultdict(dict)
        for record in records:
            commits[record.provenance.commit or record.created[:10]][record.seed, record.fold] = record
        self.commits: list[str] = []
        self.points: list[Sample] = []
        networks: set[frozenset[str]] = set()
        for commit, runs in commits.items():
            made = frozenset(record.artifact.digest for record in runs.values() if record.artifact)
            scores = [score for record in runs.values() if (score := stats.score(record, "accuracy"))]
            if not scores or (made and made in networks):  # the very networks of an earlier commit say nothing new
                continue
            networks.add(made)
            found = Runs(scores)
            if len(found.samples) == 1:
                self.commits.append(commit)
                self.points.append(next(iter(found.samples.values())))
        same = [point.scores[0].test == self.points[-1].scores[0].test for point in self.points]
        first = len(same) - next((i for i, one in enumerate(reversed(same)) if not one), len(same))
        self.commits, self.points = self.commits[first:], self.points[first:]

    @property
    def group(self) -> Group:
        """Return what the runs of all commits say of the seeds' variance."""
        return pooled([point.group for point in self.points])


def slides(new: Side, old: Side, labels: dict[str, str], tolerance: float) -> Iterator[Row]:
    """Yield a row for each cell whose accuracy has slid, as its last commits show together."""
    cells: defaultdict[str, list[Record]] = defaultdict(list)
    for record in sorted((*old, *new), key=lambda record: record.created):
        if record.status == "finished" and record.node in TRAINED:
            cells[record.cell_id].append(record)
    fresh: dict[str, Record] = {record.cell_id: record for record in new if record.node in TRAINED}
    histories = {cell: History(cells[cell]) for cell in fresh if cell in cells}
    histories = {cell: found for cell, found in histories.items() if len(found.points) >= stats.SHORTEST_HISTORY}
    prior = stats.prior_of(found.group for found in histories.values())
    if prior is None:
        return
    judged = {cell: found for cell, history in histories.items() if (found := stats.slide(history.points, prior))}
    for (cell, found), q in zip(judged.items(), stats.q_values([one.p for one in judged.values()]), strict=True):
        if q < stats.SLIDE_ALPHA and found.loss > tolerance:
            history = histories[cell]
            reason = (
                f"slid from commit {history.commits[found.first][:10]} to {history.commits[found.last][:10]}, "
                f"q = {q:.2g} over the last {len(history.points)} commits"
            )
            group = [record for record in cells[cell] if record.provenance.commit == fresh[cell].provenance.commit]
            yield row_of(
                group,
                labels,
                metric="slide",
                unit="points",
                difference=-found.loss,
                verdict="regressed",
                q=q,
                reason=reason,
            )
