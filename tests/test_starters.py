"""`bench new`: every file that it writes works as it is, and none is overwritten."""

from pathlib import Path

import pytest

from bench import starters, store
from bench.catalog import Catalog
from bench.cli import main
from bench.errors import BenchError
from bench.planning import suite as suites


@pytest.mark.usefixtures("workplace")
def test_a_suite_of_ones_own_plugins_plans(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in (("architecture", "my_net"), ("dataset", "my_data"), ("technique", "my_trick")):
        assert main(["new", kind, name]) == 0
        assert f"plugins/{kind}s/{name}.py" in capsys.readouterr().out
    assert main(["new", "suite", "mine"]) == 0
    path = Path("suites/mine.yaml")
    text = path.read_text().replace("[digits]", "[digits, my_data]").replace("- mlp", "- mlp\n  - my_net")
    path.write_text(text.replace('augment: ["augment(shift=1, flip=False)"]', "augment: [my_trick]"))
    assert main(["plan", "mine", "--plugins", "plugins"]) == 0
    out = capsys.readouterr().out
    assert "unsupported" not in out, "the network and the dataset fit each other"
    assert "new" in out


@pytest.mark.parametrize("name", ["My-Net", "9lives", "a b", "../x", ""])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match="a name is small letters"):
        starters.write("architecture", name, tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="architectures has a 'resnet8' already"):
        starters.write("architecture", "resnet8", tmp_path)
    starters.write("architecture", "mine", tmp_path)
    with pytest.raises(BenchError, match="is there already; nothing was written"):
        starters.write("architecture", "mine", tmp_path)


def test_what_is_written_says_what_to_fill_in(tmp_path: Path) -> None:
    for kind in ("architecture", "dataset", "technique", "diagnostic", "meter", "runtime"):
        starters.write(kind, "mine", tmp_path)
        card = Catalog([tmp_path]).card(f"{kind}s", "mine")
        assert card.title.startswith("mine: say in one line wh")


@pytest.mark.usefixtures("workplace")
def test_the_suite_is_a_whole_one() -> None:
    path = starters.write("suite", "mine", Path("plugins"))
    assert len(suites.read(path, Catalog()).cells) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
def test_what_is_written_trains(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("architecture", "dataset", "technique", "diagnostic", "meter", "runtime"):
        main(["new", kind, f"my_{kind}"])
    main(["new", "suite", "mine"])
    text = Path("suites/mine.yaml").read_text()
    for old, new in (
        ("[digits]", "[my_dataset]"),
        ("runtimes: [litert]", "runtimes: [my_runtime]"),
        ("findings:", "diagnostics: [my_diagnostic]\nfindings:"),
        ("custom_cnn(width=8, depth=2)", "my_architecture"),
        ('"augment(shift=1, flip=False)"', "my_technique"),
        ("seeds: [0, 1, 2]", "seeds: [0]"),
        ("architecture=custom_cnn", "architecture=my_architecture"),
        ("epochs: 5", "epochs: 2"),
    ):
        assert old in text
        text = text.replace(old, new)
    Path("suites/mine.yaml").write_text(text)
    assert main(["run", "mine", "--plugins", "plugins"]) == 0
    assert "bench site serve --plugins plugins" in capsys.readouterr().out
    found = store.read(Path("results"))
    assert {record.status for record in found.records} == {"finished"}
    assert {record.node for record in found.records} == {"train", "measure", "diagnose"}
