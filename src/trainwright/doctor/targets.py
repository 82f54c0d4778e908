"""Targets that are no numbers. Source: G2, chapter 3 (where NaN comes from)."""

from __future__ import annotations

from trainwright.doctor.kinds_targets import NON_FINITE_TARGETS
from trainwright.doctor.numbers import bad_samples
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, Remedy

REMEDY = Remedy(text="leave out the samples whose target is missing, or let the loss mask them")


def non_finite_targets(chart: Chart) -> Finding | None:
    """Exact: a NaN or an infinity among the targets that were looked at, or in the batch that failed.

    A loss that is not in the catalogue may leave such targets out; there only a batch that failed tells.
    """
    stats = chart.info.targets
    if stats is not None and stats.non_finite and chart.info.loss:
        evidence = [
            Evidence(name=f"targets that are not finite, among {stats.samples} samples", value=stats.non_finite)
        ]
        if stats.non_finite_sample is not None:
            evidence.append(Evidence(name="first such sample, counted from 0", value=stats.non_finite_sample))
        return _bad_targets(chart, None, *evidence)
    for event in chart.events:
        if event.name == "non-finite" and event.detail.get("phase") == "target":
            return _bad_targets(chart, event.step, *bad_samples(event, "target"))
    return None


def _bad_targets(chart: Chart, step: int | None, *evidence: Evidence) -> Finding:
    where = chart.info.where("data.target", "data.source", "data")
    return NON_FINITE_TARGETS.finding(where=where, step=step, evidence=evidence, remedies=(REMEDY,))


RULES = (Rule(kind=NON_FINITE_TARGETS, needs=(), judge=non_finite_targets),)
