"""A batch of a single sample, and batch normalisation that cannot train on it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trainwright.checks.inputs import call, rows
from trainwright.errors import first_line
from trainwright.randomness import isolated
from trainwright.tensors import buffers_restored, evaluating


def refuses_one(model: nn.Module, x: Any) -> str | None:
    """Return what batch normalisation says of a single sample of `x` in training, None where it takes it.

    Parts that were put into evaluation mode on purpose stay so. Nothing of the model is changed.
    """
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return None
    frozen = {module for module in model.modules() if model.training and not module.training}
    try:
        with isolated(), evaluating(model), buffers_restored(model), torch.no_grad():
            for module in model.modules():
                module.training = module not in frozen
            call(model, rows(x, slice(0, 1)))
    except ValueError as problem:
        words = first_line(problem)
        return words if "more than 1 value per channel" in words else None
    except Exception:  # whatever else a forward pass raises is told elsewhere
        return None
    return None
