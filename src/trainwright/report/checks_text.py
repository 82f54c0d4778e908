"""What a verification found, as text: every check with what it measured beside what was expected, then the findings."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import CheckResult, CheckStatus, Finding
from trainwright.report.findings_text import finding_lines
from trainwright.report.numbers import duration, plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.wrapping import display_width, wrap

_ORDER: tuple[CheckStatus, ...] = ("failed", "warned", "passed", "skipped")
"""From what a reader must see first to what was not judged."""
BUDGET_USED = "seconds are used up"
"""How the reason of a check ends that was not begun, because the budget of the verification was spent."""
_WORTH_SAYING = 0.1  # seconds
_LEAST = 12  # columns that a value always has


def render_verification(
    results: Sequence[CheckResult], findings: Sequence[Finding], *, color: bool = False, width: int = 100
) -> str:
    """Return the table of all checks, most severe first, each finding in full, and the verdict."""
    ordered = sorted(results, key=lambda result: _ORDER.index(result.status))
    blocks = [render_checks(ordered, color=color, width=width)]
    blocks += ["\n".join(finding_lines(finding, color=color, width=width)) for finding in worst_first(findings)]
    blocks.append(verdict_line(results, color=color))
    return "\n\n".join(block for block in blocks if block)


def render_checks(results: Sequence[CheckResult], *, color: bool = False, width: int = 100) -> str:
    """Return a line for each check: what it measured, or why it did not judge. Nothing skipped passes for healthy."""
    name = max((display_width(result.check) for result in results), default=0)
    return "\n".join(_row(result, name, color=color, width=width) for result in results)


def verdict_line(results: Sequence[CheckResult], *, color: bool = False) -> str:
    """Return the verdict in a line: how many checks passed, warned, failed, and were skipped, and how long it took."""
    counts = {status: sum(result.status == status for result in results) for status in _ORDER}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no checks were run"
    took = duration(sum(result.seconds for result in results))
    if counts["failed"]:
        sign, word = SIGNS["error"], "not ready to train"
    elif counts["warned"]:
        sign, word = SIGNS["warning"], "worth a look before training"
    elif counts["passed"] and _raised(results):
        sign, word = SIGNS["note"], "nothing found, and not every check could run"
    elif counts["passed"] and any(result.reason.endswith(BUDGET_USED) for result in results):
        sign, word = SIGNS["note"], "nothing found, and the time was used up before every check had begun"
    elif not counts["passed"]:
        sign, word = SIGNS["note"], "nothing could be judged"
    else:
        sign, word = HEALTHY, "ready to train"
    text = f"{word}: {said} of {plural(len(results), 'check')} in {took}"
    return f"{paint(sign.shape, sign.ansi, color=color)} {paint(text, BOLD, sign.ansi, color=color)}"


def _raised(results: Sequence[CheckResult]) -> bool:
    """Say whether a check broke off with an exception; one that has nothing to judge does not."""
    return any(result.reason.startswith("it could not run") for result in results)


def check_phrase(result: CheckResult) -> str:
    """Return what a check measured beside what was expected, or why it did not judge."""
    if result.status == "skipped":
        return f"not judged: {prose(result.reason) or 'no reason given'}"
    otherwise = HEALTHY.word if result.status == "passed" else severity_counts(result.findings)
    said = prose(result.value) or otherwise
    return f"{said} (expected {prose(result.expected)})" if result.expected else said


def check_sign(status: CheckStatus) -> tuple[str, str]:
    """Return the shape and the style that stand for a status."""
    if status == "skipped":
        return "–", DIM
    sign = {"failed": SIGNS["error"], "warned": SIGNS["warning"]}.get(status, HEALTHY)
    return sign.shape, sign.ansi


def _row(result: CheckResult, name: int, *, color: bool, width: int) -> str:
    shape, style = check_sign(result.status)
    took = f" ({duration(result.seconds)})" if result.seconds >= _WORTH_SAYING else ""
    first, *rest = wrap(check_phrase(result) + took, max(width - name - 6, _LEAST))
    lines = [f"  {paint(shape, style, color=color)} {prose(result.check) + ':':<{name + 1}} {first}"]
    return "\n".join([*lines, *(f"{'':{name + 6}}{line}" for line in rest)])
