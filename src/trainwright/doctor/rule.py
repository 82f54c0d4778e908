"""What a rule is: one kind, what it needs of a chart, and a pure function from a chart to a finding or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from trainwright.doctor.kind import Kind
from trainwright.records import Chart, Finding

NEEDS: Mapping[str, tuple[Callable[[Chart], bool], str]] = MappingProxyType(
    {
        "steps": (lambda chart: len(chart.steps) > 0, "no training step was recorded"),
        "probes": (
            lambda chart: any(record.probe is not None for record in chart.steps),
            "no update was measured: too few steps, no time left for it, or doctor.level = 'off'",
        ),
        "validation": (lambda chart: len(chart.evaluations("validation")) > 0, "there is no validation data"),
        "layers": (lambda chart: len(chart.layers) > 0, "the layers were not measured"),
        "inputs": (lambda chart: chart.info.inputs is not None, "the inputs were not measured"),
        "targets": (lambda chart: chart.info.targets is not None, "the targets were not measured"),
        "output": (lambda chart: chart.info.output is not None, "the model's output was not measured"),
        "graph": (
            lambda chart: chart.info.output is not None or chart.info.loop is not None,
            "neither the model's output nor a backward pass was looked at",
        ),
        "frozen": (
            lambda chart: any(event.name == "frozen" for event in chart.events),
            "nothing was frozen, or nobody said so",
        ),
        "ranks": (
            lambda chart: any(event.name in ("ranks", "devices") for event in chart.events),
            "one process trained alone, or the others could not be heard",
        ),
        "loop": (lambda chart: chart.info.loop is not None, "the loop is trainwright's own, which does this right"),
    }
)
"""Need -> (is it met, why not)."""
_POINTS = ("loop", "frozen", "ranks")
"""Needs without which there is nothing that could be wrong, rather than something that is not known."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Judges one kind. The same chart always gets the same judgement.

    With fewer than `fewest_steps` what the rule finds holds, but that it finds nothing is no sign of health.
    """

    kind: Kind
    needs: tuple[str, ...]
    judge: Callable[[Chart], Finding | None]
    fewest_steps: int = 0

    def is_beside_the_point(self, chart: Chart) -> bool:
        """Say whether nothing could be wrong: our own loop makes no mistake of loops, nothing is frozen, one trains."""
        return any(need in _POINTS and not NEEDS[need][0](chart) for need in self.needs)

    def missing(self, chart: Chart) -> str | None:
        """Return why the rule cannot judge this chart, or None where it can."""
        for need in self.needs:
            met, why = NEEDS[need]
            if not met(chart):
                return _steps_without_curve(chart) or why if need in ("steps", "probes") else why
        return None

    def too_short(self, chart: Chart) -> str | None:
        """Return why nothing found says nothing of this chart, or None where it does."""
        made = len(chart.steps)
        if made >= self.fewest_steps:
            return None
        return f"{made} {'step is' if made == 1 else 'steps are'} too few to tell: it takes {self.fewest_steps}"


def _steps_without_curve(chart: Chart) -> str:
    """Return why a loop that made steps has no curve, "" where it made none."""
    loop = chart.info.loop
    if loop is None or not loop.steps or chart.steps:
        return ""
    if loop.turns:
        return "several optimizers take turns, each with a loss of its own: no single curve says how training goes"
    return "the steps that were made had no loss that could be followed"
