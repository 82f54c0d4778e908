"""Which entries of each parameter are compared: all of a small network; of a large one a sample, and directions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from trainwright.checks.gradcheck_losses import Losses
from trainwright.checks.wiring import nodes
from trainwright.randomness import generator

EVERY_ENTRY = 6_000
"""Numbers in all parameters together up to which each is compared."""
SAMPLE = 64
"""Entries of a tensor that are compared in a larger network: a fault in one entry of twenty shows with 96 %."""
DIRECTIONS = 4
"""Random directions of a tensor besides: each depends on all entries, and shows whatever moves the whole by 1e-5."""
FAULT_SHARE = 0.05
"""Share of a tensor's entries that a fault is taken to touch where its chance to be found is stated."""
_FARTHEST = 10.0  # a direction moves a whole tensor by at most so many h


@dataclass(frozen=True, kw_only=True)
class Work:
    """How much may be computed: bytes of intermediate results in all passes together, and passes made one by one.

    Bytes and not seconds: the same network is sampled alike on every machine, and every time.
    """

    bytes: int
    passes: int


THOROUGH = Work(bytes=24 * 2**30, passes=20_000)
QUICK = Work(bytes=2 * 2**30, passes=1_500)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is compared of one parameter: places in its flat real view, and directions `(d, width)` over all of it."""

    places: torch.Tensor
    directions: torch.Tensor
    confidence: float


def plan(
    losses: Losses,
    gradients: Mapping[str, torch.Tensor],
    left_out: Mapping[str, torch.Tensor],
    *,
    seed: int,
    work: Work,
    entries: int | None,
) -> dict[str, Sample]:
    """Return the sample of each parameter. `entries` is the most of one tensor; None decides by size and `work`."""
    widths = {name: losses.width(name) for name in gradients}
    total = sum(widths.values())
    passes = work.passes if losses.refused else work.bytes // max(losses.bytes, 1)
    most = entries if entries is not None else _most(widths, total, passes)
    return {
        name: _sample(name, flattened(gradient), left_out.get(name), most, seed) for name, gradient in gradients.items()
    }


def _most(widths: Mapping[str, int], total: int, passes: int) -> int:
    if total <= EVERY_ENTRY and 2 * total <= passes:
        return EVERY_ENTRY
    share = passes // (2 * len(widths)) - DIRECTIONS
    return max(4, min(share, SAMPLE))


def _sample(name: str, gradient: torch.Tensor, out: torch.Tensor | None, most: int, seed: int) -> Sample:
    allowed = torch.ones(len(gradient), dtype=torch.bool) if out is None else ~out
    places = torch.nonzero(allowed).flatten()
    if len(places) <= most:
        return Sample(places=places, directions=torch.zeros(0, len(gradient), dtype=torch.float64), confidence=1.0)
    draw = generator(seed, "gradcheck", "sample", name)
    alive = places[gradient[places] != 0]
    # Most rows of a large embedding get no gradient from a few samples: half of the sample is drawn from those that do.
    first = alive[torch.randperm(len(alive), generator=draw)[: (most + 1) // 2]]
    others = places[~torch.isin(places, first)]
    second = others[torch.randperm(len(others), generator=draw)[: most - len(first)]]
    signs = torch.randint(0, 2, (DIRECTIONS, len(gradient)), generator=draw).double().mul_(2).sub_(1) * allowed
    reach = math.sqrt(min(len(places), _FARTHEST**2) / len(places))
    chosen = torch.cat([first, second]).sort().values
    return Sample(places=chosen, directions=signs * reach, confidence=1 - (1 - FAULT_SHARE) ** len(chosen))


def flattened(gradient: torch.Tensor) -> torch.Tensor:
    """Return a gradient as float64 numbers in a row, on the CPU; of complex ones the real and imaginary parts."""
    return (torch.view_as_real(gradient) if gradient.is_complex() else gradient).reshape(-1).double().cpu()


def suppressed(
    model: nn.Module, value: torch.Tensor, names: Mapping[int, str]
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the entries to which torch gives another gradient than the loss has, by intent, and the reason of each.

    Rows at the padding index of an embedding get none, whole embeddings that count by frequency another one, and those
    with a largest norm are changed by the forward pass itself. `names` maps the id of a parameter to its name.
    """
    masks: dict[str, torch.Tensor] = {}
    reasons: dict[str, str] = {}

    def leave(weight: torch.Tensor, rows: slice, reason: str) -> None:
        name = names.get(id(weight))
        if name is not None:
            mask = masks.setdefault(name, torch.zeros(weight.shape, dtype=torch.bool))
            mask[rows] = True
            reasons[name] = reason

    for node in nodes(value):
        if not node.name().startswith(("EmbeddingBackward", "EmbeddingBagBackward")):
            continue
        weight = getattr(node.next_functions[0][0], "variable", None)
        if weight is None:
            continue
        padding = getattr(node, "_saved_padding_idx", -1)
        if 0 <= padding < len(weight):
            leave(weight, slice(padding, padding + 1), f"row {padding} is padding, which gets no gradient")
        if getattr(node, "_saved_scale_grad_by_freq", False):
            leave(weight, slice(None), "its gradient is scaled by frequency")
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.max_norm is not None:
            leave(module.weight, slice(None), "the forward pass itself renormalises it")
    return {name: mask.reshape(-1) for name, mask in masks.items()}, reasons
