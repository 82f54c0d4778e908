"""Units that are the same and stay the same: equal weights, which gradient descent does not pull apart.

A last layer, or the last layer of a residual branch, may begin at zero: its rows get different gradients at once, or
one step later. So equal rows alone prove nothing; they must still be equal after some steps.
"""

from __future__ import annotations

import torch

from trainwright.checks.stillness import Snapshot
from trainwright.checks.subject import Subject
from trainwright.vitals.equal_units import equal_units, still_equal

STEPS = 3
"""Steps of gradient descent: a layer behind another that begins at zero moves at the second one."""
STEP_SHARE = 1e-2
"""Length of a step as a share of all weights' norm."""


def same_units(subject: Subject) -> list[str]:
    """Return the names of weights all of whose units are equal, and still are after steps of gradient descent.

    Weights that no gradient reaches, because they are frozen or not used, are not looked at. The weights of the model
    are as before afterwards. The caller sets the modes.
    """
    units = equal_units(subject.model)
    if not units:
        return []
    kept = Snapshot(subject.model)
    trained = [parameter for parameter in subject.model.parameters() if parameter.requires_grad]
    start = {name: parameter.detach().clone() for name, (parameter, _) in units.items()}
    used: set[int] = set()
    for _ in range(STEPS):
        with torch.enable_grad():
            loss = subject.value()
        if not loss.requires_grad:
            return []
        gradients = torch.autograd.grad(loss, trained, allow_unused=True)
        length = sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5
        size = max(1.0, sum(float(p.detach().square().sum()) for p in trained) ** 0.5)
        used |= {id(p) for p, gradient in zip(trained, gradients, strict=True) if gradient is not None}
        if not 0 < length < float("inf"):
            break  # at zero nothing moves any more: with balanced classes, not even the last bias
        with torch.no_grad():
            for parameter, gradient in zip(trained, gradients, strict=True):
                if gradient is not None:
                    parameter -= STEP_SHARE * size / length * gradient
    found = [
        name
        for name, (parameter, gates) in units.items()
        if id(parameter) in used and still_equal(parameter.detach(), start[name], gates)
    ]
    kept.restore()
    return found
