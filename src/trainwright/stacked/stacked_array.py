"""The trial array as one program: the weights of all rows in one stack, one forward pass, one backward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.stacked.chain import ChainForward, is_chain
from trainwright.stacked.copying import model_copy, pair_copy
from trainwright.stacked.draws import Draws, rates_by_module
from trainwright.stacked.forward import VmapForward
from trainwright.stacked.layout import difference, layout_of
from trainwright.stacked.member import CannotStack, Member, check_differentiable, check_members, new_ids, places_of
from trainwright.stacked.plain_chain import PlainChain, is_plain
from trainwright.stacked.row_losses import RowLosses
from trainwright.stacked.row_views import RowViews
from trainwright.stacked.row_wise import RowWise, row_wise
from trainwright.stacked.stack import Stack
from trainwright.stacked.states import load_row, row_state, states_of
from trainwright.stacked.stepping import base_rates, clip_rows
from trainwright.tensors import evaluating


class StackedArray:
    """A `TrialArray` that trains all rows as one program. Raises `CannotStack` for members that are not alike."""

    def __init__(self, members: Sequence[Member], ids: Sequence[int] | None = None) -> None:
        check_members(members)
        _check_alike(members)
        self._members = list(members)
        self._ids = new_ids((), ids, len(members), 0)
        self._following = max(self._ids) + 1
        self._steps = [member.steps for member in members]
        self._frozen = [False] * len(members)
        self._bases = [base_rates(member.optimizer) for member in members]
        self._stack = Stack(layout_of(members[0]), members)
        template = model_copy(members[0].model)
        plain = is_chain(template) and is_plain(template, self._stack.layout)
        self._plain = PlainChain(template) if plain else None
        self._forward = (ChainForward if is_chain(template) else VmapForward)(template, {})
        self._look_at_members()
        self._take_optimizers(members)

    @property
    def ids(self) -> tuple[int, ...]:
        """The living rows."""
        return self._ids

    @property
    def steps(self) -> tuple[int, ...]:
        """How many updates each row has made."""
        return tuple(self._steps)

    @property
    def frozen(self) -> tuple[int, ...]:
        """The ids of the rows that have met a loss or a gradient that is not finite."""
        return tuple(id for id, frozen in zip(self._ids, self._frozen, strict=True) if frozen)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Make one update of each row on the batch; return the losses before it, `(K,)`, detached."""
        stack = self._stack
        kept = {name: buffer.clone() for name, buffer in stack.buffers.items()}
        losses, present = self._backward(x, y)
        finite = torch.isfinite(losses) & clip_rows(stack.gradient, self._members)
        healthy = finite.tolist()  # syncs an accelerator
        living = [place for place, frozen in enumerate(self._frozen) if healthy[place] and not frozen]
        values = losses.clone()
        if len(living) < len(self._ids):
            self._hold_back(living, kept, values)
        if isinstance(self._optimizers, RowWise) and all(present):
            self._optimizers.step(living, self._members, self._bases, self._steps)
        else:  # a parameter without a gradient is left alone, which only the optimizer itself can do
            self._views().step(living, self._members, self._bases, self._steps, present)
        for place in living:
            self._steps[place] += 1
        return values

    def _backward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, list[bool]]:
        """Compute losses `(K,)` and gradients, piece after piece; return which parameters have a gradient."""
        losses, present = [], [True] * len(self._stack.layout.slots)
        for piece, draws, loss in zip(self._stack.pieces, self._draws, self._losses, strict=True):
            draws.begin(self._steps[piece.rows])
            if self._plain is not None and self._plain.takes(piece, x):
                losses.append(self._plain.step(piece, x, partial(loss, y=y), draws, self._rates))
                continue
            found = loss(self._forward(piece, x, draws), y)
            check_differentiable(found)
            gradients = torch.autograd.grad(found.sum(), list(piece.leaves.values()), allow_unused=True)
            present = piece.store(gradients)  # the same in every piece: which are there follows from the batch
            losses.append(found.detach())
        return torch.cat(losses), present

    def _hold_back(self, living: Sequence[int], kept: Mapping[str, torch.Tensor], values: torch.Tensor) -> None:
        """Freeze the rows that are not `living`: their buffers go back, and those frozen before have no loss."""
        for place in sorted(set(range(len(self._ids))) - set(living)):
            for name, buffer in self._stack.buffers.items():
                buffer[place] = kept[name][place]
            if self._frozen[place]:
                values[place] = torch.nan
            self._frozen[place] = True

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        """Return what each row's model gives for `x` in evaluation mode, `(K, N, ...)`; leaves no footprints."""
        stack = self._stack
        kept = {name: buffer.clone() for name, buffer in stack.buffers.items()}
        with torch.no_grad(), isolated(), self._averaged(), evaluating(self._forward.template):
            outputs = torch.cat([self._forward(piece, x) for piece in stack.pieces])
            for name, buffer in stack.buffers.items():
                buffer.copy_(kept[name])
        return outputs

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if isinstance(self._optimizers, RowWise) else self._optimizers.averaged()

    def keep(self, ids: Sequence[int]) -> None:
        """Let all rows but `ids` go."""
        places = places_of(self._ids, ids)
        self._ids = tuple(ids)
        self._members = [self._members[place] for place in places]
        self._steps = [self._steps[place] for place in places]
        self._frozen = [self._frozen[place] for place in places]
        self._bases = [self._bases[place] for place in places]
        self._stack.keep(places)
        self._optimizers.keep(places)
        self._look_at_members()

    def add(self, members: Sequence[Member], ids: Sequence[int] | None = None) -> tuple[int, ...]:
        """Take further members in, behind the others; return their ids."""
        if not members:
            return ()
        check_members([*self._members, *members])
        _check_alike([self._members[0], *members])
        chosen = new_ids(self._ids, ids, len(members), self._following)
        self._following = max(self._following, *(id + 1 for id in chosen))
        self._ids += chosen
        self._members += members
        self._steps += [member.steps for member in members]
        self._frozen += [False] * len(members)
        self._bases += [base_rates(member.optimizer) for member in members]
        views = self._views()
        self._stack.add(members)
        views.add(members)
        self._optimizers = row_wise(views) or views
        self._look_at_members()
        return chosen

    def member(self, id: int) -> Member:
        """Return the row as it stands as a member of its own."""
        place = places_of(self._ids, [id])[0]
        member = self._members[place]
        model = model_copy(member.model)
        values = self._stack.tensors(place)
        with torch.no_grad():
            for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
                tensor.copy_(values[name])
        optimizer = self._optimizers.optimizer(place, dict(model.named_parameters()))
        for group, base in zip(optimizer.param_groups, self._bases[place], strict=True):
            group["lr"] = base
        return replace(member, model=model, optimizer=optimizer, steps=self._steps[place])

    def model(self, id: int) -> nn.Module:
        """Return a stand-alone copy of the row's model."""
        return self.member(id).model

    def state_dict(self) -> dict[str, Any]:
        """Return all that an exact continuation needs, in copies."""
        rows = [self.member(id) for id in self._ids]
        states = [
            row_state(row.model, row.optimizer, steps=row.steps, frozen=frozen)
            for row, frozen in zip(rows, self._frozen, strict=True)
        ]
        return {"ids": list(self._ids), "rows": states}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, which an array of the same members has given, whichever way it computes."""
        states = states_of(self._ids, state)
        loaded = []
        for member, kept in zip(self._members, states, strict=True):
            model, optimizer = pair_copy(member.model, member.optimizer)
            load_row(model, optimizer, kept)
            loaded.append(replace(member, model=model, optimizer=optimizer))
        self._steps = [int(kept["steps"]) for kept in states]
        self._frozen = [bool(kept["frozen"]) for kept in states]
        self._stack = Stack(self._stack.layout, loaded)
        self._take_optimizers(loaded)

    def _look_at_members(self) -> None:
        """Take from the members what differs between them and is no weight: rates of dropout, seeds, losses."""
        self._rates = rates_by_module([member.model for member in self._members])
        self._forward.set_rates(self._rates)
        pieces = [(piece.rows, self._members[piece.rows]) for piece in self._stack.pieces]
        device = self._stack.layout.device
        self._draws = [Draws([member.seed for member in inside], device, rows) for rows, inside in pieces]
        self._losses = [RowLosses([member.loss for member in inside]) for _, inside in pieces]

    def _take_optimizers(self, members: Sequence[Member]) -> None:
        views = RowViews(self._stack)
        views.add(members)
        self._optimizers: RowViews | RowWise = row_wise(views) or views

    def _views(self) -> RowViews:
        """Return the optimizers as ordinary ones, which go on so."""
        if isinstance(self._optimizers, RowWise):
            self._optimizers = self._optimizers.unstacked()
        return self._optimizers


def _check_alike(members: Sequence[Member]) -> None:
    found = difference(members)
    if found is not None:
        raise CannotStack(
            "the members are not alike, so that they cannot be rows of one stack",
            evidence=found,
            remedy="put them into arrays of their own: buckets() sorts them",
        )
