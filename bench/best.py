"""The best networks of a suite under a budget: of latency, size, parameters, and what they must reach."""

from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bench import store
from bench.errors import BenchError, NothingToCompare, nearest
from bench.planning.compatibility import EVALUATED_ON
from bench.site import model
from bench.site.rows import Row
from bench.tasks import run_id

OWN_FORMATS = {runtime: form for form, runtime in EVALUATED_ON.items()}
"""What a Keras network becomes for a runtime that does not run it as it is."""


class Budget(Struct, frozen=True):
    """What a network may cost and must reach; what is None does not matter."""

    latency_ms: float | None = None
    """Half of all calls with one example are answered within this, on the row's fastest runtime, timed validly."""
    size_kb: float | None = None
    """Of the file that the row's fastest runtime reads, in units of 1,000 bytes; its own where none was timed."""
    parameters: float | None = None
    score: float | None = None
    """What a suite ranks by: accuracy 0–1, or of regressions R²."""


class Choice(Struct, frozen=True):
    """A row that fits a budget."""

    label: str
    dataset: str
    run: str
    """Of the first seed: what `bench model` takes."""
    format: str
    """What to take it along as: for the runtime that is fast, where any was timed."""
    metric: str
    score: float
    low: float | None
    high: float | None
    n: int
    latency_ms: float | None
    runtime: str | None
    size_kb: float | None
    parameters: float | None
    is_timed: bool
    """Whether it has been, validly or not."""
    surely: bool
    """Whether all of the score's interval reaches what it must."""


class Answer(Struct, frozen=True):
    """The rows that fit, best first, and how many lack a figure that was asked for."""

    choices: tuple[Choice, ...]
    unknown: int
    within_reach: tuple[str, ...]
    """The best that any row has of what was asked for, in words."""


def best(results: Path, suite: str, budget: Budget) -> Answer:
    """Return the rows of a suite that fit; raise BenchError for no such suite, NothingToCompare without a score."""
    reading = store.read(results)
    if suite not in reading.suites:
        raise BenchError(f"{results}: no records of a suite '{suite}'{nearest(suite, reading.suites)}")
    view = model.view(reading.suites[suite], reading.records)
    scored = [row for row in view.rows if row.score]
    if not scored:
        raise NothingToCompare(f"{suite}: no row has a score yet; bench run {suite}")
    if budget.score is not None and budget.score > 1 and all(row.metric.better == "higher" for row in scored):
        raise BenchError(f"--min-accuracy {budget.score:g}: a share from 0 to 1 is meant, such as 0.9")
    choices = [_choice(row, budget) for row in scored if _fits(row, budget)]
    order = {row.metric.name: -1 if row.metric.better == "higher" else 1 for row in scored}
    choices.sort(key=lambda one: (one.dataset, order[one.metric] * one.score))
    unknown = sum(None in _asked(row, budget) for row in scored)
    return Answer(tuple(choices), unknown, tuple(_within_reach(scored, budget)))


def _within_reach(rows: list[Row], budget: Budget) -> Iterator[str]:
    """Yield the best of each figure that the budget is about."""
    if budget.score is not None:
        for metric in dict.fromkeys(row.metric for row in rows):
            found = [row.score.value for row in rows if row.score and row.metric == metric]
            yield f"{metric.title} {max(found) if metric.better == 'higher' else min(found):.4f}"
    for wanted, unit, figures in (
        (budget.latency_ms, "{:.3g} ms", [row.fastest.p50_ms.value for row in rows if row.fastest]),
        (budget.size_kb, "{:,.1f} kB", [row.size_bytes / 1000 for row in rows if row.size_bytes is not None]),
        (budget.parameters, "{:,.0f} parameters", [row.mean("parameters") for row in rows]),
    ):
        known = [figure for figure in figures if figure is not None]
        if wanted is not None and known:
            yield unit.format(min(known))


def _asked(row: Row, budget: Budget) -> Iterator[float | None]:
    """Yield the figures of a row that the budget is about."""
    if budget.latency_ms is not None:
        yield row.fastest.p50_ms.value if row.fastest else None
    if budget.size_kb is not None:
        yield row.size_bytes
    if budget.parameters is not None:
        yield row.mean("parameters")


def _fits(row: Row, budget: Budget) -> bool:
    assert row.score is not None
    limits = (budget.latency_ms, budget.size_kb and budget.size_kb * 1000, budget.parameters)
    pairs = zip(_asked(row, budget), [limit for limit in limits if limit is not None], strict=True)
    return all(value is not None and value <= limit for value, limit in pairs) and _reaches(
        row, row.score.value, budget
    )


def _reaches(row: Row, value: float | None, budget: Budget) -> bool:
    if budget.score is None or value is None:
        return budget.score is None
    return value >= budget.score if row.metric.better == "higher" else value <= budget.score


def _choice(row: Row, budget: Budget) -> Choice:
    assert row.score is not None
    size, first = row.size_bytes, row.models[0]
    made = first.artifact.format if first.artifact else "keras"
    runtime = row.fastest.runtime.partition("(")[0] if row.fastest else ""
    return Choice(
        label=row.cell.label,
        dataset=row.cell.dataset,
        run=run_id(first.cell_id, first.seed, first.fold),
        format=OWN_FORMATS.get(runtime, made) if made == "keras" else made,
        metric=row.metric.name,
        score=row.score.value,
        low=row.score.low,
        high=row.score.high,
        n=row.score.n,
        latency_ms=row.fastest.p50_ms.value if row.fastest else None,
        runtime=row.fastest.runtime if row.fastest else None,
        size_kb=None if size is None else size / 1000,
        parameters=row.mean("parameters"),
        is_timed=bool(row.single),
        surely=_reaches(row, row.score.low if row.metric.better == "higher" else row.score.high, budget),
    )


def text(answer: Answer) -> str:
    """Return the answer for a terminal."""
    if not answer.choices:
        best_of = f"; of each figure asked for the best of any row: {', '.join(answer.within_reach)}"
        lines = [f"no row fits{best_of * bool(answer.within_reach)}"]
    else:
        lines = []
        width = max(len(one.label) for one in answer.choices)
        for one in answer.choices:
            ends = f" [{one.low:.4f}, {one.high:.4f}]" if one.low is not None and one.high is not None else ""
            lacks = "no valid timing" if one.is_timed else "not timed"
            speed = f"{one.latency_ms:8.3g} ms on {one.runtime}" if one.latency_ms is not None else f"{lacks:>15}"
            size = f"{one.size_kb:9,.1f} kB" if one.size_kb is not None else " " * 12
            doubt = "" if one.surely else "  (its interval does not surely reach the score)"
            lines.append(f"{one.label:{width}}  {one.metric} {one.score:.4f}{ends}  {size}  {speed}{doubt}")
        for dataset in dict.fromkeys(one.dataset for one in answer.choices):
            first = next(one for one in answer.choices if one.dataset == dataset)
            lines.append(f"take it along: bench model {first.run} --to {first.format} FOLDER")
    if answer.unknown:
        who = "1 row lacks" if answer.unknown == 1 else f"{answer.unknown} rows lack"
        lines.append(f"{who} a figure that was asked for, such as a valid timing, and so cannot be chosen")
    return "\n".join(lines)
