"""What both reports say of a run as a whole: the verdict, the best values, and the newest state of each layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from trainwright.records import Chart, Event, Finding, LayerStats, Outcome, RunInfo
from trainwright.records.findings import SEVERITIES
from trainwright.report.numbers import duration, number, plural
from trainwright.report.phrases import words
from trainwright.report.safe import prose
from trainwright.report.signs import HEALTHY, SIGNS, Sign

SPLITS = ("train", "validation", "test")


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings from worst to mildest; within a severity they stay in the doctor's order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def severity_counts(findings: Iterable[Finding]) -> str:
    """Return how many findings of each severity there are: "1 error, 2 warnings", or "no findings"."""
    severities = [finding.severity for finding in findings]
    counts = [plural(severities.count(severity), severity) for severity in SEVERITIES if severity in severities]
    return ", ".join(counts) or "no findings"


def verdict(outcome: Outcome | None, chart: Chart, findings: Sequence[Finding]) -> tuple[Sign, str]:
    """Return the sign and the one sentence that a reader in a hurry needs."""
    ended = _ended(outcome, chart)
    status = None if outcome is None else outcome.status
    troubles = [finding for finding in worst_first(findings) if finding.severity != "note"]
    if troubles:
        lead = words(troubles[0].kind)
        if status == "diverged":
            return SIGNS["error"], f"{ended}: {lead}"
        return SIGNS[troubles[0].severity], f"{ended} with {severity_counts(troubles)}: {lead}"
    if outcome is not None and status == "diverged":
        return SIGNS["error"], ": ".join(filter(None, (ended, prose(outcome.reason))))
    if not (chart.steps or chart.evals or outcome):
        return SIGNS["note"], "nothing recorded yet"
    if chart.steps and not math.isfinite(chart.steps[-1].loss):
        return SIGNS["error"], f"{ended}: the loss is {number(chart.steps[-1].loss)}"
    return HEALTHY, f"{ended}, healthy" if status in ("finished", "stopped") else f"{ended}, healthy so far"


def beside(info: RunInfo) -> dict[str, dict[str, float]]:
    """Return loss and metric of the trivial predictors that a network must beat, as far as they are known."""
    known = info.baselines
    if known is None:
        return {}
    rows = {
        "linear model": {"loss": known.linear_loss, known.metric: known.linear_metric},
        "constant": {"loss": known.constant_loss, known.metric: known.constant_metric},
    }
    numbers = {label: {name: value for name, value in row.items() if value is not None} for label, row in rows.items()}
    return {label: row for label, row in numbers.items() if row}


def best_values(outcome: Outcome | None, chart: Chart) -> dict[str, Mapping[str, float]]:
    """Return loss and metric of each split for the model that is returned, else at the lowest evaluated loss."""
    if outcome is not None and outcome.best:
        return {split: outcome.best[split] for split in SPLITS if split in outcome.best}
    judged = chart.evaluations("validation") or chart.evaluations("train")
    finite = [record for record in judged if math.isfinite(record.loss)]
    if not finite:
        return {}
    step = min(finite, key=lambda record: record.loss).step
    best = {record.split: {"loss": record.loss, **record.metrics} for record in chart.evals if record.step == step}
    return {split: best[split] for split in SPLITS if split in best}


def steps_phrase(info: RunInfo, outcome: Outcome | None, chart: Chart) -> str:
    """Return how many optimizer steps were made, and of how many planned."""
    made = outcome.steps if outcome is not None and outcome.steps else len(chart.steps)
    planned = info.planned_steps
    return number(made) if planned is None or planned == made else f"{number(made)} of {number(planned)}"


def ledger_phrase(outcome: Outcome | None, chart: Chart) -> str:
    """Return what became of the steps: clipped, skipped, the penalty's share; what does not balance comes first."""
    ledger = outcome.ledger if outcome is not None else None
    if ledger is None or ledger.attempted == 0:
        return ""
    said = [f"the books do not balance: {problem}" for problem in ledger.problems]
    if ledger.skipped:
        said.append(f"{number(ledger.performed)} performed, {number(ledger.skipped)} skipped by float16")
    if ledger.bad_batches:
        said.append(f"{plural(ledger.bad_batches, 'step')} left out for a sample that is not finite")
    if ledger.repairs:
        said.append(f"{plural(ledger.repairs, 'repair')}, {plural(ledger.undone, 'update')} undone")
    if ledger.clipped:
        said.append(f"{ledger.clipped / ledger.attempted:.0%} of the gradients clipped")
    last = chart.steps[-1] if chart.steps else None
    if last is not None and last.penalty is not None:
        said.append(f"penalty {number(chart.steps[0].penalty or 0.0)} at the start, {number(last.penalty)} at the end")
    return "; ".join(said)


def repairs_told(chart: Chart) -> list[tuple[int, str]]:
    """Return what was done to put the run right, or would have been, as (step, harmless text), in order."""
    return [(event.step, prose(str(event.detail.get("text", "")))) for event in chart.events if _is_told(event)]


def _is_told(event: Event) -> bool:
    """Say whether an event is a repair; a sample that is left out again and again is told once."""
    return event.name == "repair" and not event.detail.get("again")


def time_phrase(outcome: Outcome | None, chart: Chart) -> str:
    """Return how long the run took, as far as it is known."""
    seconds = outcome.seconds if outcome is not None else sum(record.seconds for record in chart.steps)
    return duration(seconds) if seconds else ""


def newest_layers(chart: Chart) -> list[LayerStats]:
    """Return the newest statistics of each layer, in the order in which the layers first appeared."""
    newest: dict[str, LayerStats] = {}
    for record in chart.layers:
        newest[record.module] = record
    return list(newest.values())


def head_facts(info: RunInfo) -> list[tuple[str, str]]:
    """Return what the run was asked to do, as pairs of a word and harmless text; unknown facts are left out."""
    schedule = f", {prose(info.schedule)} schedule" if info.schedule else ""
    facts = [
        ("task", info.task or ""),
        ("model", prose(info.model)),
        ("loss", prose(info.loss)),
        ("optimizer", prose(info.optimizer) + schedule if info.optimizer else ""),
        ("parameters", number(info.parameters) if info.parameters else ""),
        ("ignored", ", ".join(prose(str(name)) for name in info.setting("doctor.ignore") or ())),
    ]
    return [(name, value) for name, value in facts if value]


def _ended(outcome: Outcome | None, chart: Chart) -> str:
    if outcome is None:
        return "not ended yet"
    if outcome.status == "finished":
        return "finished"
    step = None
    if outcome.status == "diverged":  # our own loop ends there; others may have gone on for long
        step = chart.last_step if outcome.ledger is not None else _divergence(chart)
    if step is None:
        step = outcome.steps or chart.last_step
    return outcome.status if step is None else f"{outcome.status} at step {number(step)}"


def _divergence(chart: Chart) -> int | None:
    return next((record.step for record in chart.steps if not math.isfinite(record.loss)), None)
