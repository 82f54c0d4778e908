"""Units that cannot move before the first step: ReLUs that are off for every sample, and flat sigmoids and tanhs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainwright.doctor.kinds_model import DEAD_RELU
from trainwright.doctor.kinds_start import SATURATED_ACTIVATIONS
from trainwright.records import Evidence, Finding, Location, Remedy
from trainwright.vitals.signal import LayerSignal

DEAD, DEAD_ERROR = 0.5, 0.9
"""Share of a layer's units that are zero for every sample."""
CHANCE = 1e-3
"""Below this chance the dead among the units that never change their sign are no draw of luck. Weights are drawn as
often with one sign as with the other, so a signal that has become nearly the same for all samples (as it does behind
some eight layers of torch's own initialisation) leaves as many units on for ever as off: measured over 60 seeds each,
at widths of 16 to 128, half of a layer and more was dead in none behind two layers, in three of four behind eight.
Of 3,360 fresh networks of up to 16 layers, widths 4 to 64, three got a warning for less than nine tenths."""
FLAT, FLAT_NARROW, NARROW = 0.5, 0.8, 8
"""Share of flat units, and that of layers with fewer units than `NARROW`. Over 20 seeds, widths of 4 to 64 and depths
of 2 and 8, initialisations by torch, Glorot and orthogonal left at most 0.25 at a width of 4, and above that none."""


def dead(signals: Sequence[LayerSignal]) -> Finding | None:
    """Find the ReLU layer with the most dead units: half or more, beyond what a fading signal explains."""
    found = [signal for signal in signals if _is_dead(signal)]
    if not found:
        return None
    worst = max(found, key=lambda signal: signal.dead_fraction)
    return DEAD_RELU.finding(
        severity="error" if worst.dead_fraction >= DEAD_ERROR else "warning",
        title="units of a ReLU layer are dead before the first step",
        where=Location(module=worst.module),
        evidence=(
            Evidence(
                name=f"units of {worst.module} at zero for every sample", value=worst.dead_fraction, threshold=DEAD
            ),
            Evidence(name="units that are on for every sample", value=worst.on_fraction),
        ),
        remedies=(
            Remedy(text="begin with biases of zero and weights after He, and scale the inputs"),
            Remedy(text="a leaky ReLU cannot die"),
        ),
    )


def _is_dead(signal: LayerSignal) -> bool:
    if signal.dead_fraction >= DEAD_ERROR and signal.units >= NARROW:
        return True
    off, on = (round(share * signal.units) for share in (signal.dead_fraction, signal.on_fraction))
    return signal.dead_fraction >= DEAD and chance_of(off, off + on) < CHANCE


def chance_of(off: int, fixed: int) -> float:
    """Return the chance that of `fixed` fair draws `off` or more fall on one side."""
    return sum(math.comb(fixed, count) for count in range(off, fixed + 1)) / 2**fixed


def flat(signals: Sequence[LayerSignal]) -> Finding | None:
    """Find the sigmoid or tanh layer with the most units that are flat for nearly every sample."""
    worst = max(signals, key=lambda signal: signal.flat_fraction)
    most = FLAT if worst.units >= NARROW else FLAT_NARROW
    if worst.flat_fraction < most:
        return None
    return SATURATED_ACTIVATIONS.finding(
        where=Location(module=worst.module),
        evidence=(Evidence(name=f"saturated units of {worst.module}", value=worst.flat_fraction, threshold=most),),
        remedies=(Remedy(text="scale the inputs and initialise smaller (Glorot), or normalise before the activation"),),
    )
