"""A check's report for other programs: JUnit, SARIF, Atom, Markdown, GitHub's annotations."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import msgspec

from bench.check.report import Report, sentence

MOST_LINES = 50
"""Rows in a comment that people read; the rest is counted."""
ATOM = "http://www.w3.org/2005/Atom"


def markdown(report: Report) -> str:
    """Return a comment for a pull request: what was found in one line, alerts and what is undecided as a table."""
    told = [row for row in report.rows if row.verdict in {"regressed", "undecided"}]
    lines = [f"**bench check {_cell(report.headline)}**", ""]
    if told:
        lines += ["| verdict | suite | row | what | difference |", "|---|---|---|---|---|"]
        for row in told[:MOST_LINES]:
            label = f"{row.label} ({row.cell_id})" if row.verdict == "regressed" else row.label
            cells = (row.outcome, row.suite, label, row.place, sentence(row).removeprefix(row.place).strip())
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
        if len(told) > MOST_LINES:
            lines.append(f"\n… and {len(told) - MOST_LINES} more; all are in the report.")
    lines += [f"\n{_cell(note)}" for note in report.notes]
    return "\n".join(lines) + "\n"


def junit(report: Report) -> str:
    """Return JUnit's XML: a test case for each comparison; alerts have failed, what is undecided was skipped."""
    root = ET.Element("testsuites", name="bench check")
    suites: dict[str, ET.Element] = {}
    for row in report.rows:
        if row.suite not in suites:
            suites[row.suite] = ET.SubElement(root, "testsuite", name=_xml(row.suite))
        on = f" on {row.machine}" if row.machine else ""
        names = {"classname": _xml(f"{row.suite}.{row.label}"), "name": _xml(f"{row.node} {row.place}{on}")}
        case = ET.SubElement(suites[row.suite], "testcase", names)
        if row.fails or (row.verdict == "undecided" and report.strict):
            ET.SubElement(case, "failure", message=_xml(sentence(row)), type=row.verdict)
        elif row.verdict in {"undecided", "regressed", "shown"}:
            ET.SubElement(case, "skipped", message=_xml(sentence(row)))
    notes = (*report.notes, *([report.headline] if report.nothing is not None else []))
    if notes:
        suites[""] = ET.SubElement(root, "testsuite", name="bench check")
        for note in notes:
            case = ET.SubElement(suites[""], "testcase", classname="bench check", name="records and acknowledgements")
            ET.SubElement(case, "failure", message=_xml(note), type="note")
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    return _document(root)


def sarif(report: Report) -> str:
    """Return SARIF 2.1.0: a result for each alert and each undecided row, at its suite's file."""
    levels = {"regressed": "error", "undecided": "note"}
    told = [row for row in report.rows if row.verdict in levels]
    results = [
        {
            "ruleId": row.metric,
            "level": "note" if row.acknowledged is not None else levels[row.verdict],
            "message": {"text": f"{row.label}: {sentence(row)}"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": f"suites/{row.suite}.yaml"}}}],
            "partialFingerprints": {"cell": f"{row.cell_id}/{row.place}/{row.machine or ''}"},
        }
        for row in told
    ]
    results += [{"ruleId": "records", "level": "error", "message": {"text": note}} for note in report.notes]
    rules = [{"id": name, "name": name} for name in dict.fromkeys(str(result["ruleId"]) for result in results)]
    driver = {"name": "bench check", "informationUri": "https://keras.io", "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def atom(report: Report) -> str:
    """Return an Atom feed of the alerts; an entry keeps its id as long as its records are the newest."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    alerts = [row for row in report.rows if row.fails]

    def add(parent: ET.Element, name: str, text: str) -> None:
        ET.SubElement(parent, f"{{{ATOM}}}{name}").text = _xml(text)

    add(root, "title", "bench check: alerts")
    add(root, "id", "urn:keras-bench:alerts")
    add(root, "updated", max((row.made for row in report.rows), default="1970-01-01T00:00:00Z"))
    add(ET.SubElement(root, f"{{{ATOM}}}author"), "name", "bench check")
    for row in alerts:
        entry = ET.SubElement(root, f"{{{ATOM}}}entry")
        add(entry, "title", f"{row.suite}: {row.label}: {row.place} {row.verdict}")
        add(entry, "id", f"urn:keras-bench:{row.cell_id}:{row.node}:{row.place.replace(' ', ':')}:{row.made}")
        add(entry, "updated", row.made)
        add(entry, "summary", sentence(row))
    return _document(root)


def github(report: Report) -> str:
    """Return workflow commands that become annotations: an error for each alert, a warning for what is undecided."""
    kinds = {"regressed": "error", "undecided": "notice"}
    lines = [
        f"::{kinds[row.verdict] if row.acknowledged is None else 'notice'} "
        f"file=suites/{_escaped(row.suite, True)}.yaml,title={_escaped(f'{row.outcome}: {row.label}', True)}"
        f"::{_escaped(sentence(row))}"
        for row in report.rows
        if row.verdict in kinds
    ]
    lines += [f"::error title=bench check::{_escaped(note)}" for note in report.notes]
    kind = "notice" if report.nothing is None else "error"
    return "\n".join([*lines, f"::{kind} title=bench check::{_escaped(report.headline)}"])


def as_json(report: Report) -> str:
    """Return what `bench check --json` prints."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


FORMATS: dict[str, Callable[[Report], str]] = {
    ".json": as_json,
    ".xml": junit,
    ".sarif": sarif,
    ".atom": atom,
    ".md": markdown,
}
"""By the ending of the file that is asked for."""


def _cell(text: str) -> str:
    """Return text that stays in a cell of a Markdown table and is no markup of its own."""
    plain = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return plain.replace("<", "&lt;").replace("`", "'").replace("[", "\\[").replace("@", "@\N{ZERO WIDTH SPACE}")


def _escaped(text: str, is_property: bool = False) -> str:
    """Return text as workflow commands take it."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text


def _xml(text: str) -> str:
    """Return text of the characters that XML 1.0 may hold."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "�", text)


def _document(root: ET.Element) -> str:
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
