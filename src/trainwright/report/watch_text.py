"""What a watched loop showed, as text: what was seen, what was found, what is healthy, what could not be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trainwright.records import Chart, Finding
from trainwright.report.numbers import plural
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.text import render_finding, render_headlines
from trainwright.report.wrapping import wrap


def render_watch(
    chart: Chart,
    findings: Sequence[Finding],
    *,
    healthy: Sequence[str],
    not_judged: Mapping[str, str],
    brief: bool = False,
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the report; with `brief` findings are named by their titles, for they have been shown in full."""
    parts = [paint(seen_phrase(chart), BOLD, color=color)]
    if findings and brief:
        parts.append(render_headlines(findings, color=color, width=width))
    elif findings:
        parts += [render_finding(finding, color=color, width=width) for finding in worst_first(findings)]
    loop = chart.info.loop
    lines = []
    if loop is not None and loop.steps:
        lines += [f"looked for and not found: {plural(len(healthy), 'fault')}"] if healthy else []
        lines += _reasons(not_judged, width)
    lines += [f"not seen: {prose(text)}" for text in (loop.unseen if loop is not None else ())]
    if lines:
        wrapped = [piece for line in lines for piece in wrap(line, width)]
        parts.append("\n".join(paint(line, DIM, color=color) for line in wrapped))
    sign = SIGNS[worst_first(findings)[0].severity] if findings else HEALTHY
    closing = severity_counts(findings) if findings else "no findings"
    parts.append(f"{paint(sign.shape, sign.ansi, color=color)} {closing}")
    return "\n\n".join(parts)


def seen_phrase(chart: Chart) -> str:
    """Return one line that says what was watched."""
    loop = chart.info.loop
    if loop is None or (loop.steps == 0 and loop.backwards == 0):
        return "trainwright: no training was seen"
    seen = [f"{loop.steps:,} steps" if loop.steps != 1 else "1 step"]
    if loop.epochs:
        seen.append(plural(loop.epochs, "epoch"))
    if chart.evals:
        seen.append(plural(len(chart.evals), "evaluation"))
    names = ", ".join(dict.fromkeys(optimizer.name for optimizer in loop.optimizers))
    return f"trainwright: {', '.join(seen)} seen" + (f" ({names})" if names else "")


def _reasons(not_judged: Mapping[str, str], width: int) -> list[str]:
    """Return one line for each reason, with how many kinds it kept from being judged."""
    reasons: dict[str, int] = {}
    for why in not_judged.values():
        reasons[why] = reasons.get(why, 0) + 1
    return [f"not judged: {count} {'fault' if count == 1 else 'faults'}, because {why}" for why, count in reasons.items()]
