"""The diagnosis of a log that others wrote, as text: what was taken for what, the curve, the findings, the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainwright.records import Chart, Finding
from trainwright.report.findings_text import finding_lines
from trainwright.report.run_text import best_table, loss_curve
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.wrapping import wrap


def render_log(
    chart: Chart,
    findings: Sequence[Finding],
    *,
    remarks: Sequence[str],
    healthy: Sequence[str],
    not_judged: Mapping[str, str],
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the report of one log. `remarks` say what each column was taken for, and what had to be read around."""
    blocks = [
        [paint(prose(chart.info.name), BOLD, color=color)],
        [line for remark in remarks for line in _hung("note: ", remark, width)],
        best_table(chart.info, None, chart, color=color),
        loss_curve(chart, findings, color=color, width=width),
        *(list(finding_lines(finding, color=color, width=width)) for finding in worst_first(findings)),
        [_verdict(findings, healthy, color=color)],
        _rest(healthy, not_judged, color=color, width=width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _verdict(findings: Sequence[Finding], healthy: Sequence[str], *, color: bool) -> str:
    if findings:
        sign, text = SIGNS[worst_first(findings)[0].severity], severity_counts(findings)
    elif healthy:
        sign, text = HEALTHY, "no findings: healthy as far as the curves show"
    else:
        sign, text = SIGNS["note"], "nothing could be judged"
    return f"{paint(sign.shape, sign.ansi, color=color)} {paint(text, BOLD, sign.ansi, color=color)}"


def _rest(healthy: Sequence[str], not_judged: Mapping[str, str], *, color: bool, width: int) -> list[str]:
    """Return what was looked for and not found, and what could not be judged, the kinds of one reason together."""
    reasons: dict[str, list[str]] = {}
    for kind, why in not_judged.items():
        reasons.setdefault(why, []).append(kind)
    lines = _hung("looked for and not found: ", ", ".join(healthy), width) if healthy else []
    for why, kinds in sorted(reasons.items(), key=lambda item: len(item[1])):
        head = f"not judged, because {prose(why)}: "
        said = ", ".join(kinds) if len(kinds) <= 8 else f"{', '.join(kinds[:6])} and {len(kinds) - 6} more"
        lines += _hung("", head + said, width)
    return [paint(line, DIM, color=color) for line in lines]


def _hung(head: str, text: str, width: int) -> list[str]:
    first, *rest = wrap(head + prose(text), max(width - 4, 20))
    return [f"  {first}", *(f"    {line}" for line in rest)]
