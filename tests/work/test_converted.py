"""Which file a runtime is given for a network that it cannot read; what is shared is tried in test_runtimes.py."""

from pathlib import Path

import factory

from bench.catalog import Catalog
from bench.records import Artifact
from bench.tasks import Home
from bench.work import converted

RUNTIME = '''"""Mine: a runtime of one's own"""

from functools import partial

from bench.disk import write_atomic

CONVERTS = {"keras": ".mine"}


def written(network, path, text):
    write_atomic(path, text)


convert = partial(written, text=TEXT)


def deploy(network, *, threads: int = 1): ...
'''


def test_every_plugin_has_files_of_its_own_whatever_its_settings(tmp_path: Path) -> None:
    digest = factory.digest("network")
    network = Artifact(digest=digest, format="keras", file=f"{digest[:32]}.keras", size_bytes=9, outputs="logits")

    def contents(name: str, text: bytes, call: str = "") -> tuple[Path, bytes]:
        folder = tmp_path / f"{name}-{text.decode()}"
        (folder / "runtimes").mkdir(parents=True, exist_ok=True)
        (folder / "runtimes" / f"{name}.py").write_text(RUNTIME.replace("TEXT", repr(text)))
        catalog = Catalog([folder])
        path = converted.file(catalog, catalog.resolve("runtimes", call or name), Home(tmp_path, "s"), network)
        return path, path.read_bytes()

    (first, a), (_, b) = contents("first", b"a"), contents("second", b"b")
    assert (a, b) == (b"a", b"b")
    assert contents("first", b"a", "first(threads=2)") == (first, b"a"), "whatever the setting"
