"""Findings for other programs, on demand of the command line: a SARIF file, and annotations of GitHub Actions."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainwright import __version__
from trainwright.cli.devices import leads
from trainwright.doctor.kinds import explain
from trainwright.errors import RunError
from trainwright.records import Finding, from_plain
from trainwright.report.annotations import github_annotations
from trainwright.report.sarif import sarif_document


def sarif_text(findings: Sequence[Finding], folder: str) -> str:
    """Return findings as SARIF; `folder` is the one that paths are relative to."""
    pages = {finding.code: explain(finding.code) for finding in findings}
    return json.dumps(sarif_document(findings, version=__version__, folder=folder, pages=pages), indent=1) + "\n"


def repository(folder: str) -> str:
    """Return the folder that others count paths from: the checkout of GitHub Actions around `folder`, else `folder`."""
    checkout = os.environ.get("GITHUB_WORKSPACE", "")
    around = bool(checkout) and Path(folder).is_relative_to(checkout)
    return checkout if around else folder


def leave_findings(document: Mapping[str, Any], sarif_file: Path | None, *, github: bool) -> None:
    """Write the findings of a command's JSON document where it was asked to. Raises `RunError` where it cannot."""
    findings = [from_plain(Finding, finding) for finding in document["findings"]] if sarif_file or github else []
    if github and findings and leads():
        sys.stderr.write(github_annotations(findings, folder=repository(os.getcwd())) + "\n")
    if sarif_file is None or not leads():
        return
    try:
        sarif_file.parent.mkdir(parents=True, exist_ok=True)
        sarif_file.write_text(sarif_text(findings, repository(os.getcwd())), encoding="utf-8")
    except OSError as problem:
        raise RunError(
            f"the SARIF file {sarif_file} cannot be written",
            evidence=problem.strerror or str(problem),
            remedy="choose another --sarif",
        ) from None
