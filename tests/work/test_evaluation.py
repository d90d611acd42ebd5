"""What is said of a network's outputs: known figures by hand, and the task's own metrics."""

import numpy as np
import pytest

from bench.errors import Diverged
from bench.records import Measurement
from bench.work import data, evaluation


def judged(outputs: np.ndarray, y: np.ndarray, **facts: object) -> dict[str, Measurement]:
    facts.setdefault("classes", tuple(map(str, range(outputs.shape[1]))))
    part = data.Part(np.zeros((len(y), 1), np.float32), y)
    split = data.Split(data.Facts(source="here", **facts), part, part, part)  # type: ignore[arg-type]
    found = evaluation.evaluate(outputs.astype(np.float32), split).measurements
    return {m.name: m for m in found if m.class_name is None}


def test_two_classes_have_the_areas_of_the_second() -> None:
    scores = np.array([0.1, 0.4, 0.35, 0.8])  # the example of scikit-learn's roc_auc_score
    logits = np.stack([np.log(1 - scores), np.log(scores)], axis=1)
    found = judged(logits, np.array([0, 0, 1, 1]))
    assert found["roc_auc"].value == pytest.approx(0.75)
    assert found["pr_auc"].value == pytest.approx(0.8333, abs=1e-4)
    assert found["accuracy"].value == 0.75
    assert found["loss"].value == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean(), rel=1e-5)
    assert "top_5_accuracy" not in found


def test_areas_are_left_out_where_a_class_is_not_in_the_test_part() -> None:
    found = judged(np.eye(3)[[0, 1, 0]], np.array([0, 1, 0]))
    assert {"roc_auc", "pr_auc"}.isdisjoint(found)
    assert found["accuracy"].value == 1


def test_many_classes_have_a_top_5() -> None:
    logits = np.tile(np.arange(25.0), (4, 1))
    found = judged(logits, np.array([24, 20, 19, 3]))
    assert (found["accuracy"].value, found["top_5_accuracy"].value) == (0.25, 0.5)
    assert found["top_5_accuracy"].low is not None


@pytest.mark.parametrize(("confidence", "right", "error"), [(0.9, 9, 0.0), (0.9, 5, 0.4), (0.6, 10, 0.4)])
def test_calibration_error_is_the_gap_between_confidence_and_right_answers(
    confidence: float, right: int, error: float
) -> None:
    probabilities = np.tile([confidence, 1 - confidence], (10, 1))
    labels = np.array([0] * right + [1] * (10 - right))
    assert evaluation.calibration_error(probabilities, labels) == pytest.approx(error)


GROUPS = {"superclasses": ("animal", "thing"), "superclass_of": (0, 0, 1, 1)}


def test_mistakes_within_the_superclass_are_counted() -> None:
    found = judged(np.eye(4)[[0, 1, 2, 0, 1]], np.array([0, 0, 3, 2, 1]), **GROUPS)
    assert found["accuracy"].value == pytest.approx(2 / 5)
    assert found["coarse_accuracy"].value == pytest.approx(4 / 5)
    assert found["mistakes_within_superclass"].value == pytest.approx(2 / 3)
    assert found["mistakes_within_superclass"].n == 3


def test_a_network_with_logits_for_superclasses_is_judged_by_them() -> None:
    fine, coarse = np.eye(4)[[0, 1, 2]], np.eye(2)[[1, 0, 1]]
    facts = GROUPS | {"task": "hierarchical", "classes": ("a", "b", "c", "d")}
    found = judged(np.concatenate([fine, coarse], axis=1), np.array([0, 1, 3]), **facts)
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert found["coarse_accuracy"].value == pytest.approx(2 / 3)


def test_a_regression_has_its_own_metrics() -> None:
    found = judged(np.array([[2.5], [0.0], [2.0], [8.0]]), np.array([3, -0.5, 2, 7]), task="regression", classes=())
    assert found["mae"].value == pytest.approx(0.5)  # the examples of scikit-learn's documentation
    assert found["rmse"].value == pytest.approx(0.375**0.5)
    assert found["r2"].value == pytest.approx(0.9486, abs=1e-4)
    assert "accuracy" not in found


def test_outputs_that_are_not_finite_are_no_result() -> None:
    with pytest.raises(Diverged, match="lower the learning rate"):
        judged(np.array([[np.nan, 1.0]]), np.array([0]))


def test_answers_are_recognized_as_probabilities_or_logits() -> None:
    facts = data.Facts(source="", classes=("a", "b", "c"))
    assert evaluation.kind_of(np.array([[0.2, 0.3, 0.5]]), facts, "auto") == "probabilities"
    assert evaluation.kind_of(np.array([[0.2, 0.3, 0.9]]), facts, "auto") == "logits"
    assert evaluation.kind_of(np.array([[-1.0, 1.0, 1.0]]), facts, "auto") == "logits"
    assert evaluation.kind_of(np.array([[0.2, 0.3, 0.5]]), facts, "logits") == "logits"
    sure = evaluation.logits(np.array([[0.0, 0.0, 1.0]], np.float32), "probabilities", facts)
    assert np.isfinite(sure).all()
