"""Where a check's report goes beside the terminal: files, GitHub's summary, a webhook. Each may fail alone."""

import json
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPException
from pathlib import Path

from bench import disk
from bench.check import formats
from bench.check.report import Report
from bench.errors import BenchError, told

PATIENCE_S = 20


def deliver(report: Report, files: Sequence[Path], summary: Path | None, webhook: str | None) -> list[str]:
    """Write a report to files, each by its ending, add it to GitHub's summary, post it; return what went wrong."""
    ways: list[Callable[[], None]] = [partial(_write, report, path) for path in files]
    if summary is not None:
        ways.append(partial(_add, report, summary))
    if webhook is not None:
        ways.append(partial(_post, report, webhook))
    return [fault for way in ways if (fault := _fault(way))]


def _fault(way: Callable[[], None]) -> str:
    """Return why a report did not arrive, empty if it did."""
    try:
        way()
    except BenchError as error:
        return str(error)
    except OSError as error:
        return told(error)
    return ""


def _add(report: Report, summary: Path) -> None:
    with summary.open("a", encoding="utf-8") as file:
        file.write(formats.markdown(report))


def _write(report: Report, path: Path) -> None:
    """Write the report in the format that the file's name asks for."""
    disk.write_atomic(path, formats.FORMATS[path.suffix](report).encode())


def _post(report: Report, url: str) -> None:
    """Send the report to a webhook: `text` says it in a line, `report` is all that `--json` prints.

    An error names the host alone, as the rest of such an address is often a secret.
    """
    body = json.dumps(
        {"text": f"bench check {report.headline}", "report": json.loads(formats.as_json(report))}
    ).encode()
    try:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 – the option takes http alone
        with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310
            pass
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        host = urllib.parse.urlsplit(url).hostname
        raise BenchError(
            f"--webhook: {host} has not taken the report: {reason}; the same command sends it again"
        ) from error
