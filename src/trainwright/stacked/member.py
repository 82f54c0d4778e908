"""What one row of a trial array is made of, and what every array can do, whichever way it computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from trainwright.errors import ModelError, UsageError

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def unchanged_rate(step: int) -> float:
    """Return 1: every group keeps its own rate."""
    return 1.0


def unchanged_momentum(step: int) -> float | None:
    """Return None: the schedule leaves the momentum alone."""
    return None


@dataclass(frozen=True, kw_only=True)
class Member:
    """The real objects that a stand-alone run would be made of, so that nothing is described twice.

    `model` has its own weights, drawn under its own seed, and is trained in the modes (`training`) that its modules
    stand in. `optimizer` is over its parameters; the rate, the decay and all else of each group are read from it, and
    so is its state, where it has made steps already. `loss` is a mean `(outputs, targets) -> scalar`. `rate(t)` is the
    multiple of each group's own rate in step t, and `momentum(t)` the momentum there, None where it is left alone; t
    counts the member's own updates, from `steps`. `clip_norm` limits the global norm of the gradient, `clip_value` the
    size of each of its entries. The model's own randomness in step t starts from `randomness.seed_step(seed, t)`.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    rate: Callable[[int], float] = unchanged_rate
    momentum: Callable[[int], float | None] = unchanged_momentum
    clip_norm: float | None = None
    clip_value: float | None = None
    seed: int = 0
    steps: int = 0


class TrialArray(Protocol):
    """K members in lock step on the same batches. None of them can tell that it is not alone.

    A row whose loss or gradient is not finite is frozen from then on: its weights, its buffers and its step counter
    stay as they were before that step, and its losses are NaN. The members' own models and optimizers are never
    changed.
    """

    @property
    def ids(self) -> tuple[int, ...]:
        """The living rows, in the order in which losses and outputs come."""
        ...

    @property
    def steps(self) -> tuple[int, ...]:
        """How many updates each row has made, in the order of `ids`."""
        ...

    @property
    def frozen(self) -> tuple[int, ...]:
        """The ids of the rows that have met a loss or a gradient that is not finite."""
        ...

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Make one update of each row on the batch `(N, ...)`; return the losses before it, `(K,)`, detached."""
        ...

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each row's model gives for `x` in evaluation mode, `(K, N, ...)`; leaves no footprints."""
        ...

    def keep(self, ids: Sequence[int]) -> None:
        """Let all rows but `ids` go; those that stay come in the order of `ids`."""
        ...

    def add(self, members: Sequence[Member], ids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Take further members in, behind the others; return their ids, new ones where none are given."""
        ...

    def member(self, id: int) -> Member:
        """Return the row as it stands as a member of its own: model, optimizer with its state, steps made."""
        ...

    def model(self, id: int) -> nn.Module:
        """Return a stand-alone copy of the row's model."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact continuation needs, in copies: tensors, numbers and texts in dicts and lists."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, which an array of the same members (by ids) has given."""
        ...


class CannotStack(ModelError):
    """These members cannot be rows of one stacked program; `LoopArray` trains them all the same."""


def check_members(members: Sequence[Member]) -> None:
    """Raise `ModelError` where two members share weights, `UsageError` where an optimizer cannot step in lock step."""
    owners: dict[int, int] = {}
    for place, member in enumerate(members):
        if isinstance(member.optimizer, torch.optim.LBFGS):
            raise UsageError(
                "L-BFGS cannot train in a trial array",
                evidence="it evaluates the loss as often as its line search asks, and rows in lock step do so once",
                remedy="train it alone, or search with another optimizer",
            )
        held = {id(parameter) for parameter in member.model.parameters()}
        for parameter in (entry for group in member.optimizer.param_groups for entry in group["params"]):
            if id(parameter) not in held:
                raise ModelError(
                    "an optimizer of the trial array trains what is no parameter of its model",
                    evidence=f"member {place}: a tensor of shape {tuple(parameter.shape)}",
                    remedy="build the optimizer over the member's own model",
                )
        for name, parameter in member.model.named_parameters():
            owner = owners.setdefault(parameter.untyped_storage().data_ptr() or id(parameter), place)
            if owner != place and parameter.requires_grad:
                raise ModelError(
                    "two members of the trial array share a parameter, so that one trial would train the other",
                    evidence=f"'{name}' of members {owner} and {place} is the same memory",
                    remedy="let the factory build a new model, with new modules, on every call",
                )


def check_differentiable(loss: torch.Tensor) -> None:
    """Raise `ModelError` where the loss does not depend on any weight."""
    if not loss.requires_grad:
        raise ModelError(
            "the loss does not depend on any trained weight",
            evidence="it has no gradient",
            remedy="compute it from the model's output, without detach() or no_grad()",
        )


def new_ids(taken: Sequence[int], ids: Sequence[int] | None, count: int, following: int) -> tuple[int, ...]:
    """Return ids for `count` new rows: those given, or the next ones; raises `UsageError` on a repeated one."""
    chosen = tuple(range(following, following + count)) if ids is None else tuple(int(id) for id in ids)
    if len(chosen) != count or len({*taken, *chosen}) != len(taken) + count:
        raise UsageError(
            "every row of a trial array needs an id of its own",
            evidence=f"{count} new members, ids {chosen}, taken: {tuple(taken)}",
        )
    return chosen


def places_of(ids: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return where the rows `wanted` stand; raises `UsageError` on an unknown or repeated one, and on none at all."""
    places = {id: place for place, id in enumerate(ids)}
    strange = [id for id in wanted if id not in places]
    if strange or not wanted or len(set(wanted)) != len(wanted):
        raise UsageError(
            "the trial array has no such rows" if strange else "name at least one row, and each row once",
            evidence=f"asked for {tuple(wanted)}, living: {tuple(ids)}",
        )
    return [places[id] for id in wanted]
