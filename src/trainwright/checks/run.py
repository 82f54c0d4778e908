"""Runs checks one after the other, each without a footprint, and turns what they answer into results."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from trainwright.checks.check import Answer, Check, Skip
from trainwright.checks.footprint import untouched
from trainwright.checks.subject import Subject
from trainwright.interruption import poll
from trainwright.records import CheckResult, CheckStatus, Finding

COULD_NOT_RUN = "it could not run"
"""How the reason of a check that raised begins: unlike one with nothing to judge, it tells that something is off."""


def run_checks(
    subject: Subject, checks: Iterable[Check], *, budget_seconds: float | None = None
) -> Iterator[CheckResult]:
    """Yield the result of each check. What cannot run is skipped with its reason, and never passes.

    Once `budget_seconds` have gone by, no further check is begun.
    """
    started = time.perf_counter()
    for check in checks:
        poll()
        if budget_seconds is not None and time.perf_counter() - started >= budget_seconds:
            yield CheckResult(check=check.name, status="skipped", reason=f"the {budget_seconds:g} seconds are used up")
        else:
            yield run_check(subject, check)


def run_check(subject: Subject, check: Check) -> CheckResult:
    """Run one check. Whatever it raises makes it skipped: a check that failed to run has proved nothing."""
    started = time.perf_counter()
    answer, reason = Answer(), ""
    try:
        with _untouched(subject), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on shapes are findings here
            answer = check.examine(subject)
        if not isinstance(answer, Answer):
            answer, reason = Answer(), f"{COULD_NOT_RUN}: it gave no answer"
    except Skip as why:
        reason = str(why).strip() or "it cannot judge this training"
    except (Exception, SystemExit) as problem:  # a model that ends the program must not end it as healthy
        answer, words = Answer(), str(problem).strip().splitlines()
        reason = f"{COULD_NOT_RUN}: {type(problem).__name__}" + (f": {words[0]}" if words else "")
    return CheckResult(
        check=check.name,
        status="skipped" if reason else _status(answer.findings),
        findings=answer.findings,
        measured=answer.measured,
        value=answer.value,
        expected=answer.expected,
        seconds=time.perf_counter() - started,
        reason=reason,
    )


def _untouched(subject: Subject) -> AbstractContextManager[None]:
    return untouched(
        subject.model,
        subject.optimizer,
        subject.loader,
        also=(subject.loss, subject.penalty, subject.scheduler, subject.x, subject.y),
        feeds=(subject.train, subject.validation),
        seed=subject.seed,
    )


def _status(findings: tuple[Finding, ...]) -> CheckStatus:
    severities = {finding.severity for finding in findings}
    return "failed" if "error" in severities else "warned" if "warning" in severities else "passed"
