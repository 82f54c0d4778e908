"""The layers on their reference samples. Source: G3 ("zero gradients indicate dead neurons")."""

from __future__ import annotations

from dataclasses import replace

from trainwright.doctor.kinds_model import DEAD_RELU
from trainwright.doctor.remedies import change_rate
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, LayerStats, Remedy

DEAD_WARNING, DEAD_ERROR = 0.5, 0.9
"""Share of a layer's units at zero for every reference sample: half is a warning, nine tenths an error."""
FEWEST_SAMPLES = 64
"""With fewer samples a unit that fires for one in fifty may look dead."""


def dead_relu(chart: Chart) -> Finding | None:
    """Units at zero for every reference sample, in two measurements one after the other."""
    worst: tuple[LayerStats, LayerStats] | None = None
    by_module: dict[str, list[LayerStats]] = {}
    for layer in chart.layers:
        if layer.kind in ("ReLU", "ReLU6") and layer.samples >= FEWEST_SAMPLES:
            by_module.setdefault(layer.module, []).append(layer)
    for measurements in by_module.values():
        recent = measurements[-2:]
        if len(recent) < 2 or not all(layer.dead_fraction >= DEAD_WARNING for layer in recent):
            continue
        before, last = recent
        if worst is None or last.dead_fraction > worst[1].dead_fraction:
            worst = (before, last)
    if worst is None:
        return None
    before, last = worst
    first = next(layer for layer in by_module[last.module] if layer.dead_fraction >= DEAD_WARNING)
    if first.step == 0:
        text = "the units were dead before training began: initialise by He with zero biases, normalise the inputs"
        remedy, cause = Remedy(text=text), chart.info.where("model.name", "model")
    else:
        cause = chart.info.where("optimizer.lr")
        remedy = change_rate(
            chart.info,
            "the units died in training: lower the learning rate, warm up, or use a leaky ReLU",
            factor=1 / 3,
        )
    return DEAD_RELU.finding(
        severity="error" if min(before.dead_fraction, last.dead_fraction) >= DEAD_ERROR else "warning",
        title=f"{last.dead_fraction:.0%} of the units of a ReLU layer are dead",
        where=replace(cause, module=last.module),
        step=first.step,
        evidence=(
            Evidence(
                name=f"share of {last.units} units at zero for all {last.samples} reference samples",
                value=last.dead_fraction,
                threshold=DEAD_WARNING,
                step=last.step,
            ),
            Evidence(name="the same share", value=before.dead_fraction, step=before.step),
        ),
        remedies=(remedy,),
    )


RULES = (Rule(kind=DEAD_RELU, needs=("layers",), judge=dead_relu),)
