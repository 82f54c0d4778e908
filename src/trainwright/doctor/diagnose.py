"""From a chart to findings: every rule that has what it needs, causes before symptoms, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainwright.doctor import (
    activations,
    evaluation,
    frozen,
    generalisation,
    gradients,
    inputs,
    labels,
    labels_shift,
    labels_values,
    loop_data,
    loop_decay,
    loop_frequency,
    loop_gradients,
    loop_metric,
    loop_model,
    loop_modes,
    loop_optimizer,
    loop_pairs,
    loop_precision,
    loop_samples,
    loop_schedule,
    loss,
    loss_balance,
    loss_classes,
    loss_logs,
    loss_reach,
    loss_shape,
    loss_sign,
    numbers,
    ranks,
    rate,
    sample_labels,
    sample_validation,
    targets,
)
from trainwright.doctor.kinds import find_kind
from trainwright.doctor.rule import Rule
from trainwright.doctor.runs_apart import Runs, placed, worst
from trainwright.records import Chart, CheckResult, Finding
from trainwright.records.findings import SEVERITIES

RULES: tuple[Rule, ...] = (
    *loop_gradients.RULES,
    *loop_frequency.RULES,
    *loop_schedule.RULES,
    *loop_optimizer.RULES,
    *loop_model.RULES,
    *frozen.RULES,
    *ranks.RULES,
    *loop_modes.RULES,
    *loss.RULES,
    *loss_logs.RULES,
    *loss_shape.RULES,
    *loop_samples.RULES,
    *loop_pairs.RULES,
    *loss_reach.RULES,
    *loss_classes.RULES,
    *loss_sign.RULES,
    *loss_balance.RULES,
    *labels.RULES,
    *labels_values.RULES,
    *labels_shift.RULES,
    *targets.RULES,
    *numbers.RULES,
    *loop_precision.RULES,
    *gradients.RULES,
    *inputs.RULES,
    *loop_data.RULES,
    *sample_validation.RULES,
    *sample_labels.RULES,
    *activations.RULES,
    *loop_decay.RULES,
    *rate.RULES,
    *generalisation.RULES,
    *evaluation.RULES,
    *loop_metric.RULES,
    *loop_pairs.BY_HAND,
)
"""In the order in which one fault may explain another: the calls of a loop, who owns what, modes, loss, labels,
numbers, inputs, activations, decay, rate, the rest."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a chart showed: findings, kinds that were looked for and not found, and those not judged, with why."""

    findings: tuple[Finding, ...]
    healthy: tuple[str, ...]
    not_judged: Mapping[str, str]
    symptoms: tuple[str, ...] = ()  # found, and silent beside what explains them

    def checks(self) -> tuple[CheckResult, ...]:
        """Return the same as one row for each rule, in the order of the rules."""
        found = {finding.kind: finding for finding in self.findings}
        rows = []
        for kind in dict.fromkeys(rule.kind.kind for rule in RULES):
            if kind in found:
                status = "failed" if found[kind].severity == "error" else "warned"
                rows.append(CheckResult(check=kind, status=status, findings=(found[kind],)))
            elif kind in self.not_judged:
                rows.append(CheckResult(check=kind, status="skipped", reason=self.not_judged[kind]))
            elif kind in self.healthy:
                rows.append(CheckResult(check=kind, status="passed"))
            elif kind in self.symptoms:
                rows.append(CheckResult(check=kind, status="skipped", reason="a symptom of what was found"))
        return tuple(rows)


def examine(chart: Chart) -> Examination:
    """Judge `chart` by every rule. Findings come worst first, each cause without its symptoms."""
    found: list[Finding] = []
    healthy: list[str] = []
    not_judged: dict[str, str] = {}
    runs = Runs(chart)
    for rule in RULES:
        if rule.is_beside_the_point(chart):
            continue
        charts = [(start, part, rule.missing(part)) for start, part in runs.charts(rule)]
        if all(why is not None for *_, why in charts):
            not_judged[rule.kind.kind] = charts[0][2] or ""
            continue
        judged = [(start, rule.judge(part)) for start, part, why in charts if why is None]
        finding = worst([placed(one, start) for start, one in judged if one is not None])
        short = [rule.too_short(part) for _, part, why in charts if why is None]
        if finding is None and all(short):
            not_judged[rule.kind.kind] = short[0] or ""
        elif finding is None:
            healthy.append(rule.kind.kind)
        else:
            found.append(finding)
    kinds = {finding.kind for finding in found}  # more than one rule may know a kind
    findings = tuple(settled(found))
    return Examination(
        findings=findings,
        symptoms=tuple(sorted(kinds - {finding.kind for finding in findings})),
        healthy=tuple(kind for kind in dict.fromkeys(healthy) if kind not in kinds),
        not_judged={kind: why for kind, why in not_judged.items() if kind not in kinds and kind not in healthy},
    )


def diagnose(chart: Chart) -> list[Finding]:
    """Return the findings of `chart`, worst first, causes without their symptoms; [] where there is nothing to say.

    A pure function: same chart, same findings. It needs no model, and takes the charts of live runs (`Run.history`), of
    stored ones (`read_run(folder).chart`) and of watched loops (`Watch.chart`) alike. What a chart does not hold is not
    judged, and nothing is raised for it.
    """
    return list(examine(chart).findings)


def settled(found: Sequence[Finding]) -> list[Finding]:
    """Drop what another finding explains or says again, and order the rest by severity, then as they stand.

    An error is explained by an error alone: a likely cause does not silence what is certain. What a finding refutes
    goes in any case. Of two findings of one kind the worse is kept, else the first.
    """
    errors = {finding.kind for finding in found if finding.severity == "error"}
    found = [
        replace(finding, severity="error") if errors & {*find_kind(finding.kind).error_with} else finding
        for finding in found
    ]

    def explains(cause: Finding, symptom: Finding) -> bool:
        kind = find_kind(cause.kind)
        if symptom.kind in kind.refutes:
            return True
        if symptom.severity == "error" and cause.severity != "error":
            return False
        symptoms = kind.causes + (kind.causes_as_error if cause.severity == "error" else ())
        if symptom.kind not in symptoms:
            return False
        # Two kinds may each be able to cause the other; then the one whose rule stands first is the cause.
        mutual = cause.kind in find_kind(symptom.kind).causes
        return not mutual or found.index(cause) < found.index(symptom)

    kept = [finding for finding in found if not any(explains(other, finding) for other in found)]
    of_kinds: dict[str, Finding] = {}
    for finding in sorted(kept, key=lambda finding: SEVERITIES.index(finding.severity)):
        of_kinds.setdefault(finding.kind, finding)
    return list(of_kinds.values())
