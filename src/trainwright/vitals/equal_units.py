"""Units that are the same: weights whose rows are equal, and whether gradient descent pulls them apart."""

from __future__ import annotations

import torch
from torch import nn

APART = 1e-3
"""Rows that differ by less than this share of how far they moved have only been rounded differently."""
_GATES = {"LSTM": 4, "LSTMCell": 4, "GRU": 3, "GRUCell": 3}
_OWNERS = (
    nn.Linear,
    nn.Bilinear,
    nn.modules.conv._ConvNd,
    nn.RNNBase,
    nn.RNNCellBase,
)


def equal_units(model: nn.Module) -> dict[str, tuple[nn.Parameter, int]]:
    """Return trainable weights, by name, whose units (rows) are all equal, and in how many gates they come.

    Reads two rows of each weight, and the whole of those in which these two are equal: one sync for each on a device.
    """
    found: dict[str, tuple[nn.Parameter, int]] = {}
    for path, module in model.named_modules():
        if not isinstance(module, _OWNERS):
            continue
        gates = _GATES.get(type(module).__name__, 1)
        for name, parameter in module.named_parameters(recurse=False):
            weight = parameter.detach()
            if weight.dim() < 2 or not parameter.requires_grad or len(weight) < 2 * gates or not weight.numel():
                continue
            if torch.equal(weight[0], weight[1]) and apart(weight, gates) == 0:
                found[f"{path}.{name}" if path else name] = (parameter, gates)
    return found


def equal_in_own(model: nn.Module) -> list[tuple[str, nn.Parameter, bool]]:
    """Return trainable matrices of modules that are not torch's own, by name, whose rows, or columns (True), are equal.

    Which of the two are the units depends on how the module multiplies, so that both are told where both are equal.
    """
    found: list[tuple[str, nn.Parameter, bool]] = []
    for path, module in model.named_modules():
        if type(module).__module__.startswith("torch."):
            continue
        for name, parameter in module.named_parameters(recurse=False):
            weight = parameter.detach()
            if weight.dim() != 2 or min(weight.shape) < 2 or not parameter.requires_grad:
                continue
            for columns in (False, True):
                units = weight.T if columns else weight
                if torch.equal(units[0], units[1]) and apart(units, 1) == 0:
                    found.append((f"{path}.{name}" if path else name, parameter, columns))
    return found


def apart(weight: torch.Tensor, gates: int) -> float:
    """Return the largest difference between the rows of a weight `(units, ...)`, within each gate."""
    return max(float((part - part[:1]).abs().max()) for part in weight.chunk(gates))


def still_equal(now: torch.Tensor, start: torch.Tensor, gates: int) -> bool:
    """Say whether rows that were equal at the `start` have not moved at all, or all alike."""
    moved = float((now - start).abs().max())
    return moved == 0 or apart(now, gates) < APART * moved
