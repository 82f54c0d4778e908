"""What a step sets in an optimizer before it, and what it cuts from a gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from trainwright.parts.optimizers import set_momentum
from trainwright.stacked.member import Member


def base_rates(optimizer: torch.optim.Optimizer) -> list[float]:
    """Return the rate of each group, which the schedule's multiples are multiples of."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def set_all_rates(
    places: Sequence[int],
    optimizers: Sequence[torch.optim.Optimizer],
    bases: Sequence[Sequence[float]],
    members: Sequence[Member],
    steps: Sequence[int],
) -> bool:
    """Set the rates, and where its schedule asks for it the momentum, of the step that each row at `places` is in.

    Returns whether a schedule has set a momentum.
    """
    moved = False
    seen: dict[tuple, float | None] = {}  # most members follow one and the same schedule

    def read(schedule: Callable[[int], float | None], step: int) -> float | None:
        if (schedule, step) not in seen:
            seen[schedule, step] = schedule(step)
        return seen[schedule, step]

    for place in places:
        member, optimizer = members[place], optimizers[place]
        multiple = read(member.rate, steps[place])
        assert multiple is not None
        for group, base in zip(optimizer.param_groups, bases[place], strict=True):
            group["lr"] = base * multiple
        momentum = read(member.momentum, steps[place])
        if momentum is not None:
            set_momentum(optimizer, momentum)
            moved = True
    return moved


def clip_rows(gradient: torch.Tensor, members: Sequence[Member]) -> torch.Tensor:
    """Cut each row of `gradient` `(K, P)` in place as its member asks, entries first; return which are finite `(K,)`.

    A row that is not finite is left as it is, as `LoopArray` and `TrainStep` do: scaling would hide it.
    """
    norms = torch.linalg.vector_norm(gradient, dim=1)
    finite = torch.isfinite(norms)
    if any(member.clip_value is not None for member in members):
        limits = _limits([member.clip_value for member in members], gradient)[:, None]
        gradient.copy_(torch.minimum(torch.maximum(gradient, -limits), limits))  # keeps NaN
        norms = torch.linalg.vector_norm(gradient, dim=1)
    if any(member.clip_norm is not None for member in members):
        limits = _limits([member.clip_norm for member in members], gradient)
        over = (norms > limits) & finite
        if bool(over.any()):  # syncs an accelerator
            gradient.mul_(torch.where(over, limits / norms, 1.0)[:, None])
    return finite


def _limits(values: Sequence[float | None], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(
        [torch.inf if value is None else value for value in values], dtype=like.dtype, device=like.device
    )
