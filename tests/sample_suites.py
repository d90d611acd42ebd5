"""Whole suites with their records, made with `factory`: one of each kind that a page or table must show."""

from pathlib import Path

from factory import CREATED, cell, digest, record, regression, suite_cell, suite_record, unfinished
from timings import timed

from bench import store
from bench.records import NodeKind, Record, cell_id
from bench.suite_record import Claim, Exclusion, SuiteCell, SuiteRecord


def digits_suite() -> tuple[SuiteRecord, list[Record]]:
    """Return a classification suite with every kind of record: 2 networks × 3 recipes × 3 seeds."""
    rows: list[SuiteCell] = []
    made: list[Record] = []
    recipes = {"plain": (), "augment": ("augment",), "quantize": ("quantize",)}
    levels = {("mlp", "plain"): 0.90, ("mlp", "augment"): 0.90, ("mlp", "quantize"): 0.895}
    levels |= {("custom_cnn", "plain"): 0.93, ("custom_cnn", "augment"): 0.97, ("custom_cnn", "quantize"): 0.92}
    for architecture in ("mlp", "custom_cnn"):
        parents = {seed: digest(cell_id(cell(architecture=architecture)), seed, 0, CREATED) for seed in range(3)}
        for recipe, techniques in recipes.items():
            of = cell(architecture=architecture, techniques=techniques)
            rows.append(suite_cell(of, recipe))
            node: NodeKind = "derive" if recipe == "quantize" else "train"
            for seed in range(3):
                made.append(
                    record(
                        of,
                        suite="digits",
                        node=node,
                        seed=seed,
                        accuracy=levels[architecture, recipe],
                        parents=(parents[seed],) if node == "derive" else (),
                    )
                )
                p50_ms = 0.2 if node == "derive" else 0.8
                for runtime in ("litert",) if node == "derive" else ("keras", "litert"):
                    scale = p50_ms * (20 if runtime == "keras" else 1)
                    made.append(timed(of, suite="digits", seed=seed, runtime=runtime, p50_ms=scale))
    odd = cell(architecture="resnet20")
    rows.append(suite_cell(odd))
    made += [unfinished(odd, suite="digits", seed=seed) for seed in range(2)]
    made.append(unfinished(odd, suite="digits", seed=2, status="timeout", message="stopped after 60 s"))
    claims = (
        Claim(
            statement="Augmentation helps the custom CNN",
            compare="architecture=custom_cnn and recipe=augment",
            against="architecture=custom_cnn and recipe=plain",
        ),
        Claim(
            statement="Quantization costs the MLP at most two points",
            compare="architecture=mlp and recipe=quantize",
            against="architecture=mlp and recipe=plain",
            expect="equal",
            by=0.02,
        ),
        Claim(statement="ResNet-20 beats the MLP", compare="architecture=resnet20", against="architecture=mlp"),
    )
    exclusion = Exclusion(label="resnet20 · quantize", reason="`quantize` takes no network of this size")
    return suite_record(rows, name="digits", findings=claims, exclusions=(exclusion,)), made


def housing_suite() -> tuple[SuiteRecord, list[Record]]:
    """Return a regression suite: one network at two widths of training, 3 seeds, no timings."""
    rows: list[SuiteCell] = []
    made: list[Record] = []
    for epochs, loss in ((10, 0.31), (30, 0.24)):
        of = cell(dataset="housing", epochs=epochs)
        rows.append(suite_cell(of, label=f"mlp · plain · epochs={epochs}"))
        made += [regression(of, suite="housing", seed=seed, loss=loss + 0.004 * seed) for seed in range(3)]
    return suite_record(rows, name="housing"), made


def write_results(folder: Path) -> None:
    """Write a small but complete results tree: two suites, all kinds of node, failures too."""
    for suite, made in (digits_suite(), housing_suite()):
        store.write_suite(folder, suite)
        for one in made:
            store.write(folder, one)
