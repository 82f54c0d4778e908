"""What a verification found, as text: every check with what it measured beside what was expected, then the findings."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import CheckResult, CheckStatus, Finding
from trainwright.report.findings_text import finding_lines
from trainwright.report.numbers import duration, plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.summary import worst_first
from trainwright.report.wrapping import clip, display_width

_ORDER: tuple[CheckStatus, ...] = ("failed", "warned", "passed", "skipped")
"""From what a reader must see first to what was not judged."""
_LEAST = 12  # columns that a value always has


def render_verification(
    results: Sequence[CheckResult], findings: Sequence[Finding], *, color: bool = False, width: int = 100
) -> str:
    """Return the table of all checks, most severe first, each finding in full, and the verdict."""
    ordered = sorted(results, key=lambda result: _ORDER.index(result.status))
    name = max((display_width(result.check) for result in ordered), default=0)
    blocks = ["\n".join(_row(result, name, color=color, width=width) for result in ordered)]
    blocks += ["\n".join(finding_lines(finding, color=color, width=width)) for finding in worst_first(findings)]
    blocks.append(verdict_line(results, color=color))
    return "\n\n".join(block for block in blocks if block)


def verdict_line(results: Sequence[CheckResult], *, color: bool = False) -> str:
    """Return the verdict in a line: how many checks passed, warned, failed, and were skipped, and how long it took."""
    counts = {status: sum(result.status == status for result in results) for status in _ORDER}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no checks were run"
    took = duration(sum(result.seconds for result in results))
    if counts["failed"]:
        sign, word = SIGNS["error"], "not ready to train"
    elif counts["warned"]:
        sign, word = SIGNS["warning"], "worth a look before training"
    elif not counts["passed"]:
        sign, word = SIGNS["note"], "nothing could be judged"
    else:
        sign, word = HEALTHY, "ready to train"
    text = f"{word}: {said} of {plural(len(results), 'check')} in {took}"
    return f"{paint(sign.shape, sign.ansi, color=color)} {paint(text, BOLD, sign.ansi, color=color)}"


def _row(result: CheckResult, name: int, *, color: bool, width: int) -> str:
    if result.status == "skipped":
        shape, style, said = "–", DIM, f"skipped: {prose(result.reason) or 'no reason given'}"
    else:
        sign = {"failed": SIGNS["error"], "warned": SIGNS["warning"]}.get(result.status, HEALTHY)
        shape, style, said = sign.shape, sign.ansi, prose(result.value) or result.status
        if result.expected:
            said += f"  (expected {prose(result.expected)})"
    took = f"  {duration(result.seconds)}" if result.seconds >= 0.5 else ""
    room = max(width - name - 5 - len(took), _LEAST)
    return f"  {paint(shape, style, color=color)} {result.check:<{name}}  {clip(said, room)}{took}"
