"""Hears what learns: zeroing, backward passes, clipping, scaling and steps, in their order."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.watching import handwritten, lone
from trainwright.watching.gradients import FORMATIVE
from trainwright.watching.graphs import frames_compiled, leaves
from trainwright.watching.owners import Owner, closure_of
from trainwright.watching.places import caller
from trainwright.watching.rebound import rebound_line
from trainwright.watching.sightings import DENSE_STEPS
from trainwright.watching.spreading import note_spread

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_ENOUGH = 10  # backward passes without a step of any kind


class Learnt:
    """The events of learning, passed on to the books that keep them; when a step is over, all are told."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self.steps_by_hand = 0
        self._turns: deque[int] = deque(maxlen=8)  # the optimizers that made the last steps
        self._backward_since_step = False
        self._compiled_before = frames_compiled()

    def zeroed(self, result: Any, what: Any, *rest: Any, **named: Any) -> None:
        """`zero_grad()` of an optimizer or a module."""
        tape = self._tape
        if tape.erased.waiting:
            tape.erased.zeroed(caller())
        if isinstance(what, nn.Module):
            tape.gradients.zeroed(tape.optimizers.sharing(what))
        else:
            tape.gradients.zeroed((tape.optimizers.owner(what),))

    def backward_begins(
        self,
        loss: Any,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        **named: Any,
    ) -> None:
        """`loss.backward()`."""
        tape = self._tape
        tensor = loss if isinstance(loss, torch.Tensor) else None
        tape.awaits_evaluation = False
        tape.ranks.learning(tape.sightings.step)
        tape.unwalked.turn += 1
        if tape.models.armed and not tape.steps.sampled:
            tape.models.disarm()
        if not tape.attentive:
            self._backward_since_step = True
            tape.gradients.backwards += 1
            tape.steps.backward_begins(tensor, tape.gradients.place)
            if tensor is not None:
                tape.graphs.backward_begins(tensor, tape.gradients.place, tape.sightings.step)
            return
        self.hand_step()
        self._backward_since_step = True
        if tape.frames.on:
            tape.frames.end()
        tape.loaders.trained()
        tape.samples.begins()
        place = caller() if tape.gradients.backwards < FORMATIVE else tape.gradients.place
        tape.gradients.backward_begins(tensor, place, retained=bool(retain_graph or create_graph))
        tape.steps.backward_begins(tensor, place)
        if tensor is not None:
            tape.graphs.backward_begins(tensor, place, tape.sightings.step)
            tape.graphs.bound()
            tape.erased.backward_begins(tensor, tape.gradients.owners.values(), retained=bool(retain_graph))
            if retain_graph:
                tape.graphs.retained(tensor, place)
            if tape.gradients.backwards <= DENSE_STEPS:
                tape.graphs.reach(tensor, self._weights(), place)
                note_spread(tape.sightings, tensor)
                lone.look(tape.sightings, tensor)
                tape.flat.look(tensor, tape.models.roots())
                handwritten.look(tape.sightings, tensor, tape.losses.rows, alone=len(tape.gradients.owners) < 2)
                if not tape.gradients.owners:
                    tape.by_hand.reaches(leaves(tensor), tape.models.roots())
            if tape.sightings.step < DENSE_STEPS:
                tape.members.backward_begins(tensor, place)
            if tape.steps.sampled:
                tape.start.backward_begins(tensor, place)
                tape.signs.backward_begins(tensor, place)

    def backward_ends(self) -> None:
        """The gradients are there."""
        tape = self._tape
        tape.gradients.backward_ends()
        if not tape.gradients.owners:
            tape.by_hand.remember(tape.models.roots())
        if tape.steps.sampled:
            tape.start.backward_ends()
        if tape.sightings.step < DENSE_STEPS:
            tape.members.backward_ends()
        if tape.gradients.backwards <= DENSE_STEPS or tape.gradients.steps == 0:
            tape.news(always=tape.gradients.backwards == 1)
        if tape.last_step is not None:
            self._end_program()

    def backward_refused(self, loss: Any, problem: Exception) -> None:
        """`loss.backward()` raised an error."""
        tape = self._tape
        if "does not require grad" in str(problem):
            tape.graphs.nothing(loss, tape.gradients.place)
        elif "backward through the graph a second time" in str(problem) and isinstance(loss, torch.Tensor):
            tape.graphs.refused(loss, tape.gradients.place)
        elif "modified by an inplace operation" in str(problem) and len(tape.gradients.owners) < 2:
            tape.graphs.refused(loss, tape.gradients.place, overwritten=True)  # weights of a graph that is older
        tape.news()

    def gradients_taken(self) -> None:
        """`torch.autograd.grad(...)`: gradients that lie nowhere, for penalties and for optimizers written by hand."""
        tape = self._tape
        self._backward_since_step = True
        tape.unwalked.turn += 1

    def clipped(
        self, result: Any, parameters: Any, limit: Any = None, norm: Any = None, *rest: Any, **named: Any
    ) -> None:
        """`clip_grad_norm_` or `clip_grad_value_`."""
        tape = self._tape
        if not tape.attentive:
            if isinstance(norm, torch.Tensor) and isinstance(limit, int | float):
                tape.steps.clipped(norm.detach(), float(limit), [])
            return
        tensors = [parameters] if isinstance(parameters, torch.Tensor) else list(parameters)
        if isinstance(limit, float) and limit == math.inf:
            return  # that only measures the norm
        owners = tape.gradients.clipped(tensors)
        tape.precision.clipped(owners)
        if isinstance(norm, torch.Tensor) and isinstance(limit, int | float):
            tape.steps.clipped(norm.detach(), float(limit), owners)

    def scaler_scaled(self, result: Any, scaler: Any, *rest: Any, **named: Any) -> None:
        """`scaler.scale(loss)`."""
        tape = self._tape
        tape.precision.scales(scaler)

    def scaler_unscaled(self, result: Any, scaler: Any, optimizer: Any) -> None:
        """`scaler.unscale_(optimizer)`: the gradients are divided again."""
        tape = self._tape
        tape.precision.divides(optimizer)
        owner = tape.optimizers.owner(optimizer)
        owner.before = owner.state()

    def scaler_step(self, scaler: Any, optimizer: Any, *rest: Any) -> None:
        """`scaler.step(optimizer)`."""
        tape = self._tape
        tape.precision.step_begins(scaler, optimizer)

    def scaler_step_ends(self, result: Any, scaler: Any, optimizer: Any, *rest: Any) -> None:
        """The scaler has stepped, or has not."""
        tape = self._tape
        if tape.precision.step_ends():
            tape.steps.skipped(tape.optimizers.owner(optimizer))
            self._step_over(tape.optimizers.owner(optimizer))

    def scaler_updated(self, result: Any, scaler: Any, *rest: Any, **named: Any) -> None:
        """`scaler.update()`."""
        tape = self._tape
        tape.precision.updates()

    def step_begins(self, optimizer: Any, arguments: Any, named: Any) -> None:
        """`optimizer.step()`, before it."""
        tape = self._tape
        owner = tape.optimizers.owner(optimizer)
        tape.precision.stepped(optimizer)
        if (len(arguments) > 1 or named) and closure_of(arguments, named):
            tape.steps.closures = True
            return
        if owner.steps == 0:
            tape.optimizers.stepping(owner, tape.schedulers.resumed(optimizer))
            tape.loaded.stepping(owner)
            tape.sightings.forget("optimizer-never-stepped")
        tape.erased.stepping(owner)
        tape.gradients.step_begins(owner)
        tape.modes.stepping()
        tape.steps.begins(owner)
        tape.news()

    def step_ends(self, optimizer: Any) -> None:
        """`optimizer.step()`, after it."""
        tape = self._tape
        owner = tape.optimizers.owner(optimizer)
        tape.signs.stepped(owner, scaling=tape.precision.scaling)
        if tape.runs.stepped(owner, tape.sightings.step):
            tape.steps.run_begins()
            self._turns.clear()
        tape.steps.ends(owner)
        if owner.steps <= 1:
            tape.optimizers.stepped(owner)
        made = tape.sightings.step
        self._step_over(owner)
        tape.ranks.stepped(made)

    def cruised(self, owner: Owner) -> None:
        """Some steps are over that were not followed."""
        tape = self._tape
        self._backward_since_step = False
        tape.steps.next()
        tape.listen_on()
        tape.news(always=tape.steps.due())
        self._cruise(owner)

    def half_cruised(self) -> None:
        """Go on in the middle of a step, whose backward pass is over."""
        self._backward_since_step = True

    def _cruise(self, owner: Owner) -> None:
        """Where the next steps will be like the last ones, let them pass."""
        tape = self._tape
        if tape.attentive or tape.steps.sampled or tape.last_step is not None or len(tape.gradients.owners) != 1:
            return
        tape.cruise.begin(min(tape.unheard(), tape.steps.quiet()), owner, tape.steps.alarm)

    def scheduler_stepped(self, result: Any, scheduler: Any, *rest: Any, **named: Any) -> None:
        """`scheduler.step()`."""
        tape = self._tape
        tape.schedulers.stepped(scheduler, rest[0] if rest else named.get("metrics"))

    def hand_step(self) -> None:
        """If the weights have moved, and there is no optimizer of torch that has moved them: count a step."""
        tape = self._tape
        if tape.gradients.owners or not self._backward_since_step:
            return
        if not tape.by_hand.moved():
            if tape.by_hand.stands_still():
                facts = {"by_hand": True}
                tape.sightings.note("weights-unchanged", tape.gradients.place, facts, count=tape.by_hand.idle)
                self._look_for_rebound(inside=False)
            elif tape.gradients.backwards == _ENOUGH and not tape.models.roots():
                self._look_for_rebound(inside=True)  # tensors without a module: nobody knows which are weights
        else:
            self.steps_by_hand += 1
            tape.sightings.step += 1
            tape.loaders.stepped()
            tape.steps.by_hand()
            tape.news(always=tape.steps.due())

    def _look_for_rebound(self, *, inside: bool) -> None:
        """Where no weight moves, see whether the program binds a name anew instead."""
        place = self._tape.gradients.place
        found = None if place is None else rebound_line(place, inside=inside)
        if found is not None:
            self._tape.sightings.note("parameters-rebound", found[0], {"name": found[1]})

    def _step_over(self, owner: Owner) -> None:
        tape = self._tape
        fresh = self._backward_since_step or not self._turns or self._turns[-1] == id(owner)
        if tape.attentive:
            tape.gradients.step_ends(owner)
        else:
            owner.steps += 1
            tape.gradients.steps += 1
        if fresh:  # several optimizers may step on one backward pass: that is one step
            tape.sightings.step += 1
            tape.loaders.stepped()
            self._turns.append(id(owner))
        self._backward_since_step = False
        if owner.steps <= DENSE_STEPS:
            tape.optimizers.note_facts(owner, tape.models.roots())
        if tape.sightings.step <= DENSE_STEPS and tape.gradients.backwards:
            tape.members.step_over(owner, tape.gradients.owners.values())
            tape.precision.copies = tape.members.copies_of_half
            tape.start.step_over()
        if tape.steps.sampled and not tape.compiles and frames_compiled() > self._compiled_before:
            tape.built.compiled(None)  # what was made before anyone watched was compiled when it was called
        if tape.sightings.step == DENSE_STEPS:
            tape.precision.judged()
        if len(tape.gradients.owners) > 1 and tape.sightings.step % FORMATIVE == 0:
            tape.gradients.forgotten()
        tape.steps.next()
        tape.listen_on()
        tape.news(always=tape.steps.due())
        if tape.last_step is not None:
            self._end_program()
        self._cruise(owner)

    def _end_program(self) -> None:
        """End the program once it has made its steps; or so many backward passes, where it makes no step."""
        tape = self._tape
        if (tape.sightings.step or tape.gradients.backwards) >= (tape.last_step or 0):
            tape.cut = True
            raise SystemExit(0)

    def _weights(self) -> Iterator[torch.Tensor]:
        """Yield what is there to be trained, as far as it is known."""
        tape = self._tape
        for root in tape.models.roots():
            yield from root.parameters()
        for owner in tape.gradients.owners.values():
            yield from owner.parameters()

    @property
    def turns(self) -> bool:
        """Whether several optimizers take turns, each with a backward pass of its own."""
        return len(set(self._turns)) > 1
