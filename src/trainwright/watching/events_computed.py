"""Hears what is computed: passes of models, their modes, losses, and what is made of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.records.findings import Scalar
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

    def gradients_off(self) -> None:
        """`with torch.no_grad()`."""
        tape = self._tape
        tape.modes.await_evaluation()

    def dropped(self, *, explicit: bool) -> None:
        """`F.dropout(..., training=True)` inside of a model in evaluation mode."""
        tape = self._tape
        inner = tape.models.innermost()
        if not isinstance(inner, nn.modules.dropout._DropoutNd):  # a layer that was left on is left on by intent
            facts: dict[str, Scalar] = {"explicit": explicit}
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
        value = tape.losses.called(function, result, arguments, named)
        if value is None:
            return
        if value.trains:
            if len(tape.losses.pending) > 1:
                tape.unwalked.losses_wait()
            if tape.steps.sampled:
                tape.samples.labelled(arguments[1] if len(arguments) > 1 else named.get("target"))
                tape.steps.probes.loss(original, result, arguments, named)
                tape.start.predicted(function, result, arguments, named)
        else:
            tape.steps.evaluated(value, tape.loaders.split())

    def compared(self, tensor: torch.Tensor) -> None:
        """`tensor > 0.5`."""
        tape = self._tape
        tape.thresholds.compared(tensor)

    def loss_failed(self, function: str, problem: Exception, arguments: Any, named: Any) -> None:
        """A loss of the library raised an error."""
        tape = self._tape
        tape.losses.fails(function, problem, arguments, named)
        tape.judge()
