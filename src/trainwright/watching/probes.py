"""The same batch again, after a tenth, once and ten times the update: how far a step could have gone.

This calls the user's model and the library's loss a second time, so it is done only where that shows to be harmless:
the model's output goes straight into the loss, the second value equals the first bit by bit, and no attribute of any
module has changed. Weights, buffers and random states are put back; nothing that is printed meanwhile is seen.
"""

from __future__ import annotations

import contextlib
import io
import math
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from trainwright.randomness import isolated
from trainwright.records import StepProbe
from trainwright.tensors import buffers_restored
from trainwright.watching.marks import Marks
from trainwright.watching.models import Pass
from trainwright.watching.owners import Owner

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_CERTAIN = 4  # first steps that are probed whatever it takes
_PROOFS = 2  # after them a model is trusted to stay as it is
_PARAMETERS = 20_000_000  # beyond this the copies that a probe makes are too dear


@dataclass(eq=False, slots=True)
class _Again:
    """How to compute a step's loss again."""

    root: nn.Module
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    random: torch.Tensor
    output: weakref.ref[torch.Tensor]
    function: Any = None
    view: tuple[tuple[int, ...], tuple[int, ...], int] | None = None  # how the loss sees the output's numbers
    rest: tuple[Any, ...] = ()
    options: dict[str, Any] | None = None
    value: float = math.nan


class Probes:
    """Tries steps of other lengths on the batch that a step was made on."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._again: _Again | None = None
        self._before: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._passes = 0
        self._proofs = 0
        self.refused = ""  # why no probe is made

    def passed(self, seen: Pass) -> None:
        """A model was called; the last call before the loss is the one to repeat."""
        if next(seen.root.parameters(), None) is None:
            return  # a loss or a metric that is a module, too
        self._passes += 1
        if trained_together():  # a call that one process alone makes would wait for the others
            self.refused = "several processes train together"
        output = seen.output
        if self.refused or seen.random is None or not isinstance(output, torch.Tensor):
            self._again = None
            return
        if self._passes == 1:
            self._again = _Again(
                root=seen.root,
                arguments=seen.arguments,
                named=dict(seen.named),
                random=seen.random,
                output=weakref.ref(output),
            )

    def loss(self, function: Any, result: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """A loss was computed: if on the output just seen, it can be computed again."""
        again = self._again
        given = arguments[0] if arguments else named.get("input")
        output = None if again is None else again.output()
        if again is None or output is None or again.function is not None or not isinstance(given, torch.Tensor):
            return
        if given is not output:  # squeezed, flattened or transposed on the way: the same numbers in another order
            if given.data_ptr() != output.data_ptr() or given.numel() != output.numel() or given.dtype != output.dtype:
                return
            again.view = (tuple(given.shape), given.stride(), int(given.storage_offset()))
        if not isinstance(result, torch.Tensor) or result.dim() or result.device.type != "cpu":
            return  # reading its value would wait for a device
        again.function, again.value = function, float(result.detach())
        again.rest, again.options = arguments[1:], {name: part for name, part in named.items() if name != "input"}

    def before_step(self, owner: Owner) -> None:
        """Copy the weights that are about to move, where the step can be repeated."""
        self._before = []
        again = self._again
        if again is None or again.function is None or self.refused or self._passes != 1:
            return
        if len(self._tape.gradients.owners) != 1 or self._tape.compiles:
            return
        if self._tape.sightings.step >= _CERTAIN and not self._tape.steps.affordable:
            return
        parameters = [part for part in owner.parameters() if part.requires_grad]
        if sum(part.numel() for part in parameters) > _PARAMETERS:
            self.refused = "the model is too large for probing its steps"
            return
        if not self._proved(again):
            return
        self._before = [(part, part.detach().clone()) for part in parameters]

    def after_step(self, owner: Owner) -> StepProbe | None:
        """Return what steps of other lengths would have given on the same batch."""
        before, self._before, again = self._before, [], self._again
        self._again, self._passes = None, 0
        if not before or again is None:
            return None
        after = [(part, part.detach().clone()) for part, _ in before]
        with torch.no_grad(), isolated():
            same = self._value(again)
            lowered = same < again.value
            try:
                for (part, old), (_, new) in zip(before, after, strict=True):
                    part.copy_(old).add_(new - old, alpha=10.0 if lowered else 0.1)
                further = self._value(again)
            finally:
                for part, new in after:
                    part.copy_(new)
        return StepProbe(
            before=again.value,
            same=same,
            tenth=None if lowered else further,
            tenfold=further if lowered else None,
        )

    def forget(self) -> None:
        """The step is over, and was not looked at."""
        self._again, self._passes, self._before = None, 0, []

    def _proved(self, again: _Again) -> bool:
        """Say whether the loss comes out the same a second time, and leaves no mark."""
        if self._proofs >= _PROOFS:
            return True
        self._proofs += 1
        marks = Marks(again.root)
        try:
            with isolated():
                value = self._value(again)
        finally:
            marked = marks.undo()
        if marked:
            self.refused = "the model changes something of its own when it is called"
        elif value != again.value:
            self.refused = "the same batch does not give the same loss again"
        return not self.refused

    def _value(self, again: _Again) -> float:
        quiet = io.StringIO()
        with (
            buffers_restored(again.root),
            torch.no_grad(),
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
        ):
            torch.set_rng_state(again.random)
            # A model may work in place on what it is given.
            arguments, named = tree_map(_copied, (again.arguments, again.named))
            output = again.root(*arguments, **named)
            if again.view is not None:
                output = output.as_strided(*again.view)
            return float(again.function(output, *again.rest, **(again.options or {})))


def trained_together() -> bool:
    """Say whether other processes may have to make the same calls as this one."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized()


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, torch.Tensor) else value
