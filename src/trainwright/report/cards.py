"""The findings as cards, numbered as the pins in the plots are."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.records import Finding, Remedy
from trainwright.report.numbers import percent
from trainwright.report.phrases import evidence_phrase, patch_lines, place_phrase
from trainwright.report.safe import markup, prose
from trainwright.report.signs import HEALTHY, SIGNS, Sign


def cards_html(ordered: Sequence[Finding], *, sign: Sign, judged: str) -> str:
    """Return one card for each finding, else what was `judged`: healthy only where the verdict's `sign` says so."""
    if not ordered:
        shape = f'<span class="shape {HEALTHY.word}" aria-hidden="true">{HEALTHY.shape}</span>'
        healthy = f"{shape} <strong>{HEALTHY.word}</strong>: " if sign is HEALTHY else ""
        return f'<p class="all-clear">{healthy}no findings in {markup(judged)}</p>'
    return "\n".join(_card(index, finding) for index, finding in enumerate(ordered, start=1))


def _card(index: int, finding: Finding) -> str:
    sign = SIGNS[finding.severity]
    place = place_phrase(finding.where, finding.step)
    sure = "" if finding.confidence >= 1 else f'<span class="sure">{percent(finding.confidence)} sure</span>'
    rows = []
    if finding.evidence:
        phrases = "".join(f"<li>{markup(evidence_phrase(evidence))}</li>" for evidence in finding.evidence)
        rows.append(("evidence", f"<ul>{phrases}</ul>"))
    if finding.because:
        rows.append(("because", markup(prose(finding.because))))
    rows += [("remedy", _remedy(remedy)) for remedy in finding.remedies]
    rows.append(("more", f"<code>trainwright explain {markup(prose(finding.code))}</code>"))
    body = "".join(f"<dt>{label}</dt><dd>{content}</dd>" for label, content in rows)
    return (
        f'<article class="card {finding.severity}" id="finding-{index}">'
        f'<div class="mark"><span class="shape" aria-hidden="true">{sign.shape}</span> {index}</div><div class="said">'
        f'<p class="code"><strong>{sign.word}</strong> <span>{markup(prose(finding.code))}</span> '
        f"<span>{markup(prose(finding.kind))}</span>{sure}</p>"
        f"<h3>{markup(prose(finding.title))}</h3>"
        + (f'<p class="place">{markup(place)}</p>' if place else "")
        + f"<dl>{body}</dl></div></article>"
    )


def _remedy(remedy: Remedy) -> str:
    patch = "\n".join(map(markup, patch_lines(remedy.change))) if remedy.change else ""
    return markup(prose(remedy.text)) + (f"<pre>{patch}</pre>" if patch else "")
