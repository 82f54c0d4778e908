"""Ask one check of the data, and look at what it says."""

from __future__ import annotations

from typing import Any

from trainwright.checks.catalogue import CATALOGUE
from trainwright.checks.run import run_check
from trainwright.checks.subject import Subject
from trainwright.records import CheckResult

QUICK = ("inputs", "labels", "data-order", "validation-overlap", "validation-preprocessing", "validation-reads")


def check(name: str, of: Subject) -> CheckResult:
    return run_check(of, CATALOGUE[name])


def evidence(result: CheckResult, place: int = 0) -> dict[str, Any]:
    return {each.name: each.value for each in result.findings[place].evidence}


def found(result: CheckResult) -> list[str]:
    return [finding.kind for finding in result.findings]
