"""What is due and why: every rule of caching, seeds, folds and impossible pairs."""

from pathlib import Path
from typing import Any

import factory
import msgspec
import pytest

from bench import store
from bench.catalog import Catalog
from bench.errors import SuiteError
from bench.measure.hardware import hardware
from bench.planning import fingerprints, plan, suite
from bench.query import Query
from bench.records import Artifact, Fault, Record
from bench.store import write
from bench.tasks import Node, versions

CATALOG = Catalog()
SUITE = """
title: T
datasets: [digits]
architectures: [mlp]
recipes: {baseline: [], small: ["prune(sparsity=0.5)"], tiny: ["prune(sparsity=0.5)", quantize]}
seeds: [0, 1]
measure: {profile: smoke, runtimes: [litert, tf_function]}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.yaml").write_text(SUITE)
    return tmp_path


def planned(place: Path, text: str | None = None, **options: Any) -> plan.Plan:
    if text is not None:
        (place / "mine.yaml").write_text(text)
    read = suite.read(place / "mine.yaml", CATALOG)
    return plan.make(read, CATALOG, place / "results", place / "artifacts", **options)


def finished(node: Node, made: dict[str, Record], **changes: Any) -> Record:
    """Return the record that a node would leave on this machine."""
    here = msgspec.structs.replace(
        factory.provenance(),
        hardware=hardware(),
        code=node.code,
        packages=versions(("ai-edge-litert", "keras", "tensorflow")),
    )
    artifact = None
    if node.kind in {"train", "derive"}:
        name = factory.digest(node.id)
        artifact = Artifact(digest=name, format="keras", file=f"{name[:8]}.keras", size_bytes=1, outputs="logits")
    fields: dict[str, Any] = {
        "created": factory.CREATED,
        "suite": "mine",
        "node": node.kind,
        "cell_id": node.cell_id,
        "cell": node.cell,
        "seed": node.seed,
        "fold": node.fold,
        "status": "finished",
        "measure": node.measure,
        "provenance": here,
        "diagnostic": node.diagnostic,
        "watched": node.watches,
        "parents": tuple(given.digest for name in node.parents if (given := made[name].artifact)),
        "artifact": artifact,
        "phases_s": {"fit": 20.0},
    }
    return Record(**fields | changes)


def execute(place: Path, **changes: Any) -> dict[str, Record]:
    """Leave a finished record and an artifact for every node of the suite."""
    made: dict[str, Record] = {}
    for step in planned(place).steps.values():
        node = step.node
        made[node.id] = finished(node, made, **changes)
        write(place / "results", made[node.id])
        if artifact := made[node.id].artifact:
            (place / "artifacts").mkdir(exist_ok=True)
            (place / "artifacts" / artifact.file).write_text("network")
    return made


def nodes_of(made: plan.Plan) -> list[Node]:
    return [step.node for step in made.steps.values()]


def statuses(made: plan.Plan) -> dict[str, str]:
    return {f"{run.recipe} {run.seed}": run.status for run in made.runs}


def test_a_prefix_is_trained_once_and_parents_come_first(place: Path) -> None:
    nodes = nodes_of(planned(place))
    assert [node.kind for node in nodes].count("train") == 2, "one for each seed"
    assert [node.kind for node in nodes].count("derive") == 4
    seen: set[str] = set()
    for node in nodes:
        assert set(node.parents) <= seen
        seen.add(node.id)


def test_latency_is_taken_on_one_seed_and_where_the_format_runs(place: Path) -> None:
    measured = [node for node in nodes_of(planned(place)) if node.kind == "measure"]
    assert {node.seed for node in measured} == {0}
    assert [node.measure.runtime.name for node in measured if node.measure and "quantize" in node.cell_id] == ["litert"]
    both = planned(place, SUITE.replace("profile: smoke", "profile: smoke, seeds: all"))
    assert len([node for node in nodes_of(both) if node.kind == "measure"]) == 2 * len(measured)


def test_two_variants_of_a_runtime_stay_apart(place: Path) -> None:
    made = planned(place, SUITE.replace("[litert, tf_function]", "[tf_function, tf_function(jit_compile=True)]"))
    ids = [node.id.partition("/")[2] for node in nodes_of(made) if node.kind == "measure"]
    assert ids == ["tf_function", "tf_function(jit_compile=True)"] * 2


def test_only_that_matches_nothing_is_an_error(place: Path) -> None:
    with pytest.raises(SuiteError, match="no run of mine matches 'seed=7'"):
        planned(place, only=Query("seed=7"))


def test_without_records_all_is_new(place: Path) -> None:
    assert set(statuses(planned(place)).values()) == {"new"}


def test_with_records_all_is_cached(place: Path) -> None:
    execute(place)
    made = planned(place)
    assert set(statuses(made).values()) == {"cached"}
    assert made.cost_s == 0


def test_without_artifacts_all_stays_cached_unless_they_are_needed(place: Path) -> None:
    execute(place)
    for path in (place / "artifacts").iterdir():
        path.unlink()
    assert set(statuses(planned(place)).values()) == {"cached"}
    needed = planned(place, need_artifacts=True, only=Query("recipe=small and seed=0"))
    assert [step.status for step in needed.steps.values()] == ["stale", "stale", "cached", "cached"]


def test_a_missing_artifact_is_made_again_for_an_unfinished_child(place: Path) -> None:
    execute(place)
    for path in (place / "results").rglob("derive-s1*.json"):
        path.unlink()
    assert statuses(planned(place))["baseline 1"] == "cached"
    for path in (place / "artifacts").iterdir():
        path.unlink()
    made = planned(place)
    assert statuses(made) == {
        "baseline 0": "cached", "baseline 1": "stale", "small 0": "cached", "small 1": "new",
        "tiny 0": "cached", "tiny 1": "new",
    }  # fmt: skip
    assert "not on this machine" in next(run.reason for run in made.runs if run.recipe == "baseline" and run.seed == 1)


def test_changed_code_is_stale_and_says_which_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(place)
    real = fingerprints.fingerprint
    monkeypatch.setattr(fingerprints, "fingerprint", lambda path: "changed" if path.stem == "mlp" else real(path))
    fingerprints._code_of.cache_clear()
    try:
        made = planned(place)
    finally:
        fingerprints._code_of.cache_clear()
    assert set(statuses(made).values()) == {"stale"}
    assert made.runs[0].reason == f"changed since {factory.CREATED}: architectures/mlp"


def test_trained_results_hold_on_any_hardware_but_timings_do_not(place: Path) -> None:
    other = msgspec.structs.replace(hardware(), fingerprint="another")
    for record in execute(place).values():
        moved = msgspec.structs.replace(record.provenance, hardware=other)
        write(place / "results", msgspec.structs.replace(record, provenance=moved, created=factory.LATER))
    for path in (place / "results").rglob("*20260102*.json"):
        path.unlink()
    again = planned(place)
    assert {step.status for step in again.steps.values() if step.node.kind != "measure"} == {"cached"}
    assert {step.status for step in again.steps.values() if step.node.kind == "measure"} == {"new"}


def test_failed_runs_stay_failed_until_asked_for(place: Path) -> None:
    execute(place, status="failed", artifact=None, error=factory.unfinished().error)
    assert set(statuses(planned(place)).values()) == {"failed"}
    assert planned(place, retry_failed=True, only=Query("recipe=baseline")).runs[0].status == "stale"


def test_fresh_adds_to_the_history_of_what_was_picked(place: Path) -> None:
    execute(place)
    made = planned(place, fresh=True, only=Query("recipe=small and seed=0"))
    assert [(step.node.kind, step.status) for step in made.steps.values()] == [
        ("train", "cached"), ("derive", "stale"), ("measure", "stale"), ("measure", "stale"),
    ]  # fmt: skip


def test_suite_name_recipe_name_and_order_are_not_part_of_identity(place: Path) -> None:
    execute(place)
    text = SUITE.replace("baseline: []", "plain: []").replace("seeds: [0, 1]", "seeds: [0, 1]\nabout: other words")
    assert set(statuses(planned(place, text)).values()) == {"cached"}


def test_a_finished_record_stands_although_a_later_attempt_failed(place: Path) -> None:
    execute(place)
    execute(place, status="failed", created=factory.LATER, artifact=None, error=factory.unfinished().error)
    assert set(statuses(planned(place)).values()) == {"cached"}


def test_a_training_setting_is_part_of_identity_and_a_seed_is_not(place: Path) -> None:
    execute(place)
    assert set(statuses(planned(place, SUITE + "training: {epochs: 11}")).values()) == {"new"}
    made = planned(place, SUITE.replace("[0, 1]", "[0, 2]"))
    assert statuses(made)["baseline 0"] == "cached"
    assert statuses(made)["baseline 2"] == "new"


def test_cost_comes_from_records_like_it(place: Path) -> None:
    execute(place)
    more = planned(place, SUITE.replace("seeds: [0, 1]", "seeds: [0, 1, 2]") + "training: {epochs: 20}")
    assert next(step for step in more.steps.values() if step.node.kind == "train").cost_s == pytest.approx(40.0)


def test_excluded_runs_are_listed_with_their_reason(place: Path) -> None:
    made = planned(place, SUITE + "exclude: [{when: recipe=small, reason: not today}]")
    excluded = [run for run in made.runs if run.status == "excluded"]
    assert len(excluded) == 2
    assert excluded[0].reason == "excluded: not today"


def test_another_backend_is_not_asked_for_what_needs_tensorflow(place: Path) -> None:
    made = planned(place, backend="jax")
    assert statuses(made) == {
        "baseline 0": "new", "baseline 1": "new", "small 0": "new", "small 1": "new",
        "tiny 0": "unsupported", "tiny 1": "unsupported",
    }  # fmt: skip


def test_broken_records_are_named(place: Path) -> None:
    execute(place)
    (place / "results" / "mine" / "cell").mkdir()
    (place / "results" / "mine" / "cell" / "x.json").write_text("{")
    assert "x.json" in planned(place).problems[0]


def test_cells_that_the_suite_no_longer_has_are_counted(place: Path) -> None:
    execute(place)
    assert planned(place).earlier == 0
    made = planned(place, SUITE.replace("[mlp]", "[custom_cnn]"))
    assert made.earlier == 3
    assert planned(place, SUITE.replace('small: ["prune(sparsity=0.5)"], ', "")).earlier == 0, "a step towards `tiny`"


def test_a_timing_of_an_earlier_network_is_taken_again(place: Path) -> None:
    made = execute(place)
    for name, record in made.items():
        if record.node == "train" and record.artifact and record.seed == 0:
            other = msgspec.structs.replace(record.artifact, digest=factory.digest("another", name))
            write(place / "results", msgspec.structs.replace(record, artifact=other, created=factory.LATER))
    again = {step.node.kind: step for step in planned(place, only=Query("recipe=baseline and seed=0")).steps.values()}
    assert again["train"].status == "cached"
    assert (again["measure"].status, again["measure"].reason) == (
        "stale",
        "the network it started from has been made anew",
    )


def test_what_failed_for_its_parent_alone_is_tried_again(place: Path) -> None:
    made = execute(place)
    for name, record in made.items():
        if record.node == "derive" and record.seed == 0 and "quantize" not in name:
            error = Fault(type="ParentFailed", message="its parent did not finish")
            failed = msgspec.structs.replace(record, status="unsupported", error=error, artifact=None)
            write(place / "results", msgspec.structs.replace(failed, created=factory.LATER))
            next((place / "results").rglob(f"{record.cell_id}/derive-s0-20260102*")).unlink()
    (run,) = planned(place, only=Query("recipe=small and seed=0")).runs
    assert (run.status, run.reason) == ("stale", "tried again")


def test_a_diagnosis_of_schema_1_stands_in_the_networks_own_record(place: Path) -> None:
    text = SUITE + "diagnostics: [calibration]"
    found = factory.record().diagnostics
    execute(place, diagnostics=found)
    assert set(statuses(planned(place, text)).values()) == {"cached"}
    for record in store.read(place / "results").records:
        if record.node == "train":
            write(place / "results", msgspec.structs.replace(record, diagnostics={}, created=factory.LATER))
    assert set(statuses(planned(place, text)).values()) == {"cached"}, "of the same network, made again"
    other = planned(place, text.replace("[calibration]", '["calibration(bins=5)"]'))
    assert set(statuses(other).values()) == {"new"}, "with other parameters it says something else"


def test_a_diagnostic_is_asked_where_it_can_answer(place: Path) -> None:
    """Of LiteRT's files nobody sees the inside; pictures are of the first seed; none watches what is derived."""
    text = (
        'title: T\ndatasets: [digits]\narchitectures: ["mlp(width=4)"]\nseeds: [3, 1]\n'
        "recipes: {baseline: [], pruned: [prune], quantized: [quantize]}\nmeasure: {runtimes: []}\n"
        "diagnostics: [calibration, saliency, gradients, distributions]\n"
    )
    (place / "demo.yaml").write_text(text)
    made = plan.make(suite.read(place / "demo.yaml", Catalog()), Catalog(), place / "results", place / "artifacts")
    asked: dict[tuple[str, str], list[int | None]] = {}
    for step in made.steps.values():
        if step.node.diagnostic:
            last = step.node.cell.techniques[-1].name if step.node.cell.techniques else "baseline"
            asked.setdefault((step.node.diagnostic.name, last), []).append(step.node.seed)
    assert asked == {
        ("calibration", "baseline"): [3, 1],
        ("calibration", "prune"): [3, 1],
        ("calibration", "quantize"): [3, 1],
        ("saliency", "baseline"): [3],
        ("saliency", "prune"): [3],
        ("gradients", "baseline"): [3, 1],
        ("distributions", "baseline"): [3],
    }
    watching = {(step.node.kind, *map(str, step.node.watches)) for step in made.steps.values()}
    assert watching == {("train", "gradients", "distributions"), ("train", "gradients"), ("derive",), ("diagnose",)}
