"""Whether the output differs from sample to sample, and if not, in which layer all samples became alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright.watching.models import Call, Pass
from trainwright.watching.places import Place

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

SMALLEST = 1e-5
"""Variation over the samples of a batch, as a share of the largest entry, below which they are all alike.

Measured at torch's own initialisation, 4 seeds each: 5e-1 for two layers, 7e-4 for 10 of ReLU, 4e-5 for 10 of GELU and
3e-5 for 6 of sigmoid, all of which train; 1e-7 for 10 of sigmoid, which do not."""
_LARGEST_SCALE = 10.0  # an output around 10 000 is an offset that was chosen: no reason to demand more variation
_LOOKS = 5  # in a row, of which the first four see steps 0 to 3, and the fifth step 10
_FEWEST = 4  # samples


@dataclass(eq=False, slots=True)
class _Alike:
    """Where samples that differ became alike."""

    path: str
    kind: str
    place: Place | None
    for_ever: bool  # a normalisation of single values: whatever is learnt, nothing gets through


class VariationBooks:
    """Looks at the last pass before a backward pass, until the output has differed once."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._pass: Pass | None = None
        self._alike = 0
        self._where: _Alike | None = None
        self._done = False

    def passed(self, seen: Pass) -> None:
        """A model was called to learn from; what it gives may be what enters the loss."""
        self._pass = None if self._done or not seen.calls else seen

    def backward_begins(self) -> None:
        """Compare the samples of the output."""
        seen, self._pass = self._pass, None
        output = seen.output if seen is not None else None
        if seen is None or not isinstance(output, torch.Tensor) or not output.is_floating_point():
            return
        count = len(output) if output.dim() else 0
        inputs = [value for call in seen.calls[-1:] for value in call.inputs if value.dim() and len(value) == count]
        if count < _FEWEST or not inputs:
            return
        differ = torch.stack([_differ(value) for value in inputs]).any()
        measured = [differ.double(), variation(output)]
        where = None if self._where is not None else self._localised(seen, count)
        self._where = self._where or where
        self._tape.steps.delayed.read(measured, self._judge)

    def _judge(self, numbers: list[float]) -> None:
        differ, share = numbers
        if not differ or not math.isfinite(share):
            return
        if share >= SMALLEST:
            self._done = True
            return
        self._alike += 1
        where = self._where
        if self._alike >= _LOOKS or (where is not None and where.for_ever):
            facts = {"variation": share, "looks": self._alike}
            if where is not None:
                facts |= {"module": where.path, "layer": where.kind}
            self._tape.sightings.note("outputs-alike", None if where is None else where.place, facts, count=1)
            self._done = self._alike >= _LOOKS

    def _localised(self, seen: Pass, count: int) -> _Alike | None:
        """Return the first layer that made samples alike that were not; this waits for a device, once."""
        for call in seen.calls:
            given = [value for value in call.inputs if value.dim() and len(value) == count]
            made = [value for value in call.outputs if value.dim() and value.is_floating_point()]
            if not (call.leaf and given and made and len(made[0]) == count):
                continue
            if bool(_differ(given[0])) and float(variation(made[0])) < SMALLEST:
                paths = {id(module): path for path, module in seen.root.named_modules()}
                place = self._tape.origins.of_module(call.module) or call.place
                path, kind = paths.get(id(call.module), ""), type(call.module).__name__
                return _Alike(path, kind, place, _erases(call))
        return None


def variation(output: torch.Tensor) -> torch.Tensor:
    """Return how far the samples of an output `(samples, ...)` lie apart, as a share of its largest entry: 0 of 0."""
    values = output.detach()
    size = values.abs().amax().clamp(max=_LARGEST_SCALE)
    apart = (values - values[:1]).abs().amax()
    return torch.where(
        size > 0, apart / size.clamp(min=torch.finfo(values.dtype).tiny), torch.zeros_like(size)
    ).double()


def _differ(values: torch.Tensor) -> torch.Tensor:
    return (values.detach() != values.detach()[:1]).any()


def _erases(call: Call) -> bool:
    module = call.module
    return isinstance(module, nn.LayerNorm) and math.prod(module.normalized_shape) == 1
