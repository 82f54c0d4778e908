"""The layers on their reference samples: units that cannot move. Source: G3 ("zero gradients are dead neurons")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from trainwright.doctor import model_output, model_signal
from trainwright.doctor.kinds_model import DEAD_RELU
from trainwright.doctor.kinds_start import SATURATED_ACTIVATIONS
from trainwright.doctor.remedies import change_rate
from trainwright.doctor.rule import Rule
from trainwright.records import Chart, Evidence, Finding, LayerStats, Location, Remedy

DEAD_WARNING, DEAD_ERROR = 0.5, 0.9
"""Share of a layer's units at zero for every reference sample: half is a warning, nine tenths an error."""
FEWEST_SAMPLES = 64
"""With fewer samples a unit that fires for one in fifty may look dead."""
CHANCE = 1e-3
"""Below this chance the dead among the units that never change their sign are no draw of luck. Weights are drawn as
often with one sign as with the other, so a signal that has become nearly the same for all samples (as it does behind
some eight layers of torch's own initialisation) leaves as many units on for ever as off: measured over 60 seeds each,
at widths of 16 to 128, half of a layer and more was dead in none behind two layers, in three of four behind eight.
Of 3,360 fresh networks of up to 16 layers, widths 4 to 64, three got a warning for less than nine tenths."""
FLAT, FLAT_NARROW, NARROW = 0.5, 0.8, 8
"""Share of flat units, and that of layers with fewer units than `NARROW`. Over 20 seeds, widths of 4 to 64 and depths
of 2 and 8, initialisations by torch, Glorot and orthogonal left at most 0.25 at a width of 4, and above that none."""
FLAT_SHARE = 0.6
"""Share of activations without a slope, over all units and samples: units that jump from one end to the other are flat
for most samples and for hardly any all the time. A tanh has it where what enters it has a deviation of 6; 1 is usual,
and leaves 0.003 of them flat, 2 leaves 0.13."""
SURELY_DEAD = 128
"""Samples for which all units of a layer were zero at the start: no second measurement is waited for."""


def dead_relu(chart: Chart) -> Finding | None:
    """Units at zero for every reference sample, in two measurements one after the other; nearly all, in the first."""
    worst: tuple[LayerStats, LayerStats] | None = None
    by_module = _measured(chart, ("ReLU", "ReLU6"))
    for measurements in by_module.values():
        recent = measurements[-2:]
        if len(recent) == 1 and recent[0].step == 0 and recent[0].samples >= SURELY_DEAD:
            recent = recent * 2 if recent[0].dead_fraction >= DEAD_ERROR else recent
        if len(recent) < 2 or not all(dead_beyond_chance(layer) for layer in recent):
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
    called = last.where if last.where != Location() else cause
    evidence = [
        Evidence(
            name=f"share of {last.units} units at zero for all {last.samples} reference samples",
            value=last.dead_fraction,
            threshold=DEAD_WARNING,
            step=last.step,
        )
    ]
    if before is not last:
        evidence.append(Evidence(name="the same share", value=before.dead_fraction, step=before.step))
    return DEAD_RELU.finding(
        severity="error" if min(before.dead_fraction, last.dead_fraction) >= DEAD_ERROR else "warning",
        title=f"{last.dead_fraction:.0%} of the units of a ReLU layer are dead",
        where=replace(called if first.step == 0 else cause, module=last.module),
        step=first.step,
        evidence=tuple(evidence),
        remedies=(remedy,),
    )


def saturated_activations(chart: Chart) -> Finding | None:
    """Units of a sigmoid or tanh that were flat for nearly every sample at the start; a foreign loop tells them."""
    start = [measurements[0] for measurements in _measured(chart, ("Sigmoid", "Tanh")).values()]
    flat = [layer for layer in start if layer.step == 0 and layer.flat_fraction >= most_flat(layer.units)]
    if not flat:
        return _jumping(chart, [layer for layer in start if layer.step == 0 and layer.flat_share >= FLAT_SHARE])
    worst = max(flat, key=lambda layer: layer.flat_fraction)
    return SATURATED_ACTIVATIONS.finding(
        where=replace(worst.where, module=worst.module),
        step=0,
        evidence=(
            Evidence(
                name=f"share of {worst.units} units that are flat for nearly all of {worst.samples} samples",
                value=worst.flat_fraction,
                threshold=most_flat(worst.units),
                step=0,
            ),
        ),
        remedies=(Remedy(text="scale the inputs and initialise smaller (Glorot), or normalise before the activation"),),
    )


def _jumping(chart: Chart, flat: Sequence[LayerStats]) -> Finding | None:
    """Name the first of the layers whose units are at one end or at the other, and seldom between."""
    wide = [layer for layer in flat if layer.units >= NARROW]
    if not wide:
        return None
    first = wide[0]
    return SATURATED_ACTIVATIONS.finding(
        where=replace(first.where, module=first.module),
        step=0,
        evidence=(
            Evidence(
                name=f"share of the answers of {first.units} units to {first.samples} samples that have no slope",
                value=first.flat_share,
                threshold=FLAT_SHARE,
                step=0,
            ),
            Evidence(name="layers of which that is so", value=len(wide)),
        ),
        remedies=(Remedy(text="scale the inputs and initialise smaller (Glorot), or normalise before the activation"),),
    )


def dead_beyond_chance(layer: LayerStats) -> bool:
    """Say whether more units are dead than a signal that is alike for all samples explains."""
    return is_dead(layer.dead_fraction, layer.on_fraction, layer.units)


def is_dead(off: float, on: float, units: int) -> bool:
    """Say so of the shares of a ReLU's units that are off, and on, for every sample."""
    if math.isnan(off) or math.isnan(on):
        return False
    if off >= DEAD_ERROR and units >= NARROW:
        return True
    counts = [round(share * units) for share in (off, on)]
    return off >= DEAD_WARNING and chance_of(counts[0], sum(counts)) < CHANCE


def chance_of(off: int, fixed: int) -> float:
    """Return the chance that of `fixed` fair draws `off` or more fall on one side."""
    return sum(math.comb(fixed, count) for count in range(off, fixed + 1)) / 2**fixed


def most_flat(units: int) -> float:
    """Return the share of flat units from which a layer of so many is saturated."""
    return FLAT if units >= NARROW else FLAT_NARROW


def _measured(chart: Chart, kinds: Sequence[str]) -> Mapping[str, list[LayerStats]]:
    by_module: dict[str, list[LayerStats]] = {}
    for layer in chart.layers:
        if layer.kind in kinds and layer.samples >= FEWEST_SAMPLES:
            by_module.setdefault(layer.module, []).append(layer)
    return by_module


RULES = (
    Rule(kind=DEAD_RELU, needs=("layers",), judge=dead_relu),
    Rule(kind=SATURATED_ACTIVATIONS, needs=("loop", "layers"), judge=saturated_activations),
    *model_signal.RULES,
    *model_output.RULES,
)
