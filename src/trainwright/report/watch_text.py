"""What a watched loop showed, as text: what was seen, what was found, what is healthy, what could not be judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from trainwright.records import Chart, Finding
from trainwright.report.numbers import plural
from trainwright.report.phrases import place_phrase, words
from trainwright.report.safe import prose
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS, paint
from trainwright.report.summary import severity_counts, worst_first
from trainwright.report.text import render_finding
from trainwright.report.wrapping import wrap

_LABEL = 13
_NAMED = 3
"""So many kinds are named where they share a reason not to be judged; of more, only the number is told."""


def render_watch(
    chart: Chart,
    findings: Sequence[Finding],
    *,
    healthy: Sequence[str],
    not_judged: Mapping[str, str],
    withdrawn: Sequence[tuple[str, int | None, str]] = (),
    brief: bool = False,
    color: bool = False,
    width: int = 100,
) -> str:
    """Return the report. With `brief` findings are one line each, for they have been shown in full.

    `withdrawn` is what was told before and does not hold: its name, the step it was told of, and why.
    """
    ordered = worst_first(findings)
    lines = [paint(seen_phrase(chart), BOLD, color=color)]
    for finding in ordered if brief else ():
        lines += _headline(finding, color=color, width=width)
    for one in withdrawn:
        first, *rest = wrap(withdrawn_line(*one), max(width - 2, 20))
        lines += [f"  {first}", *(f"    {line}" for line in rest)]
    failure = chart.info.loop.failure if chart.info.loop is not None else ""
    if began(chart) and not failure:
        lines += _labelled("healthy", _healthy_phrase(healthy, brief=brief), color=color, width=width)
        lines += _labelled("not judged", "; ".join(_reasons(not_judged)), color=color, width=width)
    unseen = [] if chart.info.loop is None else [*chart.info.loop.unseen]
    unseen += [f"what came after the watcher failed ({failure})"] if failure else []
    lines += _labelled("not seen", "; ".join(prose(text) for text in unseen), color=color, width=width)
    lines.append(_closing(chart, ordered, color=color))
    full = [] if brief else [render_finding(finding, color=color, width=width) for finding in ordered]
    return "\n\n".join([*full, "\n".join(lines)])


def seen_phrase(chart: Chart) -> str:
    """Return one line that says what was watched."""
    loop = chart.info.loop
    if loop is None or not began(chart):
        return "trainwright: torch was imported, and no training was seen: no backward pass, no step of an optimizer"
    passes = "1 backward pass" if loop.backwards == 1 else f"{loop.backwards:,} backward passes"
    seen = [plural(loop.steps, "step") if loop.steps else passes]
    if loop.epochs:
        seen.append(plural(loop.epochs, "epoch"))
    if chart.evals:
        seen.append(plural(len(chart.evals), "evaluation"))
    names = ", ".join(dict.fromkeys(optimizer.name for optimizer in loop.optimizers))
    before = "" if loop.steps else ", before the first step of an optimizer"
    return f"trainwright: {', '.join(seen)} seen" + (f" ({prose(names)})" if names and loop.steps else "") + before


def withdrawn_line(name: str, step: int | None, why: str) -> str:
    """Return what is said of a finding that was told and does not hold."""
    told = "" if step is None else f" (told at step {step:,})"
    return f"resolved: {prose(name)}{told}: {prose(why)}"


def began(chart: Chart) -> bool:
    """Say whether there was any training to judge."""
    loop = chart.info.loop
    return loop is not None and bool(loop.steps or loop.backwards)


def _headline(finding: Finding, *, color: bool, width: int) -> Iterator[str]:
    sign = SIGNS[finding.severity]
    head = f"{sign.word}[{prose(finding.code)}]:"
    place = place_phrase(finding.where, finding.step)
    first, *rest = wrap(f"{head} {prose(finding.title)}" + (f" ({place})" if place else ""), width - 2)
    yield f"  {paint(head, BOLD, sign.ansi, color=color)}{first[len(head) :]}"
    yield from (f"    {line}" for line in rest)


def _labelled(label: str, text: str, *, color: bool, width: int) -> Iterator[str]:
    if not text:
        return
    first, *rest = wrap(text, max(width - _LABEL - 2, 20))
    yield paint(f"  {f'{label}:':<{_LABEL}}{first}", DIM, color=color)
    yield from (paint(f"{' ' * (_LABEL + 2)}{line}", DIM, color=color) for line in rest)


def _healthy_phrase(healthy: Sequence[str], *, brief: bool) -> str:
    if not healthy:
        return ""
    counted = f"{plural(len(healthy), 'fault')} looked for and not found"
    return counted if brief else f"{counted}: {', '.join(words(kind) for kind in healthy)}"


def _reasons(not_judged: Mapping[str, str]) -> Iterator[str]:
    """Yield each reason with the kinds that it kept from being judged."""
    reasons: dict[str, list[str]] = {}
    for kind, why in not_judged.items():
        reasons.setdefault(why, []).append(words(kind))
    for why, kinds in reasons.items():
        named = ", ".join(kinds) if len(kinds) <= _NAMED else plural(len(kinds), "fault")
        yield f"{named}, because {prose(why)}"


def _closing(chart: Chart, ordered: Sequence[Finding], *, color: bool) -> str:
    if ordered:
        sign, text = SIGNS[ordered[0].severity], severity_counts(ordered)
    elif chart.info.loop is not None and chart.info.loop.failure:
        sign, text = SIGNS["warning"], "the watcher stood down: no finding is no sign of health"
    elif began(chart):
        sign, text = HEALTHY, "no findings"
    else:
        sign, text = SIGNS["note"], "nothing to judge"
    return f"{paint(sign.shape, sign.ansi, color=color)} {text}"
