"""A run that nobody's state of torch gets into, and that leaves it as it was."""

from __future__ import annotations

from functools import wraps

import torch

from trainwright.lab.schema import Result, Run, Values
from trainwright.randomness import isolated
from trainwright.tensors import computing_with


def undisturbed(run: Run) -> Run:
    """Return `run` with gradients on, one thread, and random numbers of its own, whatever the caller has."""

    @wraps(run)
    def alone(values: Values) -> Result:
        with isolated(0), computing_with(1), torch.enable_grad():
            return run(values)

    return alone
