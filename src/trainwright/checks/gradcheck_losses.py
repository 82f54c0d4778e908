"""The loss at many displaced points of the parameters: all at once by `vmap`, or one by one where that is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from trainwright.checks.gradcheck_copy import Double
from trainwright.checks.gradcheck_functions import vectorisable
from trainwright.checks.gradcheck_linear import Nudged, nudges
from trainwright.checks.gradcheck_passes import SAME, Passes

MEMORY = 10 * 2**20
"""Bytes that the displaced copies of a parameter and what is computed from them may take together: larger ones leave
the processor's cache, and smaller ones cost more calls than they gain."""
_REFUSALS = 3  # parameters after which none is tried any more: what refuses then lies on everybody's way


class Losses(Passes):
    """The loss of a copied training as a function of its parameters."""

    def __init__(
        self, double: Double, *, seed: int, hold: bool = False, casts: bool = False, hooks: Any = None
    ) -> None:
        super().__init__(double, seed=seed, hold=hold, casts=casts, hooks=hooks)
        self.refused: dict[str, str] = {}  # parameter -> why it is not vectorised
        self._training = _Training(self)
        # Having freed a block of this size, glibc keeps what is freed instead of handing every result of a pass back to
        # the system, which takes as long as computing it. The block itself is never touched.
        torch.empty(3 * MEMORY, dtype=torch.uint8)

    def around(self, places: Mapping[str, torch.Tensor], h: float) -> dict[str, torch.Tensor]:
        """Return the losses with each of `places` of each parameter displaced by h, and by -h: float64 `(2, n)`.

        Weight and bias of a `linear` share their passes.
        """
        groups: dict[Any, list[str]] = {}
        for name in places:
            groups.setdefault(self.linear[name].weight if name in self.linear else name, []).append(name)
        found = {}
        for names in groups.values():
            parts = [torch.cat([places[name]] * 2) for name in names]
            sizes = [torch.tensor([h, -h], dtype=torch.float64).repeat_interleave(len(places[name])) for name in names]
            for name, values in zip(names, self._several(names, parts, sizes), strict=True):
                found[name] = values.reshape(2, -1)
        return {name: found[name] for name in places}

    def entries(self, name: str, places: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with entry `places[k]` of a parameter displaced by `sizes[k]`: float64 `(k,)`."""
        return self._several([name], [places], [sizes])[0]

    def along(self, name: str, directions: torch.Tensor, which: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with a parameter displaced by `sizes[k]` times `directions[which[k]]`: float64 `(k,)`."""

        def displaced(begin: int, end: int) -> torch.Tensor:
            at = self.parameters[name].detach()
            moves = torch.cat([directions[which[begin:end]] * sizes[begin:end, None], torch.zeros_like(directions[:1])])
            moves = moves.to(at.device)
            if at.is_complex():
                return at + torch.view_as_complex(moves.reshape(-1, *at.shape, 2))
            return at + moves.reshape(-1, *at.shape).to(at.dtype)

        return self._losses(name, displaced, len(sizes))

    def _several(
        self, names: Sequence[str], places: Sequence[torch.Tensor], sizes: Sequence[torch.Tensor]
    ) -> Sequence[torch.Tensor]:
        if all(name in self.linear and name not in self.refused for name in names):
            try:
                return self._nudged(names, places, sizes).split([len(each) for each in places])
            except Exception:  # the plain way is tried, and says what refuses
                for name in names:
                    self.linear.pop(name)
        return [self._copied(*each) for each in zip(names, places, sizes, strict=True)]

    def _copied(self, name: str, places: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
        """Return the losses with entries displaced in copies of the parameter."""
        width = self.width(name)

        def displaced(begin: int, end: int) -> torch.Tensor:
            at = self.parameters[name].detach()
            copies = at.expand(end - begin + 1, *at.shape).contiguous()
            flat = (torch.view_as_real(copies) if copies.is_complex() else copies).view(-1)
            rows = torch.arange(end - begin, device=flat.device)
            flat[rows * width + places[begin:end].to(flat.device)] += sizes[begin:end].to(flat)
            return copies

        return self._losses(name, displaced, len(places))

    def _nudged(
        self, names: Sequence[str], places: Sequence[torch.Tensor], sizes: Sequence[torch.Tensor]
    ) -> torch.Tensor:
        """Return the losses with entries of a `linear` displaced where they reach its output."""
        weight = self.linear[names[0]].weight
        columns, biases, units = nudges([self.linear[name] for name in names], places)
        size = torch.cat(list(sizes)).to(weight)

        def loss(*nudge: torch.Tensor) -> torch.Tensor:
            with Nudged(weight, *nudge):
                return self.value()

        def together(begin: int, end: int) -> torch.Tensor:
            # The last pass is not displaced.
            given = [torch.cat([each[begin:end], each[:1]])[:, None] for each in (columns, biases, units, size)]
            given[-1][-1] = 0.0
            with vectorisable(self.functions), self.passing():
                return vmap(loss, randomness="same")(*given).detach().double().cpu()

        values = self._chunks(together, len(size), max(1, MEMORY // max(self.bytes + 16 * len(weight), 1)))
        self.evaluations += len(size)
        return values

    def _losses(self, name: str, displaced: Callable[[int, int], torch.Tensor], count: int) -> torch.Tensor:
        self.evaluations += count
        size = max(1, MEMORY // max(self.bytes + 16 * self.width(name), 1))
        if name not in self.refused and len(self.refused) < _REFUSALS:
            try:
                return self._chunks(lambda begin, end: self._together(name, displaced(begin, end)), count, size)
            except Exception as problem:
                self.refused[name] = _reason(problem)
        self.refused.setdefault(name, next(iter(self.refused.values()), ""))
        found = []
        for begin in range(0, count, size):
            found += [self._alone(name, copy) for copy in displaced(begin, min(begin + size, count))[:-1]]
        return torch.tensor(found, dtype=torch.float64)

    def _chunks(self, together: Callable[[int, int], torch.Tensor], count: int, size: int) -> torch.Tensor:
        """Return losses chunk by chunk. The last pass of each is not displaced, and must give the loss as it is."""
        parts = []
        for begin in range(0, count, size):
            values = together(begin, min(begin + size, count))
            if not abs(float(values[-1]) - self.base) <= SAME * max(abs(self.base), 1e-3):
                raise RuntimeError("among others a pass gives another loss than by itself")
            parts.append(values[:-1])
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)

    def _together(self, name: str, copies: torch.Tensor) -> torch.Tensor:
        with vectorisable(self.functions), self.passing():
            values = vmap(lambda copy: self._value_with(name, copy), randomness="same")(copies)
        return values.detach().double().cpu()

    def _alone(self, name: str, copy: torch.Tensor) -> float:
        with self.passing():
            return float(self._value_with(name, copy).detach())

    def _value_with(self, name: str, copy: torch.Tensor) -> torch.Tensor:
        return functional_call(self._training, {f"model.{name}": copy}, ())


class _Training(nn.Module):
    """The whole training as one module: what is put in a parameter's place is there for the loss too."""

    def __init__(self, losses: Losses) -> None:
        super().__init__()
        self.model = losses.double.model
        self._value = losses.value

    def forward(self) -> torch.Tensor:
        return self._value()


def _reason(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__)[:200]
