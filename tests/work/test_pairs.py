"""Every technique beside every other: planned, and a random twentieth of the pairs trained for an epoch."""

import itertools
import random
from pathlib import Path

import pytest
import workbench

from bench.catalog import Catalog
from bench.planning import plan, suite
from bench.planning.compatibility import excluded

CATALOG = Catalog()
NEEDS = {
    "distill": "distill(teacher='mlp(width=4, depth=1)')",
    "incremental": "incremental(steps=2)",
    "fine_tune": "fine_tune(epochs=1)",
    "low_rank": "low_rank(energy=0.5, epochs=1)",
    "prune": "prune(epochs=4)",
    "simplify": "simplify(widths=[3], epochs=1)",
    "swa": "swa(epochs=1)",
    "transfer": "transfer(source='custom_cnn(width=4, depth=1, batch_norm=False)')",
    "tune": "tune(space={'learning_rate': [0.001, 0.01]}, trials=1)",
}
"""Calls of techniques that need something said, or would take long."""
PAIRS = list(itertools.permutations(CATALOG.names("techniques"), 2))


def text(pairs: list[tuple[str, str]], epochs: int) -> str:
    seeds = "[0, 1]" if any("ensemble" in pair for pair in pairs) else "[0]"
    architecture = (
        "resnet8"
        if any("stochastic_depth" in pair for pair in pairs)
        else "custom_cnn(width=4, depth=1, batch_norm=False)"
    )
    calls = [[NEEDS.get(name, name) for name in pair] for pair in pairs]
    return workbench.written(
        *(f'["{first}", "{second}"]' for first, second in calls),
        dataset="digits(train_size=150)",
        architecture=architecture,
        seeds=seeds,
        training=f"epochs: {epochs}, batch_size: 32, validation: 0.2",
    )


def test_every_pair_is_planned_or_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "pairs.yaml").write_text(text(PAIRS, epochs=1))
    read = suite.read(tmp_path / "pairs.yaml", CATALOG)
    made = plan.make(read, CATALOG, tmp_path / "results", tmp_path / "artifacts")
    refused = {run.recipe: run.reason for run in made.runs if run.status == "unsupported"}
    assert {run.status for run in made.runs} == {"new", "unsupported"}
    for i, (first, second) in enumerate(PAIRS):
        cards = [CATALOG.card("techniques", name) for name in (first, second)]
        is_out_of_order = "after" in cards[0].doors and "after" not in cards[1].doors
        gives = cards[0].facts(CATALOG.resolve("techniques", NEEDS.get(first, first))).gives
        is_of_a_file = gives == "litert" and "after" in cards[1].doors
        wanted = second in excluded(CATALOG, cards[0]) or is_out_of_order or is_of_a_file
        assert (f"r{i}" in refused) == wanted, (first, second, refused.get(f"r{i}"))


def test_what_excludes_what_is_said_from_both_sides() -> None:
    for card in CATALOG.cards("techniques"):
        for name, reason in excluded(CATALOG, card).items():
            assert reason
            assert name in CATALOG.names("techniques"), "no slip of the pen"
            assert card.name in excluded(CATALOG, CATALOG.card("techniques", name))


CHOSEN = random.Random(11).sample(sorted(PAIRS), len(PAIRS) // 20)


@pytest.mark.slow
@pytest.mark.parametrize("pair", CHOSEN, ids="-".join)
def test_a_pair_trains(pair: tuple[str, str], tmp_path: Path) -> None:
    found = workbench.run(tmp_path, text([pair], epochs=1))
    assert [record.error for record in found if record.status not in {"finished", "unsupported"}] == []
