"""The trial array as a loop over ordinary models: the oracle of the stacked one, and what trains all that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright.parts.optimizers import averaged
from trainwright.randomness import isolated, seed_step
from trainwright.stacked.copying import pair_copy
from trainwright.stacked.member import Member, check_differentiable, check_members, new_ids, places_of
from trainwright.stacked.states import load_row, row_state, states_of
from trainwright.stacked.stepping import base_rates, set_all_rates
from trainwright.tensors import buffers_restored, evaluating, global_norm


@dataclass
class _Row:
    id: int
    member: Member
    model: nn.Module
    optimizer: torch.optim.Optimizer
    bases: list[float]
    steps: int
    frozen: bool = False


class LoopArray:
    """A `TrialArray` that trains one model after the other, each on the whole step. Takes members of any kind."""

    def __init__(self, members: Sequence[Member], ids: Sequence[int] | None = None) -> None:
        self._rows: list[_Row] = []
        self._following = 0
        self.add(members, ids)

    @property
    def ids(self) -> tuple[int, ...]:
        """The living rows."""
        return tuple(row.id for row in self._rows)

    @property
    def steps(self) -> tuple[int, ...]:
        """How many updates each row has made."""
        return tuple(row.steps for row in self._rows)

    @property
    def frozen(self) -> tuple[int, ...]:
        """The ids of the rows that have met a loss or a gradient that is not finite."""
        return tuple(row.id for row in self._rows if row.frozen)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Make one update of each row on the batch; return the losses before it, `(K,)`, detached."""
        with isolated():
            return torch.stack([_step(row, x, y) for row in self._rows])

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each row's model gives for `x` in evaluation mode, `(K, N, ...)`; leaves no footprints."""
        return torch.stack([_output(row, x) for row in self._rows])

    def keep(self, ids: Sequence[int]) -> None:
        """Let all rows but `ids` go."""
        self._rows = [self._rows[place] for place in places_of(self.ids, ids)]

    def add(self, members: Sequence[Member], ids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Take further members in; return their ids."""
        check_members([*(row.member for row in self._rows), *members])
        chosen = new_ids(self.ids, ids, len(members), self._following)
        for id, member in zip(chosen, members, strict=True):
            model, optimizer = pair_copy(member.model, member.optimizer)
            bases = base_rates(member.optimizer)
            self._rows.append(_Row(id, member, model, optimizer, bases, member.steps))
        self._following = max(self._following, *(id + 1 for id in chosen)) if chosen else self._following
        return chosen

    def member(self, id: int) -> Member:
        """Return the row as it stands as a member of its own."""
        row = self._rows[places_of(self.ids, [id])[0]]
        model, optimizer = pair_copy(row.model, row.optimizer)
        for group, base in zip(optimizer.param_groups, row.bases, strict=True):
            group["lr"] = base
        return replace(row.member, model=model, optimizer=optimizer, steps=row.steps)

    def model(self, id: int) -> nn.Module:
        """Return a stand-alone copy of the row's model."""
        return self.member(id).model

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact continuation needs, in copies."""
        rows = [row_state(row.model, row.optimizer, steps=row.steps, frozen=row.frozen) for row in self._rows]
        return {"ids": list(self.ids), "rows": rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, which an array of the same members has given, whichever way it computes."""
        for row, kept in zip(self._rows, states_of(self.ids, state), strict=True):
            row.steps, row.frozen = int(kept["steps"]), bool(kept["frozen"])
            load_row(row.model, row.optimizer, kept)


def _step(row: _Row, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if row.frozen:
        return next(row.model.parameters()).new_full((), torch.nan)
    set_all_rates([0], [row.optimizer], [row.bases], [row.member], [row.steps])
    buffers = list(row.model.buffers())
    kept = [buffer.clone() for buffer in buffers]
    row.optimizer.zero_grad(set_to_none=True)
    seed_step(row.member.seed, row.steps)
    loss = row.member.loss(row.model(x), y)
    check_differentiable(loss)
    finite = bool(torch.isfinite(loss))  # syncs an accelerator
    if finite:
        loss.backward()
        finite = _clip(row)
    if finite:
        row.optimizer.step()
        row.steps += 1
    else:
        row.frozen = True
        for buffer, value in zip(buffers, kept, strict=True):
            buffer.copy_(value)
    row.optimizer.zero_grad(set_to_none=True)
    return loss.detach()


def _clip(row: _Row) -> bool:
    """Cut the gradient as the member asks, entries first; return whether it is finite."""
    gradients = []
    for parameter in (entry for group in row.optimizer.param_groups for entry in group["params"]):
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad._values())  # all that is not zero
        elif parameter.grad is not None:
            gradients.append(parameter.grad)
    norm = global_norm(gradients)
    if not bool(torch.isfinite(norm)):  # syncs an accelerator
        return False
    if row.member.clip_value is not None and gradients:
        torch._foreach_clamp_max_(gradients, row.member.clip_value)
        torch._foreach_clamp_min_(gradients, -row.member.clip_value)
        norm = global_norm(gradients)
    limit = row.member.clip_norm
    if limit is not None and bool(norm > limit):
        torch._foreach_mul_(gradients, limit / norm)
    return True


def _output(row: _Row, x: torch.Tensor) -> torch.Tensor:
    model, optimizer = row.model, row.optimizer
    with torch.no_grad(), isolated(), averaged(optimizer), buffers_restored(model), evaluating(model):
        return model(x)
