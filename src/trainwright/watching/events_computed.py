"""Hears what is computed: passes of models, their modes, losses, and what is made of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.records.findings import Scalar
from trainwright.watching.costless import FUNCTIONS
from trainwright.watching.losses import given_and_target
from trainwright.watching.models import Pass
from trainwright.watching.places import caller
from trainwright.watching.sightings import DENSE_STEPS

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape


class Computed:
    """The events of computing, passed on to the books that keep them."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def mode_changed(self, result: Any, module: Any, mode: bool = True) -> None:
        """`model.train()` or `model.eval()`."""
        tape = self._tape
        tape.attend()
        if not tape.compiles:
            tape.modes.changed(module, mode, caller())

    def asked_to_evaluate(self, result: Any, module: Any) -> None:
        """`model.eval()`, whatever its own `train` has made of it."""
        self._tape.modes.asked_to_evaluate(module)

    def gradients_off(self) -> None:
        """`with torch.no_grad()`."""
        tape = self._tape
        tape.modes.await_evaluation()

    def dropped(self, *, explicit: bool) -> None:
        """`F.dropout(..., training=True)` inside of a model in evaluation mode."""
        tape = self._tape
        inner = tape.models.innermost()
        # A layer that was left on is left on by intent; but for one that eval() cannot reach, as no module has it.
        lost = isinstance(inner, nn.modules.dropout._DropoutNd) and not tape.models.knows(inner)
        if lost or not isinstance(inner, nn.modules.dropout._DropoutNd):
            facts: dict[str, Scalar] = {"explicit": explicit and not lost, "unregistered": lost}
            facts |= {} if inner is None else {"modules": type(inner).__name__}
            tape.sightings.note("dropout-in-evaluation", caller(), facts)

    def autocast_made(
        self,
        result: Any,
        block: Any,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: Any = None,
    ) -> None:
        """`torch.autocast(device)`, which torch may switch off."""
        tape = self._tape
        tape.precision.made(block, device_type, asked=enabled)

    def autocast_entered(self, result: Any, block: Any) -> None:
        """`with torch.autocast(...)`."""
        tape = self._tape
        tape.precision.entered(block)

    def passed(self, seen: Pass) -> None:
        """A module was called from outside of all modules: told by the hooks, under their own guard."""
        tape = self._tape
        started = tape.clock()
        tape.busy = True
        try:
            if seen.grad and seen.training:
                tape.ranks.passed((*seen.arguments, *seen.named.values()), tape.sightings.step)
            tape.masks.passed(seen)
            alone = tape.unwalked.alone
            tape.unwalked.passed(seen)
            if alone and seen.grad and seen.training:
                return
            tape.modes.passed(seen)
            tape.thresholds.passed(seen)
            if not (seen.grad and seen.training):
                tape.samples.asked(seen)
            if seen.grad:
                tape.precision.passed(seen.calls)
                if tape.sightings.step < DENSE_STEPS:
                    tape.members.passed(seen)
                tape.start.passed(seen)
                tape.steps.passed(seen)
        except Exception as problem:
            tape.stand_down(problem)
        finally:
            tape.busy = False
            tape.own_seconds += tape.clock() - started

    def loss_called(self, function: str, original: Any, result: Any, arguments: Any, named: Any) -> None:
        """A loss of the library was computed."""
        tape = self._tape
        under_way = tape.models.under_way()
        if under_way is not None and under_way.grad and tape.steps.sampled:
            tape.losses.inside(under_way)
        value = tape.losses.called(function, result, arguments, named)
        if value is None:
            return
        if value.trains:
            if len(tape.losses.pending) > 1:
                tape.unwalked.losses_wait()
            if tape.steps.sampled:
                given, target = given_and_target(arguments, named)
                tape.samples.labelled(target)
                if function in FUNCTIONS:
                    tape.costless.computed(function, given, target, value.key[1])
                if isinstance(result, torch.Tensor) and result.dim() == 0:  # one that is weighted may ask for actions
                    tape.relabelled.labelled(tape.losses.given, target, value.key[1])
                tape.steps.probes.loss(original, result, arguments, named)
                tape.start.predicted(function, result, arguments, named)
        else:
            tape.steps.evaluated(value, tape.loaders.split())
            if function == "cross_entropy":
                tape.thresholds.labelled(given_and_target(arguments, named)[1])

    def compared(self, tensor: torch.Tensor, result: Any) -> None:
        """`tensor > 0.5`."""
        tape = self._tape
        tape.thresholds.compared(tensor, result)

    def signed(self, function: str, target: Any) -> None:
        """A loss was computed whose targets are -1 and 1."""
        tape = self._tape
        if not isinstance(target, torch.Tensor) or target.numel() == 0:
            return
        place, size = caller(), target.numel()
        tape.sightings.chance("labels-without-sign")

        def take(numbers: list[float]) -> None:
            low, high, zeros = numbers
            if low == 0 and high <= 1 and zeros > 0:
                facts: dict[str, Scalar] = {"function": function, "low": low, "high": high, "zeros": zeros / size}
                tape.sightings.note("labels-without-sign", place, facts)

        values = target.detach()
        tape.steps.delayed.read([values.min(), values.max(), values.eq(0).sum()], take)

    def masked(self, tensor: torch.Tensor, share: float) -> None:
        """`torch.rand(n) < 0.1` inside of a model that evaluates."""
        self._tape.masks.compared(tensor, share)

    def loss_failed(self, function: str, problem: Exception, arguments: Any, named: Any) -> None:
        """A loss of the library raised an error."""
        tape = self._tape
        tape.losses.fails(function, problem, arguments, named)
        tape.judge()
