"""A report as other programs read it: parsed by their parsers, posted to a server that listens."""

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from factory import LATER, cell, record, suite_cell, suite_record

from bench import arguments, cli, store
from bench.check import Report, formats

ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = "a|b <script>`x`\n@all [click](http://x) % , : \x07"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A baseline and new records: one cell has lost, one is as it was, one is too small to tell."""
    monkeypatch.chdir(tmp_path)
    for name, created, lost in (("old", None, 0.0), ("new", LATER, 0.2)):
        for architecture, accuracy, n in (("mlp", 0.9 - lost, 1000), ("cnn", 0.9, 1000), ("vit", 0.9, 40)):
            for seed in range(3):
                of = cell(architecture=architecture)
                network = f"{architecture} {name if n == 40 or lost else ''}" if architecture != "cnn" else "cnn"
                extra: dict[str, Any] = {"created": created} if created else {}
                made = record(of, seed=seed, accuracy=accuracy, n_test=n, network=network, **extra)
                store.write(tmp_path / name, made)
        rows = [suite_cell(cell(architecture=one), label=f"{one} {HOSTILE}") for one in ("mlp", "cnn", "vit")]
        store.write_suite(tmp_path / name, suite_record(rows))
    return tmp_path / "new", tmp_path / "old"


def check(folders: tuple[Path, Path], *words: str) -> int:
    new, old = folders
    return cli.main(["check", "--results", str(new), "--baseline", str(old), *words])


def test_every_format_is_written_and_parsed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    files = {ending: tmp_path / f"report{ending}" for ending in formats.FORMATS}
    assert check(folders, *(word for path in files.values() for word in ("--report", str(path)))) == 1

    report = msgspec.json.decode(files[".json"].read_bytes(), type=Report)
    verdicts = {row.cell_id.split("-")[1]: row.verdict for row in report.rows if row.metric == "accuracy"}
    assert verdicts == {"mlp": "regressed", "cnn": "unchanged", "vit": "undecided"}

    (suite,) = ET.parse(files[".xml"]).getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (
        "demo",
        "3",
        "1",
        "1",
    )
    assert {len(case) for case in suite} == {0, 1}

    (run,) = json.loads(files[".sarif"].read_text())["runs"]
    assert [result["level"] for result in run["results"]] == ["error", "note"]
    assert {result["ruleId"] for result in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}

    feed = ET.parse(files[".atom"]).getroot()
    (entry,) = feed.findall(f"{ATOM}entry")
    assert "mlp" in (entry.findtext(f"{ATOM}title") or "")
    assert entry.findtext(f"{ATOM}updated") == LATER
    assert (entry.findtext(f"{ATOM}id") or "").startswith("urn:keras-bench:digits-mlp-")

    comment = files[".md"].read_text()
    table = [line for line in comment.splitlines() if line.startswith("| ")]
    assert len(table) == 3
    assert all(line.replace("\\|", "").count("|") == 6 for line in table)
    assert "<script>" not in comment
    assert "@all" not in comment


def test_the_ids_of_a_feed_stay_as_long_as_nothing_new_was_run(folders: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = tmp_path / "1.atom", tmp_path / "2.atom"
    check(folders, "--report", str(first))
    check(folders, "--report", str(second))
    assert first.read_bytes() == second.read_bytes()


def test_annotations_stay_in_their_line(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert check(folders, "--github") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::notice", "::notice"]
    assert all(line.startswith("::") and line.count("::") >= 2 for line in lines)
    assert (tmp_path / "summary.md").read_text().startswith("**bench check against ")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server on this machine, and what was posted to it; it refuses what comes to /no."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append({"type": self.headers["Content-Type"], **json.loads(body)})
            self.send_response(500 if self.path.startswith("/no") else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}", posted
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_a_webhook_gets_one_line_and_the_whole_report(
    folders: tuple[Path, Path], server: tuple[str, list[dict[str, Any]]]
) -> None:
    address, posted = server
    assert check(folders, "--webhook", f"{address}/hook") == 1
    (body,) = posted
    assert body["type"] == "application/json"
    assert body["text"].startswith("bench check against ")
    assert "1 regressed" in body["text"]
    assert msgspec.convert(body["report"], Report).counts["regressed"] == 1


@pytest.mark.parametrize("where", ["{server}/no?secret", "http://127.0.0.1:1/secret"])
def test_what_was_not_delivered_is_one_line_without_its_secrets_and_changes_no_verdict(
    folders: tuple[Path, Path],
    server: tuple[str, list[dict[str, Any]]],
    where: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(folders, "--webhook", where.format(server=server[0])) == 1
    out, err = capsys.readouterr()
    assert "regressed" in out
    assert len(err.splitlines()) == 1
    assert err.startswith("bench: --webhook: 127.0.0.1 has not taken the report: ")
    assert "secret" not in err


def test_nothing_to_compare_is_in_the_report_and_no_pass(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none").mkdir()
    file = tmp_path / "report.md"
    assert check((tmp_path / "none", folders[1]), "--json", "--report", str(file)) == 3
    out, err = capsys.readouterr()
    assert msgspec.json.decode(out, type=Report).exit_code == 3
    assert "no new records" in file.read_text()
    assert "skipped" not in file.read_text()
    assert "no new records" in err
    assert check((tmp_path / "none", folders[1])) == 3
    assert capsys.readouterr().out == ""


def test_every_delivery_is_tried(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "summary.md"))
    folder, file = tmp_path / "folder.json", tmp_path / "file.json"
    folder.mkdir()
    words = ("--report", str(folder), "--report", str(file), "--github", "--webhook", "http://127.0.0.1:1/")
    assert check(folders, *words) == 1
    assert file.exists()
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(
    "url", ["nonsense", "file:///etc/passwd", "http://", "http://[::1", "http://a b/", "http://x:y", "http://x:99999"]
)
def test_what_is_no_address_is_refused_before_any_work(folders: tuple[Path, Path], url: str) -> None:
    with pytest.raises(SystemExit) as caught:
        check(folders, "--webhook", url)
    assert caught.value.code == 2


def test_what_was_skipped_and_what_must_go_is_in_every_format(folders: tuple[Path, Path], tmp_path: Path) -> None:
    known = tmp_path / "known.yaml"
    entry = {"cell": "gone", "what": "accuracy", "reason": "none", "until": "2999-01-01"}
    known.write_text(json.dumps({"acknowledged": [entry]}))
    for i in range(20):
        (folders[0] / "demo" / f"cell{i}").mkdir()
        (folders[0] / "demo" / f"cell{i}" / "broken.json").write_text("{")
    files = [tmp_path / f"report{ending}" for ending in (".xml", ".sarif", ".md")]
    check(folders, "--acknowledged", str(known), *(word for path in files for word in ("--report", str(path))))
    for path in files:
        text = path.read_text()
        assert "answers to no alert" in text
        assert "cell0/broken.json" in text
        assert "10 more" in text


def test_an_acknowledgement_file_that_was_named_must_be_there(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(folders, "--acknowledged", "nope.yaml") == 2
    assert "nope.yaml: cannot be read" in capsys.readouterr().err


def test_the_formats_that_options_name_are_those_that_there_are() -> None:
    assert tuple(formats.FORMATS) == arguments.REPORTS
