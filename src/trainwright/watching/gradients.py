"""The order of zeroing, backward pass, clipping and step, by what became of the gradients and not by who was called.

Everything here is exact, and threshold-free: a gradient is the same tensor at the same version, or it is not.
Reading identity and version costs no sync; values are looked at only where something is suspicious already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from trainwright.watching.owners import Owner, is_zero
from trainwright.watching.places import Place, caller
from trainwright.watching.sightings import Sightings

_PATIENCE = 10  # backward passes without a step before anyone wonders
FORMATIVE = 64
"""Backward passes whose own lines are looked for; after them a loop has shown its form."""
_DIVIDED = ("DivBackward", "MulBackward")


class GradientBooks:
    """Follows every optimizer's gradients from backward pass to step."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self.owners: dict[int, Owner] = {}
        self._living: list[Owner] = []
        self._clipped: dict[tuple[int, int], list[Owner]] = {}  # by how many parameters, and which comes first
        self._carrying: set[int] = set()  # the optimizers that used gradients again
        self.backwards = 0
        self.steps = 0
        self._retained = False
        self._raw = False
        self.place: Place | None = None
        self._weights: list[tuple[torch.Tensor, torch.Tensor]] = []  # before the first backward passes

    def backward_begins(self, loss: torch.Tensor | None, place: Place | None, *, retained: bool) -> None:
        """A backward pass is about to add to the gradients."""
        self.place, self._retained = place, retained
        self.backwards += 1
        for owner in self._alive():
            if not owner.backwards and owner.used is not None and owner.still_used():
                # The last step's gradients lie there, and are about to be added to. `grad.data.zero_()` leaves
                # identity and version as they are: then the value decides.
                owner.carried = None if is_zero(owner.used) else place
            elif owner.backwards and not owner.zeroed_last and not owner.stands():
                owner.touched = True
            owner.before = owner.state()
        formative = self.backwards <= FORMATIVE
        self._raw = formative and loss is not None and not retained and not _divided(loss.grad_fn)

    def backward_ends(self) -> None:
        """Gradients have been added."""
        for owner in self._alive():
            if owner.witness is None and not owner.settle():
                continue
            if owner.stands() or owner.state()[0] is None:
                continue  # this loss does not reach this optimizer's parameters
            owner.backwards.append(self.place)
            owner.raw += self._raw
            owner.zeroed_last = False
            owner.before = owner.state()
        if self.steps == 0:
            self._nothing_moves()

    def zeroed(self, owners: Iterable[Owner]) -> None:
        """Somebody zeroed the gradients of `owners`."""
        for owner in owners:
            owner.carried = None
            if owner.backwards and not owner.zeroed_last:
                owner.erased += 1
                owner.zero_place = owner.zero_place or caller()
            owner.zeroed_last = True

    def clipped(self, parameters: Sequence[torch.Tensor]) -> list[Owner]:
        """Gradients were clipped, had there been any; return the optimizers that hold the parameters."""
        if not parameters:
            self._sightings.note("clipping-without-gradients", caller(), {"empty": True})
            return []
        key = (len(parameters), id(parameters[0]))
        owners = self._clipped.get(key, [])
        if not owners or self.backwards < FORMATIVE:
            given = {id(parameter) for parameter in parameters}
            owners = [owner for owner in self._alive() if any(id(own) in given for own in _some(owner))]
            self._clipped[key] = owners
        for owner in owners:
            if owner.backwards and not owner.zeroed_last:
                owner.clips += 1
                owner.before = owner.state()  # what clipping changes is no averaging by hand
            elif owner.clips == 0:
                there = any(parameter.grad is not None for parameter in parameters)
                after = owner.steps > 0 and there and not owner.zeroed_last
                self._sightings.note("clipping-after-step" if after else "clipping-without-gradients", caller())
        return owners

    def step_begins(self, owner: Owner) -> None:
        """An optimizer is about to use its gradients."""
        place = owner.step_place = owner.step_place or caller()
        sightings = self._sightings
        facts = {"optimizer": owner.name}
        if not owner.settle() or (owner.zeroed_last and owner.backwards):
            if owner.backwards and owner.erased:
                sightings.note("gradients-erased", owner.zero_place, facts)
            elif not owner.backwards:
                sightings.note("step-without-backward", place, facts | {"backwards": self.backwards})
        elif not owner.backwards and owner.steps and owner.still_used() and not _zero(owner):
            sightings.note("step-without-backward", place, facts | {"backwards": self.backwards})
        elif owner.backwards and not owner.stands() and self._erased_by_hand(owner):
            sightings.note("gradients-erased", place, facts)
        elif owner.carried is not None and owner.backwards and owner.state()[0] is owner.used:
            sightings.note("gradients-carried-over", owner.carried, facts)
            self._carrying.add(id(owner))
            sightings.chances["gradients-carried-over"] = self._steps_of_carrying
        elif len(owner.backwards) > 1 and len(set(owner.backwards)) == 1 and self.backwards < FORMATIVE:
            batches = len(owner.backwards)
            if owner.erased:
                sightings.note("gradients-erased-while-accumulating", owner.zero_place, facts | {"batches": batches})
            elif owner.raw == batches and not owner.touched and owner.stands():
                sightings.note("accumulation-not-averaged", owner.backwards[0], {"batches": batches})

    def step_ends(self, owner: Owner) -> None:
        """An optimizer has used its gradients."""
        owner.steps += 1
        owner.heard += 1
        self.steps += 1
        self._sightings.heard += 1
        owner.settle()
        owner.used, owner.used_version = owner.state()
        owner.before = owner.state()
        owner.backwards.clear()
        owner.raw = owner.erased = 0
        owner.carried = None
        owner.zeroed_last = owner.touched = False

    def forgotten(self) -> None:
        """See whether gradients of an optimizer were zeroed again and again, and used by no step of any."""
        held = {id(part) for owner in self._alive() if owner.steps for part in owner.parameters()}
        for owner in self._alive():
            own = [part for part in owner.parameters() if part.grad is not None]
            if owner.steps or owner.erased < _PATIENCE or not own or any(id(part) in held for part in own):
                continue
            facts = {"optimizer": owner.name, "made": "" if owner.made is None else str(owner.made[1])}
            self._sightings.note("optimizer-never-stepped", self.place, facts, count=owner.erased)

    def begin_again(self) -> None:
        """The calls of some steps were not followed: nothing is known of the gradients that lie there now."""
        for owner in self._alive():
            owner.used, owner.carried = None, None
            owner.backwards.clear()
            owner.raw = owner.erased = 0
            owner.zeroed_last = owner.touched = False
            owner.before = owner.state()

    def _steps_of_carrying(self) -> int:
        """How many steps they have made that could have: of several networks one alone may not be zeroed."""
        return sum(max(owner.heard - 1, 0) for owner in self.owners.values() if id(owner) in self._carrying)

    def _erased_by_hand(self, owner: Owner) -> bool:
        """Somebody has changed the gradients since the backward pass: see whether nothing is left of them.

        Reads values, so a device would be waited for: asked of one in the first steps alone.
        """
        gradients = [parameter.grad for parameter in owner.parameters() if parameter.grad is not None]
        if self.backwards > FORMATIVE and not all(gradient.is_cpu for gradient in gradients):
            return False
        return all(is_zero(gradient) for gradient in gradients)

    def _alive(self) -> list[Owner]:
        newest = next(reversed(self.owners.values()), None)
        known = self._living[-1] if self._living else None
        if newest is not known or self.backwards % FORMATIVE == 0:
            for key in [key for key, owner in self.owners.items() if owner.optimizer() is None]:
                del self.owners[key]
            self._living = list(self.owners.values())
        return self._living

    def _nothing_moves(self) -> None:
        """Without any step so far: see whether the weights move by other means."""
        if not self.owners or self.backwards > 4 * _PATIENCE:
            return
        if not self._weights:
            self._weights = [
                (owner.witness, owner.witness.detach().clone())
                for owner in self._alive()
                if owner.witness is not None and owner.backwards
            ]
        elif self.backwards % _PATIENCE == 0 and all(bool(now.detach().eq(old).all()) for now, old in self._weights):
            self._sightings.note("backward-without-step", self.place, count=self.backwards)


def _some(owner: Owner, count: int = 4) -> list[torch.Tensor]:
    """Return the first few of an optimizer's parameters."""
    return [parameter for _, parameter in zip(range(count), owner.parameters(), strict=False)]


def _zero(owner: Owner) -> bool:
    return owner.used is None or is_zero(owner.used)


def _divided(node: Any) -> bool:
    """Say whether a loss was divided, or weighted, before its backward pass."""
    if node is None:
        return False
    if node.name().startswith(_DIVIDED):
        return True
    if node.name().startswith("AddBackward"):
        return any(earlier is not None and earlier.name().startswith(_DIVIDED) for earlier, _ in node.next_functions)
    return False
