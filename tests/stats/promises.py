"""What the pages and `bench check` promise, tried on networks whose truth is known: `nox -s statistics`.

Every figure goes through the functions that people call: `check.judge`, `site.model.view`. Prints
one table; all of it takes some minutes on two cores.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from factory import CREATED, LATER, cell, replace, suite_cell, suite_record
from others import OTHERS, series
from population import Network, TestSet, grid
from timings import timed

from bench import findings
from bench.check import judge
from bench.check.slides import slides
from bench.records import Record, Series
from bench.site import model
from bench.suite_record import Claim

DEVIATIONS = (0.001, 0.006)
"""Least and most of the deviations between seeds, where a promise is for all of them."""


Trial = Callable[[np.random.Generator], list[bool]]
"""Draws a truth, lets people's functions speak, and tells whether they were right, once or several times."""


SITTINGS = 0.007
"""Deviation of a timing's logarithm from sitting to sitting, as of this project's own LiteRT timings."""
PROCESSES = (0.001, 0.002, 0.002, 0.004, 0.004, 0.004, 0.005, 0.006, 0.007, 0.007, 0.013, 0.025, 0.045)
PROCESSES += (0.001, 0.001, 0.002, 0.01, 0.014, 0.015, 0.02, 0.022, 0.028, 0.028, 0.033, 0.04, 0.049)
"""Deviations of the processes of 26 LiteRT timings of MNIST, profile `standard`, batch sizes 1 and 64."""


class Promise(NamedTuple):
    """A figure that is simulated: the mean of what `trial` returns, each a share."""

    name: str
    trial: Trial
    trials: int
    wanted: str
    before: str
    """What the methods of before reached, with the same trials."""


def records(
    networks: list[Network], seeds: int, change: Callable[[int], float] = lambda _: 0.0, **fields: Any
) -> list[Record]:
    """Return the runs of all networks; `change` says by how much each has become better."""
    return [run for i, network in enumerate(networks) for run in network.runs(seeds, change(i), **fields)]


def found(new: list[Record], old: list[Record]) -> dict[str, str]:
    """Return the verdict of each network by its name, where accuracies are judged."""
    return {row.cell_id.split("-")[1]: row.verdict for row in judge(new, old) if row.metric == "accuracy"}


def drop(loss: float, dropped: int, cells: int, old: int, new: int) -> Trial:
    """Return a trial: some of many cells lose; is each of them found?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        networks = grid(TestSet(rng), cells)
        verdicts = found(
            records(networks, new, lambda i: -loss if i < dropped else 0.0, created=LATER), records(networks, old)
        )
        return [verdicts[f"net{i}"] == "regressed" for i in range(dropped)]

    return trial


def quiet(cells: int, old: int, new: int, deviations: tuple[float, float] = DEVIATIONS) -> Trial:
    """Return a trial: nothing has changed; is there an alarm?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        test = TestSet(rng)
        networks = [
            Network(cell(architecture=f"net{i}"), test, deviation=float(rng.uniform(*deviations))) for i in range(cells)
        ]
        verdicts = found(records(networks, new, created=LATER), records(networks, old))
        return ["regressed" in verdicts.values()]

    return trial


def board(networks: list[Network], seeds: int) -> model.Board:
    """Return the leaderboard of networks as the site has it."""
    suite = suite_record([suite_cell(network.of, label=network.of.architecture.name) for network in networks])
    (found,) = model.view(suite, records(networks, seeds)).boards
    return found


def equals(rows: int, seeds: int, n: int = 10_000) -> Trial:
    """Return a trial: networks of equal accuracy; do all share the first rank?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        made = board(grid(TestSet(rng, n), rows), seeds)
        return [set(made.ranks.values()) <= {"1", "1="}]

    return trial


def parted(apart: float, rows: int, seeds: int) -> Trial:
    """Return a trial: two levels of networks; is each of the lower ones ranked below all of the upper?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        test = TestSet(rng)
        networks = [Network(cell(architecture=f"net{i}"), test, accuracy=0.9 - apart * (i % 2)) for i in range(rows)]
        ranks = board(networks, seeds).ranks
        return [ranks[suite_cell(network.of).cell_id] == f"{rows // 2 + 1}=" for network in networks[1::2]]

    return trial


def covers(rows: int, seeds: int, n: int = 10_000, accuracy: tuple[float, float] = (0.85, 0.95)) -> Trial:
    """Return a trial: does the interval on the page hold the true accuracy?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        test = TestSet(rng, n)
        networks = [
            Network(cell(architecture=f"net{i}"), test, accuracy=float(rng.uniform(*accuracy))) for i in range(rows)
        ]
        truth = {suite_cell(network.of).cell_id: network.accuracy for network in networks}
        return [
            row.score.low <= truth[row.cell.cell_id] <= row.score.high
            for row in board(networks, seeds).rows
            if row.score and row.score.low is not None and row.score.high is not None
        ]

    return trial


def effects(n: int, folds: int = 5, seeds: int = 3) -> Trial:
    """Return a trial: a recipe on folds that share a published test part; does its interval hold the true effect?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        test = TestSet(rng, n)
        plain, other = Network(cell(), test), Network(cell(techniques=["augment"]), test, accuracy=0.905)
        cells = [suite_cell(plain.of, recipe="plain"), suite_cell(other.of, recipe="augment")]
        runs = [
            network.run(seed, fold=fold) for network in (plain, other) for fold in range(folds) for seed in range(seeds)
        ]
        (made,) = model.view(suite_record(cells), runs).boards
        return [effect.difference.low <= 0.005 <= effect.difference.high for effect in made.effects]

    return trial


def claims(count: int, seeds: int = 3) -> Trial:
    """Return a trial: a suite states of so many networks that a recipe helps, which it does not; is any decided?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        test, cells, stated, runs = TestSet(rng), [], [], []
        for i in range(count):
            name = f"architecture=net{i}"
            stated.append(Claim(statement=name, compare=f"{name} and recipe=other", against=f"{name} and recipe=plain"))
            for recipe, techniques in (("plain", []), ("other", ["augment"])):
                network = Network(cell(architecture=f"net{i}", techniques=techniques), test)
                cells.append(suite_cell(network.of, recipe=recipe))
                runs += network.runs(seeds)
        found = findings.judge(suite_record(cells, findings=stated), runs)
        return [any(one.verdict != "undecided" for one in found)]

    return trial


def history(
    rng: np.random.Generator, cells: int, commits: int, slide: float, sliding: int, deviations: tuple[float, float]
) -> Iterator[list[Record]]:
    """Yield the records of commit after commit, 3 seeds each; some cells lose a little with each of the last ten."""
    test = TestSet(rng)
    networks = [
        Network(cell(architecture=f"net{i}"), test, deviation=float(rng.uniform(*deviations))) for i in range(cells)
    ]
    for commit in range(commits):
        lost = slide * max(0, commit - (commits - 11))
        yield [
            replace(run, provenance=replace(run.provenance, commit=f"{commit:07x}"), artifact=None)
            for i, network in enumerate(networks)
            for run in network.runs(3, -lost if i < sliding else 0.0, created=f"2026-01-{commit + 1:02}T00:00:00Z")
        ]


def sliding(cells: int, slide: float, deviations: tuple[float, float]) -> Trial:
    """Return a trial: one cell slides over ten commits; is it found by then?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        *old, new = history(rng, cells, 20, slide, 1, deviations)
        rows = slides(new, [run for commit in old for run in commit], {}, 0.01)
        return ["net0" in [row.cell_id.split("-")[1] for row in rows]]

    return trial


def others(
    cells: int, slide: float, *, alarm: bool, drop: float = 0.0
) -> Callable[[np.random.Generator], dict[str, bool]]:
    """Return a trial: what other methods say after the last of 20 commits, of the cell that lost or of any."""

    def trial(rng: np.random.Generator) -> dict[str, bool]:
        sliding = 0 if alarm else 1
        found = series(list(history(rng, cells, 20, slide, sliding, (0.0025, 0.0025))))
        found[0, -1] -= drop
        return {name: any(judge(found)) if alarm else judge(found)[0] for name, judge in OTHERS.items()}

    return trial


def steady(cells: int, deviations: tuple[float, float]) -> Trial:
    """Return a trial: thirty commits without a change; does any of them raise an alarm?"""

    def trial(rng: np.random.Generator) -> list[bool]:
        old: list[Record] = []
        alarm = False
        for new in history(rng, cells, 30, 0.0, 0, deviations):
            alarm = alarm or any(True for _ in slides(new, old, {}, 0.0))
            old = [*old, *new][-20 * len(new) :]
        return [alarm]

    return trial


def timing(slower: float, which: str, *, turns: bool = False) -> Trial:
    """Return a trial: ten of 100 timings are slower; is each found, or is another one accused?

    With 5 processes in two sittings, or with 20 that took turns.
    """

    def sitting(rng: np.random.Generator, name: str, created: str, change: list[float]) -> list[Record]:
        made = []
        for i, times in enumerate(change):
            drift = 0.0 if turns else rng.normal(0, SITTINGS)
            logs = math.log(times) + drift + rng.normal(0, PROCESSES[i % len(PROCESSES)], 20 if turns else 5)
            run = timed(cell(architecture=f"net{i}"), batch_sizes=(1,), created=created)
            assert run.measure is not None
            kept = [m for m in run.measurements if m.statistic == "p50" and m.name == "latency_ms"]
            by_process = Series(
                name="latency_p50_ms",
                axis="process",
                points=[float(i) for i in range(len(logs))],
                values=np.exp(logs).tolist(),
                unit="ms",
                runtime="litert",
                batch_size=1,
            )
            made.append(
                replace(
                    run,
                    sitting=name,
                    measure=replace(run.measure, profile="standard"),
                    measurements=tuple(kept),
                    series=(by_process,),
                )
            )
        return made

    def trial(rng: np.random.Generator) -> list[bool]:
        moved = set(rng.choice(100, 10, replace=False).tolist())
        slow = [1 + slower if i in moved else 1.0 for i in range(100)]
        old, new = sitting(rng, "a", CREATED, [1.0] * 100), sitting(rng, "a" if turns else "b", LATER, slow)
        rows = judge(new, old)
        verdicts = {row.cell_id.split("-")[1]: row.verdict for row in rows}
        if which == "found":
            return [verdicts[f"net{i}"] == "regressed" for i in sorted(moved)]
        return ["regressed" in verdicts.values()]

    return trial


PROMISES = (
    Promise(
        "a drop of 1 point in 10 of 200 cells, 5 + 3 seeds, is found", drop(0.01, 10, 200, 5, 3), 100, "≥ 95 %", "65 %"
    ),
    Promise("the same in 1 of 200 cells", drop(0.01, 1, 200, 5, 3), 200, "", "38 %"),
    Promise("the same with 3 + 3 seeds in 10 of 200", drop(0.01, 10, 200, 3, 3), 100, "", "36 %"),
    Promise(
        "200 unchanged cells, 5 + 3 seeds, deviations of 0.1 to 0.6 points: a false alarm",
        quiet(200, 5, 3),
        200,
        "≤ 5 %",
        "3.8 %",
    ),
    Promise("the same with one new seed", quiet(200, 5, 1), 200, "≤ 5 %", "25 %"),
    Promise(
        "a drop of 2 points in 10 of 200 cells from one new seed against 5 is found",
        drop(0.02, 10, 200, 5, 1),
        100,
        "≥ 95 %",
        "100 %, with 25 % false alarms",
    ),
    Promise("20 equal rows, 3 seeds: none is parted", equals(20, 3), 400, "≥ 95 %", "13 %"),
    Promise("20 equal rows, 5 seeds, 1,000 test examples: none is parted", equals(20, 5, 1000), 400, "≥ 95 %", ""),
    Promise(
        "20 rows on two levels 1.5 points apart, 3 seeds: a lower one is ranked below all upper ones",
        parted(0.015, 20, 3),
        100,
        "",
        "",
    ),
    Promise("a page's interval, 3 seeds, holds the true accuracy", covers(20, 3), 100, "≥ 94 %", "65–87 %"),
    Promise(
        "the same, 400 test examples, accuracies of 95 to 99 %", covers(20, 3, 400, (0.95, 0.99)), 100, "≥ 94 %", ""
    ),
    Promise(
        "the interval of an effect, 5 folds × 3 seeds on one test part, holds the true one",
        effects(10_000),
        1000,
        "≥ 94 %",
        "86 %",
    ),
    Promise("the same with 360 test examples", effects(360), 1000, "≥ 94 %", "57 %"),
    Promise("10 statements without truth, 3 seeds: any is called supported or refuted", claims(10), 400, "≤ 5 %", ""),
    Promise(
        "a slide of 0.2 points a commit in 1 of 200 cells is found within 10 commits of 3 seeds",
        sliding(200, 0.002, (0.0025, 0.0025)),
        100,
        "≥ 95 %",
        "0 %",
    ),
    Promise(
        "30 commits without a change, 200 cells: a false alarm of a slide",
        steady(200, (0.0025, 0.0025)),
        40,
        "≤ 5 %",
        "",
    ),
    Promise("the same, deviations of 0.1 to 0.6 points", steady(200, DEVIATIONS), 40, "≤ 5 %", ""),
    Promise(
        "10 % slower in 10 of 100 LiteRT timings, two sittings of 5 processes, is found",
        timing(0.1, "found"),
        200,
        "",
        "16 %",
    ),
    Promise(
        "the same, timed in turns by `--remeasure`, 20 processes", timing(0.1, "found", turns=True), 200, "≥ 95 %", ""
    ),
    Promise("100 unchanged timings, two sittings: a false alarm", timing(0.0, "alarm"), 400, "≤ 5 %", "0 %"),
    Promise("the same, in turns", timing(0.0, "alarm", turns=True), 400, "≤ 5 %", ""),
)


COMPARED = (
    ("a slide of 0.2 points a commit over ten commits, 1 of 200 cells, is found", others(200, 0.002, alarm=False)),
    ("a drop of 1 point at the last of 20 commits, 1 of 200 cells, is found", others(200, 0.0, alarm=False, drop=0.01)),
    ("20 commits without a change, 200 cells: an alarm at the last", others(200, 0.0, alarm=True)),
)
"""What the same histories look like to others, 20 trials each."""


def _part(job: tuple[int, int, int]) -> list[bool]:
    index, first, count = job
    draws = (np.random.default_rng([0, i]) for i in range(first, first + count))
    return [answer for draw in draws for answer in PROMISES[index].trial(draw)]


def _compared(job: tuple[int, int]) -> dict[str, bool]:
    return COMPARED[job[0]][1](np.random.default_rng([1, job[1]]))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the trials (default: all)")
    parser.add_argument("--only", type=int, nargs="*", help="numbers of rows")
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        print("| promise | wanted | before | now | trials |\n|---|---|---|---|---|")
        for index, promise in enumerate(PROMISES):
            if options.only and index not in options.only:
                continue
            trials = max(2, round(promise.trials * options.share))
            parts = [(index, first, min(5, trials - first)) for first in range(0, trials, 5)]
            now = f"{100 * np.mean([answer for part in pool.map(_part, parts) for answer in part]):.1f} %"
            print(f"| {' | '.join((promise.name, promise.wanted, promise.before, now, str(trials)))} |", flush=True)
        if options.only:
            return
        print(f"\n| on the same histories | {' | '.join(OTHERS)} |\n|---|{'---|' * len(OTHERS)}")
        for index, (name, _) in enumerate(COMPARED):
            trials = max(2, round(20 * options.share))
            answers = list(pool.map(_compared, [(index, i) for i in range(trials)]))
            shares = [f"{100 * np.mean([answer[other] for answer in answers]):.0f} %" for other in OTHERS]
            print(f"| {name} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()
