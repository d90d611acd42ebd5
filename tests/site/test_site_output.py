"""Where a site goes: what a build replaces, what it never touches, and what it says instead."""

import json
import resource
import shutil
import socket
from pathlib import Path

import factory
import pytest

from bench import store
from bench.catalog import Catalog
from bench.errors import BenchError
from bench.site import adapter, build, serve
from bench.site.output import MANIFEST, list_files, replacing


def write_site(output: Path, results: Path, *names: str) -> None:
    """Write a site of some empty files."""
    with replacing(output, results) as draft:
        for name in names:
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).touch()
        list_files(draft)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "built" / "site"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def test_a_site_takes_the_place_of_the_one_before(output: Path, results: Path) -> None:
    write_site(output, results, "a/index.html", "old/index.html")
    write_site(output, results, "a/index.html", "new/index.html")
    assert names(output.parent) == {"site/a/index.html", "site/new/index.html", f"site/{MANIFEST}"}
    assert json.loads((output / MANIFEST).read_text()) == ["a/index.html", "new/index.html"]
    assert not (output / "old").exists()


def test_an_empty_folder_is_taken(output: Path, results: Path) -> None:
    output.mkdir(parents=True)
    write_site(output, results, "index.html")
    assert (output / "index.html").exists()


def test_a_link_to_a_folder_stays_one(output: Path, results: Path, tmp_path: Path) -> None:
    write_site(tmp_path / "real", results, "index.html")
    output.parent.mkdir()
    output.symlink_to(tmp_path / "real")
    write_site(output, results, "other.html")
    assert output.is_symlink() and names(tmp_path / "real") == {"other.html", MANIFEST}


@pytest.mark.parametrize("name", ["precious.txt", "a/precious.txt", ".git/config"])
def test_what_no_build_wrote_is_named_and_kept(output: Path, results: Path, name: str) -> None:
    write_site(output, results, "a/index.html")
    (output / name).parent.mkdir(exist_ok=True)
    (output / name).write_text("keep")
    with pytest.raises(BenchError, match=f"holds what no build wrote: '{name}'; move it away"):
        write_site(output, results, "b/index.html")
    assert names(output) == {"a/index.html", MANIFEST, name}


def test_what_comes_while_a_site_is_written_is_kept(output: Path, results: Path) -> None:
    write_site(output, results, "index.html")
    with pytest.raises(BenchError, match=r"'late\.txt'"), replacing(output, results):
        (output / "late.txt").write_text("keep")
    assert names(output.parent) == {"site/index.html", f"site/{MANIFEST}", "site/late.txt"}


@pytest.mark.parametrize("name", ["sitemap.xml", "precious.txt"])
def test_a_folder_without_a_manifest_is_kept(output: Path, results: Path, name: str) -> None:
    output.mkdir(parents=True)
    (output / name).touch()
    with pytest.raises(BenchError, match="name another folder") as caught:
        build(results, output, Catalog())
    assert ("delete it once" in str(caught.value)) == (name == "sitemap.xml")
    assert names(output.parent) == {f"site/{name}"}


def test_a_manifest_leads_nowhere_else(output: Path, results: Path, tmp_path: Path) -> None:
    precious = [tmp_path / "precious.txt", results / "precious.txt"]
    for path in precious:
        path.write_text("keep")
    output.mkdir(parents=True)
    (output / "index.html").touch()
    (output / "link").symlink_to(results)
    listed = ["index.html", "link", "../../precious.txt", str(precious[1]), "link/precious.txt", "../../results"]
    (output / MANIFEST).write_text(json.dumps(listed))
    write_site(output, results, "new.html")
    assert names(output) == {"new.html", MANIFEST}
    assert all(path.read_text() == "keep" for path in precious)


@pytest.mark.parametrize("text", ["{", "[1]", '{"files": []}', "\0"])
def test_a_broken_manifest_stops_a_build(output: Path, results: Path, text: str) -> None:
    write_site(output, results, "index.html")
    (output / MANIFEST).write_text(text)
    with pytest.raises(BenchError, match="cannot be read"):
        write_site(output, results, "index.html")
    assert (output / "index.html").exists()


def test_places_that_a_site_must_not_take(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "home" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here.parent))
    (tmp_path / "file").touch()
    refused = {
        results: "holds the results",
        results.parent: "holds the results",
        results / "site": "lies in the results",
        Path("/"): "holds the results",
        Path(): "holds the working folder",
        here.parent: "holds the home folder",
        tmp_path / "file": "is a file",
        tmp_path / "file" / "site": "cannot be written: Not a directory",
        Path("/proc/site"): "cannot be written",  # where not even root may write
    }
    for place, reason in refused.items():
        with pytest.raises(BenchError, match=reason) as caught:
            build(results, place, Catalog())
        assert "\n" not in str(caught.value) and "--output" in str(caught.value)
    assert list(here.iterdir()) == []


def test_a_build_that_fails_leaves_the_site_as_it_was(
    output: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # or what is compiled first here would be cut short for ever
    import bench.site.drawing  # noqa: F401 – matplotlib writes a list of fonts

    write_site(output, results, "index.html")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))  # no file may grow larger: as good as a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            build(results, output, Catalog())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert names(output.parent) == {"site/index.html", f"site/{MANIFEST}"}


def test_a_site_comes_back_where_its_successor_cannot_come(output: Path, results: Path) -> None:
    write_site(output, results, "index.html")
    with pytest.raises(FileNotFoundError), replacing(output, results) as draft:
        shutil.rmtree(draft)  # so that the draft cannot take the place
    assert names(output.parent) == {"site/index.html", f"site/{MANIFEST}"}


@pytest.mark.parametrize("port", [99999, 65536])
def test_a_port_that_there_is_not_is_named(results: Path, port: int) -> None:
    with pytest.raises(BenchError, match=f"port {port}: cannot be served on: ports end at 65535; name another"):
        serve(results, port, Catalog())


def test_a_port_that_is_taken_is_named(results: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BenchError, match="Address already in use; name another one by --port"):
            serve(results, taken.getsockname()[1], Catalog())


@pytest.mark.parametrize(
    ("configuration", "page"),
    [("site_name: [", b""), ("site_name: x\ndocs_dir: nowhere", b""), ("site_name: x\ndocs_dir: pages", b"\xff\xfe")],
)
def test_sources_that_cannot_be_read_are_one_line(
    tmp_path: Path, output: Path, results: Path, monkeypatch: pytest.MonkeyPatch, configuration: str, page: bytes
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_bytes(page)
    (tmp_path / "mkdocs.yml").write_text(configuration)
    monkeypatch.setattr(adapter, "CONFIG", tmp_path / "mkdocs.yml")
    write_site(output, results, "index.html")
    with pytest.raises(BenchError, match="MkDocs cannot build from it") as caught:
        build(results, output, Catalog())
    assert "\n" not in str(caught.value)
    assert names(output.parent) == {"site/index.html", f"site/{MANIFEST}"}


@pytest.mark.slow
def test_equal_results_make_equal_sites(tmp_path: Path, results: Path) -> None:
    store.write_suite(results, factory.suite_record())
    store.write(results, factory.record())
    for place in ("one", "two"):
        build(results, tmp_path / place, Catalog())
    one, two = tmp_path / "one", tmp_path / "two"
    assert names(one) == names(two) == {*json.loads((one / MANIFEST).read_text()), MANIFEST}
    assert [name for name in names(one) if (one / name).read_bytes() != (two / name).read_bytes()] == []
    assert oct(one.stat().st_mode) == oct(results.stat().st_mode)
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]
