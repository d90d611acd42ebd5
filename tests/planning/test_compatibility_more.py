"""What cannot go together is said before any compute, from the literals alone."""

from pathlib import Path

import pytest

from bench.catalog import Catalog
from bench.planning.compatibility import first_format, unsupported
from bench.records import Cell, Training

CATALOG = Catalog()
TAKES_OVER = '"""Own loop\n\nTrains in its own way.\n"""\n\n\ndef fit(trainer, model):\n    return trainer.fit(model)\n'


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put files of networks into the working folder; nothing is in them, as planning does not look inside."""
    monkeypatch.chdir(tmp_path)
    for name in ("m.keras", "m.h5", "m.onnx", "m.pt", "M.TFLITE"):
        Path(name).touch()


def reason(dataset: str, architecture: str, *techniques: str, catalog: Catalog = CATALOG, loss: str = "auto") -> str:
    cell = Cell(
        dataset=catalog.resolve("datasets", dataset),
        source="",
        architecture=catalog.resolve("architectures", architecture),
        training=Training(loss=loss),  # type: ignore[arg-type]
    )
    cards = catalog.card("datasets", cell.dataset.name), catalog.card("architectures", cell.architecture.name)
    return unsupported(cell, *cards, tuple(catalog.card("techniques", name) for name in techniques), "tensorflow")


@pytest.mark.parametrize(
    ("dataset", "architecture", "techniques", "loss", "says"),
    [
        ("wine", "lenet5", (), "auto", "lenet5 takes image data, wine is table data"),
        ("digits", "lenet5", (), "auto", "lenet5 needs images of at least 28 pixels a side, digits has 8"),
        ("digits", "mlp", (), "huber", "the loss huber is for values, digits is classification"),
        ("wine_quality", "mlp", (), "crossentropy", "the loss crossentropy is for classes, wine_quality is regression"),
        ("wine_quality(label_noise=0.1)", "mlp", (), "auto", "label_noise is about classes, wine_quality is"),
        ("digits", "model_file(path='m.pt')", (), "auto", "m.pt: model_file reads .keras"),
        ("digits", "model_file(path='m.keras')", ("dropout",), "auto", "model_file is not trained, and dropout acts"),
        ("digits", "model_file(path='M.TFLITE')", ("quantize",), "auto", "quantize takes keras networks, model_file"),
        ("digits", "mlp", ("quantize", "prune"), "auto", "prune takes keras networks, quantize leaves a litert"),
        ("digits", "mlp", ("prune", "dropout"), "auto", "dropout acts on training and must come before prune"),
    ],
)
def test_parts_that_do_not_fit_are_named(
    dataset: str, architecture: str, techniques: tuple[str, ...], loss: str, says: str
) -> None:
    assert reason(dataset, architecture, *techniques, loss=loss).startswith(says)


def test_parts_that_fit_give_no_reason() -> None:
    assert reason("digits(label_noise=0.1)", "mlp", "dropout", "prune", "quantize", loss="crossentropy") == ""
    assert reason("wine_quality(train_size=100)", "mlp", loss="huber") == ""
    assert reason("digits", "model_file(path='m.keras')", "quantize") == ""


def test_one_technique_alone_may_take_over_the_training(tmp_path: Path) -> None:
    (tmp_path / "techniques").mkdir()
    for name in ("first", "second"):
        (tmp_path / "techniques" / f"{name}.py").write_text(TAKES_OVER)
    catalog = Catalog([tmp_path])
    assert reason("digits", "mlp", "first", catalog=catalog) == ""
    assert reason("digits", "mlp", "first", "second", catalog=catalog).startswith("first and second both take over")


@pytest.mark.parametrize(
    ("call", "wanted"),
    [("mlp", "keras"), ("model_file(path='m.h5')", "keras"), ("model_file(path='m.onnx')", "onnx")],
)
def test_the_format_of_a_network_is_known_from_its_file_name(call: str, wanted: str) -> None:
    use = CATALOG.resolve("architectures", call)
    assert first_format(CATALOG.card("architectures", use.name), use) == wanted
