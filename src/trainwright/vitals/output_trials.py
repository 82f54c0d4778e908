"""What is learned of a loss by computing it again: on shuffled targets, on other outputs. All exact."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch

from trainwright.randomness import generator, isolated

Loss = Callable[[Any, Any], Any]

TRIED = 32
"""Samples that a loss is tried on."""
_SAME = 1e-9  # relative: in float64, the order of a sum changes less


def compares_all_pairs(loss: Loss, output: torch.Tensor, y: torch.Tensor) -> bool:
    """Say whether torch broadcasts (N, 1) against (N,) in the loss, so that every output meets every target.

    That is certain where the loss stays the same whichever target goes with which output, but no longer does when the
    target has the output's shape. A loss that fails is none of that.
    """
    output, y = output.detach()[:TRIED], y[:TRIED]
    samples = len(y) if y.dim() else 0
    if samples < 3 or {output.shape, y.shape} != {torch.Size((samples,)), torch.Size((samples, 1))}:
        return False
    output = output.double()
    if bool((output == output.reshape(-1)[0]).all()):  # of a last layer that begins at 0: any pairing is alike
        output = output + torch.linspace(-0.1, 0.1, samples).to(output).reshape(output.shape)
    whole = not y.is_floating_point()
    orders = [torch.randperm(samples, generator=generator(0, "pairing", place)) for place in range(3)]

    def alike(target: torch.Tensor) -> bool:
        targets = [target, *(target[order.to(target.device)] for order in orders)]
        values = [_value(loss, output, item if whole else item.double()) for item in targets]
        return all(abs(value - values[0]) <= _SAME * max(1e-6, abs(values[0])) for value in values)

    try:
        return alike(y) and not alike(y.reshape(output.shape))
    except Exception:  # whatever the user's loss raises
        return False


def ignores_output(loss: Loss, output: torch.Tensor, y: torch.Tensor, value: Any) -> bool:
    """Say whether the loss's `value` leads to the output, and yet is the same, bit for bit, for any other output.

    Its gradient must be exactly zero, at the output and at every weight, and shrinking, turning and negating the output
    must change nothing: a loss that is at its least (a hinge, a perfect fit) moves, one that is multiplied by zero does
    not.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.requires_grad or not output.requires_grad:
        return False
    (gradient,) = torch.autograd.grad(value.sum(), [output], retain_graph=True, allow_unused=True)
    if gradient is None or bool((gradient != 0).any()) or _moves_weights(value):
        return False
    found = []
    for other in (0.9 * output, 0.4 * output, 0.7 * output.flip(0), -output, output + 1, 0 * output):
        try:
            found.append(_value(loss, other.detach(), y))
        except Exception:  # negative probabilities, say
            continue
    found = [each for each in found if math.isfinite(each)]  # 0 * log 0 is no number
    return len(found) >= 3 and all(each == float(value.detach()) for each in found)


def _moves_weights(value: torch.Tensor) -> bool:
    """Say whether the value has a gradient other than zero for any weight: 0 * output may be added for its graph."""
    queue: list[Any] = [value.grad_fn]
    seen = set(queue)
    for node in queue:  # grows while it is walked
        for before, _ in node.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                queue.append(before)
    weights = [node.variable for node in queue if hasattr(node, "variable")]
    found = torch.autograd.grad(value.sum(), weights, retain_graph=True, allow_unused=True) if weights else ()
    return any(bool((each.coalesce().values() if each.is_sparse else each).any()) for each in found if each is not None)


def _value(loss: Loss, output: torch.Tensor, y: torch.Tensor) -> float:
    with isolated(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return float(loss(output.clone(), y.clone()))


def weight_of(part: torch.Tensor, value: Any) -> float | None:
    """Return how many times the mean of `part`, or its one number, makes up the whole of `value`; None for all else.

    By the derivative: `value` must be the sum of `part` times it, and no part of that may have another sign.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1 or not value.requires_grad or not part.requires_grad:
        return None
    (slope,) = torch.autograd.grad(value.sum(), [part], retain_graph=True, allow_unused=True)
    if slope is None or not (bool((slope >= 0).all()) or bool((slope <= 0).all())):
        return None
    slope, part, whole = slope.double(), part.detach().double(), float(value.detach())
    made_up = float((slope * part).sum())
    if not abs(made_up - whole) <= 1e-4 * abs(whole):
        return None
    return float(slope.sum())
