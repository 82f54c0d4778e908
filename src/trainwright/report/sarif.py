"""Findings as SARIF 2.1.0, which code scanning, editors and review tools read.

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trainwright.records import Finding, Location, to_plain
from trainwright.report.annotations import explanation, inside
from trainwright.report.safe import prose
from trainwright.report.summary import worst_first

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def sarif_document(
    findings: Sequence[Finding], *, version: str, folder: str, pages: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a SARIF log of one run. Its three levels are this project's own: error, warning, note.

    `folder` is where the repository lies; files inside are named relative to it. `pages` maps codes to what
    `trainwright explain` says of them.
    """
    ordered = worst_first(findings)
    firsts = {finding.code: finding for finding in reversed(ordered)}
    rules = [_rule(firsts[code], (pages or {}).get(code)) for code in sorted(firsts)]
    places = {rule["id"]: index for index, rule in enumerate(rules)}
    driver = {"name": "trainwright", "version": version, "semanticVersion": version, "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {_ROOT: {"uri": f"{Path(folder).absolute().as_uri().rstrip('/')}/"}},
                "results": [_result(finding, places[finding.code], folder) for finding in ordered],
            }
        ],
    }


def _rule(finding: Finding, page: str | None) -> dict[str, Any]:
    return {
        "id": finding.code,
        "name": "".join(part.capitalize() for part in finding.kind.split("-")),
        "shortDescription": {"text": prose(finding.title)},
        "fullDescription": {"text": prose(finding.because or finding.title)},
        "help": {"text": page or f"trainwright explain {finding.code}"},
        "defaultConfiguration": {"level": finding.severity},
    }


def _result(finding: Finding, rule: int, folder: str) -> dict[str, Any]:
    location = _location(finding.where, folder)
    named = (finding.where.file, finding.where.module, finding.where.parameter)
    own = [inside(named[0], folder) if named[0] else "", named[1] or "", named[2] or ""]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": f"{prose(finding.title)}\n{explanation(finding)}"},
        "locations": [location] if location else [],
        # Lines move when code is edited: the same fault is known again by its kind and by what it is in.
        "partialFingerprints": {"trainwright/v1": "|".join([finding.code, *own])},
        "properties": to_plain(
            {
                "kind": finding.kind,
                "step": finding.step,
                "confidence": finding.confidence,
                "evidence": finding.evidence,
                "remedies": finding.remedies,
            },
            strict=True,
        ),
    }


def _location(where: Location, folder: str) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if where.file is not None:
        region = {} if where.line is None else {"region": {"startLine": where.line}}
        location["physicalLocation"] = {"artifactLocation": _artifact(where.file, folder), **region}
    names = [name for name in (where.module, where.parameter) if name]
    if names:
        kind = "parameter" if where.parameter else "module"
        location["logicalLocations"] = [{"fullyQualifiedName": ".".join(names), "kind": kind}]
    return location


def _artifact(file: str, folder: str) -> dict[str, str]:
    short = inside(file, folder).encode("utf-8", "backslashreplace").decode()  # a name of bytes that are no text
    if short.startswith("<"):
        return {"uri": quote(short)}  # code that came from no file
    if Path(short).is_absolute():
        return {"uri": Path(short).as_uri()}
    return {"uri": quote(short), "uriBaseId": _ROOT}
