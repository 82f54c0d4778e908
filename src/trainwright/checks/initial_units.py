"""Units that cannot move before the first step: ReLUs that are off for every sample, and flat sigmoids and tanhs."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.doctor.activations import DEAD_ERROR, DEAD_WARNING, is_dead, most_flat
from trainwright.doctor.kinds_model import DEAD_RELU
from trainwright.doctor.kinds_start import SATURATED_ACTIVATIONS
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.vitals.signal import LayerSignal


def dead(signals: Sequence[LayerSignal]) -> Finding | None:
    """Find the ReLU layer with the most dead units: half or more, beyond what a fading signal explains."""
    found = [signal for signal in signals if is_dead(signal.dead_fraction, signal.on_fraction, signal.units)]
    if not found:
        return None
    worst = max(found, key=lambda signal: signal.dead_fraction)
    return DEAD_RELU.finding(
        severity="error" if worst.dead_fraction >= DEAD_ERROR else "warning",
        title="units of a ReLU layer are dead before the first step",
        where=Location(module=worst.module),
        evidence=(
            Evidence(
                name=f"units of {worst.module} at zero for every sample",
                value=worst.dead_fraction,
                threshold=DEAD_WARNING,
            ),
            Evidence(name="units that are on for every sample", value=worst.on_fraction),
        ),
        remedies=(
            Remedy(text="begin with biases of zero and weights after He, and scale the inputs"),
            Remedy(text="a leaky ReLU cannot die"),
        ),
    )


def flat(signals: Sequence[LayerSignal]) -> Finding | None:
    """Find the sigmoid or tanh layer with the most units that are flat for nearly every sample."""
    worst = max(signals, key=lambda signal: signal.flat_fraction)
    most = most_flat(worst.units)
    if worst.flat_fraction < most:
        return None
    return SATURATED_ACTIVATIONS.finding(
        where=Location(module=worst.module),
        evidence=(Evidence(name=f"saturated units of {worst.module}", value=worst.flat_fraction, threshold=most),),
        remedies=(Remedy(text="scale the inputs and initialise smaller (Glorot), or normalise before the activation"),),
    )
