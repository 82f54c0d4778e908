"""What was done about a finding: a repair does not take it away, it is said beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainwright.records import Event, Evidence, Finding, Remedy

_ABOUT = {
    "go back": ("learning-rate-too-high", "non-finite-loss"),
    "skip": ("non-finite-input", "non-finite-targets", "non-finite-loss"),
    "leave out": ("non-finite-input", "non-finite-targets"),
}
"""Action of a repair, and the kinds of findings that it answers."""
_MOST_TOLD = 5  # of one finding; all of them stand among the run's events


def repairs_of(events: Sequence[Event]) -> list[Event]:
    """Return the repairs among `events`, each sample that was left out again and again but once."""
    return [event for event in events if event.name == "repair" and not event.detail.get("again")]


def marked(findings: Sequence[Finding], events: Sequence[Event]) -> list[Finding]:
    """Return `findings`, each with the repairs that answered it as evidence, and those that would have as remedies."""
    return [_marked(finding, repairs_of(events)) for finding in findings]


def _marked(finding: Finding, repairs: Sequence[Event]) -> Finding:
    own = [event for event in repairs if finding.kind in _ABOUT.get(str(event.detail.get("action")), ())]
    done = [
        Evidence(name=f"repaired: {event.detail.get('text')}", value=True, step=event.step)
        for event in own
        if event.detail.get("applied")
    ]
    proposed = [
        Remedy(text=str(event.detail.get("text")), change=event.detail.get("change") or None)
        for event in own
        if not event.detail.get("applied")
    ]
    return replace(
        finding,
        evidence=(*finding.evidence, *done[:_MOST_TOLD]),
        remedies=(*finding.remedies, *proposed[:_MOST_TOLD]),
    )


def skipping(finding: Finding) -> Finding:
    """Return a finding about samples that keep a run from starting, with the repair that lets it start."""
    text = "or let the run leave out the batches that hold them, and name them"
    return replace(finding, remedies=(*finding.remedies, Remedy(text=text, change={"doctor.repair": "apply"})))
