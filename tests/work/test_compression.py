"""Smaller networks made of trained ones: what is gone is gone, what is left answers as it must, the record says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import workbench
from test_after import after, job

from bench.blocks import masks
from bench.errors import Unsupported
from bench.runtimes import litert
from bench.techniques import prune
from bench.work import data, network, stored
from bench.work.training import Trained

pytestmark = pytest.mark.slow

CNN = "custom_cnn(width=8, depth=2)"


@pytest.fixture(scope="module")
def split() -> data.Split:
    return workbench.prepare("digits(train_size=200)", validation=0.1)


def share_of_zeros(network: keras.Model, **how: bool) -> float:
    values = [np.asarray(kernel) for kernel in masks.kernels(network, **how)]
    return float(sum((value == 0).sum() for value in values) / sum(value.size for value in values))


@pytest.mark.parametrize(
    "how",
    [
        {"sparsity": 0.8},
        {"sparsity": 0.8, "schedule": "constant"},
        {"sparsity": 0.8, "epochs": 0},
        {"sparsity": 0.8, "by": "tfmot"},
        {"sparsity": 0.8, "by": "tfmot", "schedule": "constant"},
    ],
    ids=str,
)
def test_pruning_reaches_its_sparsity_and_keeps_the_large(
    how: dict[str, Any], split: data.Split, tmp_path: Path
) -> None:
    task = job(split, tmp_path, CNN)
    before = [np.asarray(kernel) for kernel in masks.kernels(task.parent.network)]
    product = after("prune", task, **how)
    assert share_of_zeros(product.network) == pytest.approx(0.8, abs=0.01)
    for old, new in zip(before, map(np.asarray, masks.kernels(product.network)), strict=True):
        if how.get("epochs") == 0:
            assert np.array_equal(new[new != 0], old[new != 0]), "what is left is what it was"
        if how.get("schedule") == "constant" or how.get("epochs") == 0:
            assert np.abs(old[new != 0]).min() >= np.abs(old[new == 0]).max() * 0.5
        else:
            assert np.abs(old[new != 0]).mean() > np.abs(old[new == 0]).mean()
    assert not any(kernel.constraint for kernel in masks.kernels(product.network)), "its file holds no mask"


def test_weights_are_taken_little_by_little(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, CNN)
    seen: list[float] = []
    look = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(share_of_zeros(task.parent.network)))
    vary = task.trainer.remake

    def remake(values: Any) -> Any:
        made = vary(values)
        made.callbacks.append(look)
        return made

    task.trainer.remake = remake
    after("prune", task, sparsity=0.6, epochs=8)
    assert seen == sorted(seen)
    assert 0.05 < seen[0] < 0.5
    assert seen[-1] == seen[-2] == pytest.approx(0.6, abs=0.01), "the last quarter is for what is left"


def test_pruning_goes_to_its_end_whatever_would_stop_it(split: data.Split, tmp_path: Path) -> None:
    """Or the epoch that did best, before the weights were gone, would come back and be pruned in one stroke."""
    plain, stopped = (
        after("prune", job(split, tmp_path, CNN, techniques), sparsity=0.8, epochs=8, learning_rate=0.02)
        for techniques in ((), ("early_stopping(patience=1)",))
    )
    (ends, stops) = (next(one.points[-1] for one in made.series if one.name == "loss") for made in (plain, stopped))
    assert ends == stops == 8


def test_two_of_every_four_inputs_are_left(split: data.Split, tmp_path: Path) -> None:
    product = after("prune", job(split, tmp_path, CNN), pattern="2:4", epochs=1)
    found = masks.kernels(product.network, pattern=True)
    assert len(found) >= 4
    for kernel in found:
        value = np.moveaxis(np.asarray(kernel), -2, 0)
        assert (np.count_nonzero(value.reshape(-1, 4, *value.shape[1:]), axis=1) == 2).all()


def test_regressions_and_attention_are_pruned_too(split: data.Split, tmp_path: Path) -> None:
    rows = "\n".join(f"{x / 100},{x * x % 7},{x / 50 + 1}" for x in range(100))
    (tmp_path / "mine.csv").write_text(f"a,b,y\n{rows}\n")
    values = workbench.prepare(f"csv(path={str(tmp_path / 'mine.csv')!r}, target='y', task='regression')")
    product = after("prune", job(values, tmp_path, "mlp(width=16, depth=2)"), sparsity=0.7)
    assert share_of_zeros(product.network) == pytest.approx(0.7, abs=0.01)
    product = after("prune", job(split, tmp_path, "cct(width=16, depth=1)"), sparsity=0.7, epochs=1)
    inside = [layer for layer in product.network._flatten_layers() if isinstance(layer, keras.layers.EinsumDense)]
    assert len(inside) >= 4
    assert all((np.asarray(layer.kernel) == 0).mean() == pytest.approx(0.7, abs=0.05) for layer in inside)


def test_a_schedule_that_does_not_get_there_is_said(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, CNN)
    after("prune", task, sparsity=0.5, epochs=0)
    with pytest.raises(Unsupported, match=r"reached a sparsity of 0\.5\d?, not 0\.99; train for more epochs"):
        prune._require(task.parent.network, 0.99, pattern=False)


def test_low_rank_keeps_the_answers_where_it_keeps_the_energy(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, "mlp(width=32, depth=2)")
    layer = next(one for one in task.parent.network.layers if getattr(one, "units", 0) == 32)
    values = np.asarray(layer.kernel)
    left, _, right = np.linalg.svd(values, full_matrices=False)
    layer.kernel.assign((left[:, :4] * [4.0, 3.0, 2.0, 1.0]) @ right[:4])
    x = split.test.x[:50].astype(np.float32)
    wanted = np.asarray(task.parent.network(x))
    weights = task.parent.network.count_params()
    product = after("low_rank", task, energy=0.9999999, epochs=0)
    assert product.figures["factored_layers"][0] >= 1
    assert product.network.count_params() < weights
    assert np.asarray(product.network(x)) == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_low_rank_of_convolutions_is_near_and_smaller(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, CNN)
    x = split.test.x[:50].astype(np.float32)
    wanted, weights = np.asarray(task.parent.network(x)), task.parent.network.count_params()
    near = after("low_rank", task, energy=0.9, epochs=0).network
    assert near.count_params() < weights
    assert np.corrcoef(np.asarray(near(x)).ravel(), wanted.ravel())[0, 1] > 0.9
    with pytest.raises(Unsupported, match="100 % of no kernel's energy fits into fewer weights"):
        after("low_rank", task, energy=1.0)


def test_more_epochs_alone_are_what_they_say(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, CNN)
    before = [np.array(one) for one in task.parent.network.get_weights()]
    product = after("fine_tune", task, epochs=3)
    (loss, *_) = [one for one in product.series if one.name == "loss" and one.split == "train"]
    assert loss.points == [1.0, 2.0, 3.0]
    assert any(not np.array_equal(a, b) for a, b in zip(before, product.network.get_weights(), strict=True))
    task = job(split, tmp_path, CNN)
    before = [np.array(one) for one in task.parent.network.get_weights()]
    untouched = after("fine_tune", task, epochs=0).network.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, untouched, strict=True))


def test_a_network_that_ends_in_a_softmax_trains_on_as_it_would_without(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, CNN)
    bare = task.parent.network
    keras.Model(bare.inputs, keras.ops.softmax(bare.outputs[0])).save(tmp_path / "soft.keras")
    soft = replace(task, parents=(Trained(tmp_path / "soft.keras", "probabilities", split.facts),))
    for technique, how in (("fine_tune", {}), ("prune", {"structured": True})):
        wanted, found = (after(technique, one, epochs=1, **how).network for one in (task, soft))
        x = split.train.x[:16].astype("float32")
        assert np.allclose(keras.ops.softmax(wanted(x)), found(x), atol=1e-4), "and keeps its softmax"


def test_keras_rounds_no_attention_as_it_could_not_read_it_back(split: data.Split, tmp_path: Path) -> None:
    product = after("quantize", job(split, tmp_path, "vit(width=16, depth=1)"), scheme="keras_int8")
    share, _ = product.figures["quantized_share"]
    assert 0.2 < share < 0.9
    product.network.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras")
    x = split.train.x[:4].astype("float32")
    assert np.array_equal(again(x), product.network(x))


def test_what_keras_has_quantized_litert_refuses_with_the_cure(split: data.Split, tmp_path: Path) -> None:
    task = job(split, tmp_path, "mlp(width=16, depth=1)")
    path = tmp_path / "small.keras"
    after("quantize", task, scheme="keras_int8").network.save(path)
    with pytest.raises(Unsupported, match="Keras has quantized mlp already; start from the network before that"):
        after("quantize", task, scheme="dynamic")
    with pytest.raises(Unsupported, match=r"Keras has quantized it; quantize\(scheme='int8'\) does so for LiteRT"):
        litert.convert(path, tmp_path / "small.tflite")


SCHEMES = {
    "int8": 8,
    "int16x8": 8,
    "dynamic": 8,
    "float16": 16,
    "qat": 8,
    "onnx_int8": 8,
    "keras_int8": 8,
    "keras_int4": 4,
}


def test_the_record_says_what_each_way_leaves(tmp_path: Path) -> None:
    """Of seventeen ways to make one network smaller, trained once."""
    recipes = ["[]", "[fine_tune]", '["prune(sparsity=0.8)"]', '["prune(structured=True)"]', "[cluster]", "[low_rank]"]
    recipes += [f"[\"quantize(scheme='{scheme}')\"]" for scheme in SCHEMES]
    recipes += ['["prune(sparsity=0.8)", quantize]', "[cluster, \"quantize(scheme='qat')\"]"]
    text = workbench.written(
        *recipes,
        dataset="digits(train_size=400)",
        architecture="custom_cnn(width=16, depth=2)",
        training="epochs: 6, batch_size: 32, learning_rate: 0.01",
    )
    found = workbench.run(tmp_path, text)
    assert [(record.status, record.error) for record in found] == [("finished", None)] * len(found)
    assert [record.node for record in found].count("train") == 1
    by = {tuple(map(str, record.cell.techniques)): record for record in found}
    told = {"-".join(use.name for use in record.cell.techniques): record for record in by.values()}
    whole = told[""]
    schemes = {
        r.cell.techniques[0].parameters.get("scheme", "int8"): r
        for r in by.values()
        if len(r.cell.techniques) == 1 and r.cell.techniques[0].name == "quantize"
    }
    for scheme, bits in SCHEMES.items():
        record = schemes[scheme]
        if scheme.startswith("keras"):
            assert 0 < (record.value("quantized_share") or 0) < 0.5
            assert bits < (record.value("bits_per_weight") or 0) < 32
        else:
            assert record.value("bits_per_weight") == pytest.approx(bits, abs=4.0), scheme
            assert (record.value("agreement") or 0) > 0.9, scheme
    sparse = next(
        r
        for r in by.values()
        if [u.name for u in r.cell.techniques] == ["prune"] and not r.cell.techniques[0].parameters.get("structured")
    )
    assert sparse.value("sparsity") == pytest.approx(0.8, abs=0.01)
    assert (sparse.value("compressed_bytes") or 0) < 0.45 * (whole.value("compressed_bytes") or 0)
    both = next(r for r in by.values() if [u.name for u in r.cell.techniques] == ["prune", "quantize"])
    assert (both.value("sparsity") or 0) > 0.75
    assert (both.value("compressed_bytes") or 0) < (sparse.value("compressed_bytes") or 0)
    assert (told["cluster"].value("unique_weights") or 99) <= 16
    assert (told["low_rank"].value("parameters") or 0) < (whole.value("parameters") or 0)
    for record in by.values():
        if record.node == "derive":
            drop = next(m for m in record.measurements if m.name == "accuracy_drop")
            assert drop.value == pytest.approx((whole.value("accuracy") or 0) - (record.value("accuracy") or 0)) or (
                len(record.cell.techniques) > 1
            )
            assert drop.low is not None
            assert drop.high is not None
            assert drop.low <= drop.value <= drop.high
            assert (record.value("output_difference", statistic="largest") or 0) >= (
                record.value("output_difference", statistic="mean") or 0
            )


def test_a_table_is_quantized(tmp_path: Path) -> None:
    text = workbench.written(
        "[]",
        "[quantize]",
        "[\"quantize(scheme='onnx_int8')\"]",
        dataset="wine",
        architecture="mlp(width=16, depth=2)",
        training="epochs: 20, batch_size: 16, learning_rate: 0.01",
    )
    whole, *both = workbench.run(tmp_path, text)
    for small in both:
        assert small.status == "finished", small.error
        assert (small.value("agreement") or 0) > 0.9
        assert small.value("bits_per_weight") == 8
    assert (whole.value("accuracy") or 0) > 0.9


def test_what_a_regression_loses_has_its_interval(tmp_path: Path) -> None:
    rows = "\n".join(f"{x / 100},{x * x % 7},{x / 50 + x % 3}" for x in range(200))
    (tmp_path / "mine.csv").write_text(f"a,b,y\n{rows}\n")
    text = workbench.written(
        "[]",
        '["prune(sparsity=0.9, epochs=0)"]',
        dataset=f"csv(path={str(tmp_path / 'mine.csv')!r}, target='y', task='regression')",
        architecture="mlp(width=16, depth=2)",
        training="epochs: 20, batch_size: 16, learning_rate: 0.01",
    )
    whole, small = workbench.run(tmp_path, text)
    assert small.status == "finished", small.error
    rise = next(m for m in small.measurements if m.name == "mae_rise")
    assert rise.value == pytest.approx((small.value("mae") or 0) - (whole.value("mae") or 0), rel=1e-4)
    assert rise.low is not None
    assert rise.high is not None
    assert rise.low < rise.value < rise.high


def test_what_a_file_computes_is_read_off_it(split: data.Split, tmp_path: Path) -> None:
    model = workbench.build("resnet8", split.learn)
    rows = network.layer_table(model)
    for suffix, form in ((".tflite", "litert"), (".onnx", "onnx")):
        path = tmp_path / f"network{suffix}"
        model.export(path, format=form, verbose=False)
        graph = stored.read(path)
        assert graph is not None
        found = graph.layers()
        assert sum(layer.macs for layer in found) == sum(layer.macs for layer in rows), suffix
        kernels = sum(int(np.prod(kernel.values.shape)) for kernel in graph.kernels.values())
        assert kernels == sum(int(np.prod(k.shape)) for k in masks.kernels(model)), suffix
        # Normalization is folded into the kernels before it.
        assert sum(layer.parameters for layer in found) == pytest.approx(model.count_params(), rel=0.03), suffix


@pytest.mark.parametrize(
    ("technique", "how"),
    [
        ("prune", {"epochs": 0}),
        ("prune", {"structured": True}),
        ("low_rank", {"energy": 0.5}),
        ("fine_tune", {}),
        ("swa", {}),
        ("cluster", {}),
        ("quantize", {"scheme": "keras_int4"}),
        ("quantize", {"scheme": "onnx_int8"}),
    ],
    ids=str,
)
def test_what_keras_has_quantized_is_left_alone(
    technique: str, how: dict[str, Any], split: data.Split, tmp_path: Path
) -> None:
    task = job(split, tmp_path, "mlp(width=16, depth=2)")
    task.parent.network.quantize("int8")
    with pytest.raises(Unsupported, match="Keras has quantized mlp already; start from the network before that"):
        after(technique, task, **how)


def test_zeros_of_keras_int4_are_counted_as_such_in_every_group(split: data.Split, tmp_path: Path) -> None:
    """Whose groups of 128 inputs each have a code of their own for zero."""
    task = job(split, tmp_path, "mlp(width=300, depth=2)")
    after("prune", task, sparsity=0.8, epochs=0)
    whole = [np.asarray(kernel) for kernel in masks.kernels(task.parent.network)]
    small = after("quantize", task, scheme="keras_int4").network
    rounded = [
        layer(np.eye(layer.input_spec.axes[-1], dtype="float32")) - layer.bias
        for layer in small.layers
        if isinstance(layer, keras.layers.Dense)
    ]
    zeros = [np.abs(np.asarray(one)) < 1e-6 for one in rounded]
    assert all(zero[before == 0].all() for zero, before in zip(zeros, whole, strict=True))
    made = network.keep(small, tmp_path)
    said = next(m.value for m in stored.figures(made, tmp_path) if m.name == "sparsity")
    assert said == pytest.approx(sum(zero.sum() for zero in zeros) / sum(zero.size for zero in zeros), abs=1e-3)
    assert said >= 0.799


def test_a_layer_of_fewer_weights_than_clusters_stays_as_it_is(split: data.Split, tmp_path: Path) -> None:
    product = after("cluster", job(split, tmp_path, CNN), clusters=256, epochs=0)
    distinct = {kernel.path: len(np.unique(kernel)) for kernel in masks.kernels(product.network)}
    assert max(distinct.values()) == 256
    assert min(distinct.values()) < 160


@pytest.mark.parametrize(
    ("technique", "how"),
    [
        ("cluster", {"epochs": 1}),
        ("prune", {"pattern": "2:4", "epochs": 1}),
        ("swa", {"epochs": 1}),
        ("fine_tune", {"epochs": 1}),
    ],
    ids=str,
)
def test_every_layer_keeps_its_zeros_the_smallest_too(
    technique: str, how: dict[str, Any], split: data.Split, tmp_path: Path
) -> None:
    task = job(split, tmp_path, CNN)
    after("prune", task, sparsity=0.8, epochs=0)
    before = [np.asarray(kernel) == 0 for kernel in masks.kernels(task.parent.network)]
    product = after(technique, task, **how)
    for zeros, now in zip(before, map(np.asarray, masks.kernels(product.network)), strict=True):
        assert (now[zeros] == 0).all()
    assert not any(kernel.constraint for kernel in masks.kernels(product.network)), "its file holds no mask"


def test_what_a_technique_has_done_to_weights_stays_or_its_loss_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, half = "prune(sparsity=0.8, epochs=1)", "prune(pattern='2:4', epochs=1)"
    tune, few, aware = "fine_tune(epochs=1)", "cluster(epochs=1)", "quantize(scheme='qat', epochs=1)"
    keeping = ([tune], [few], ["quantize"], ["quantize(scheme='keras_int8')"], [aware], [few, aware], [half])
    recipes = [[first, *others] for others in keeping] + [[first, "low_rank(energy=0.5, epochs=0)"], [few, tune]]
    made = workbench.run(tmp_path, workbench.written(*map(str, recipes), architecture="mlp"))
    assert {record.status for record in made} == {"finished"}, [record.error for record in made]
    for record in made:
        names = [use.name for use in record.cell.techniques]
        if record.node == "derive" and names[0] == "prune" and names[-1] != "low_rank":
            assert (record.value("sparsity") or 0) > 0.79, record.cell.techniques
    clusters, zeros = sorted(line for line in capsys.readouterr().err.splitlines() if line.startswith("bench: "))
    assert zeros.startswith("bench: prune + low_rank: 80% of the weights were zero before low_rank, ")
    assert zeros.endswith(" are after it; put low_rank first")
    assert clusters.startswith("bench: cluster + fine_tune: a layer had 16 distinct weights at most before fine_tune, ")
    assert clusters.endswith(" after it; put fine_tune first")
