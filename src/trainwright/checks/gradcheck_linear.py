"""Parameters that one `linear` alone takes: a displaced entry adds to one column of its output, and needs no copy.

w x + b with h added to w[i, j] is what it was, and h x[j] more at i; with h added to b[i], h more at i. That is how
`linear` is defined, and this project does not check torch's forward; what the model makes of the output is computed for
every displaced entry as always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from trainwright.checks.wiring import nodes


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A parameter that one `linear` takes: that of `weight`, as its weight or as its bias."""

    weight: torch.Tensor
    bias: bool


class Uses(TorchFunctionMode):
    """Notes what takes each parameter, by its id: the weight of a `linear` and the role in it, or None."""

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.ids = {id(parameter) for parameter in parameters.values()}
        self.found: dict[int, list[Taken | None]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for place, part in enumerate((*args, *(kwargs or {}).values())):
            for each in part if isinstance(part, tuple | list) else (part,):
                if id(each) in self.ids:
                    linear = func is F.linear and place in (1, 2) and len(args) > place and each is args[place]
                    use = Taken(weight=args[1], bias=place == 2) if linear else None
                    self.found.setdefault(id(each), []).append(use)
        return func(*args, **(kwargs or {}))


def taken(parameters: Mapping[str, torch.Tensor], uses: Uses, value: torch.Tensor) -> dict[str, Taken]:
    """Return the parameters that nothing takes but one `linear`: so by their uses, and so in the graph of `value`."""
    edges: dict[int, int] = {}
    for node in nodes(value):
        for before, _ in node.next_functions:
            leaf = id(getattr(before, "variable", None))
            edges[leaf] = edges.get(leaf, 0) + 1

    def use(parameter: torch.Tensor) -> Taken | None:
        found = uses.found.get(id(parameter), [])
        return found[0] if len(found) == 1 and edges.get(id(parameter)) == 1 and not parameter.is_complex() else None

    of = {id(parameter): use(parameter) for parameter in parameters.values()}
    alone = {key for key, each in of.items() if each is not None and not each.bias}
    found = {name: of[id(parameter)] for name, parameter in parameters.items()}
    return {name: each for name, each in found.items() if each is not None and id(each.weight) in alone}


def nudges(taken: Sequence[Taken], places: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return for entries of a `linear`, place by place: the column of its input, whether it is a bias, and the unit."""
    weight = taken[0].weight
    inputs = weight.shape[1]
    columns = [torch.zeros_like(at) if each.bias else at % inputs for each, at in zip(taken, places, strict=True)]
    biases = [torch.full_like(at, each.bias, dtype=torch.bool) for each, at in zip(taken, places, strict=True)]
    units = [at if each.bias else at // inputs for each, at in zip(taken, places, strict=True)]
    return torch.cat(columns).to(weight.device), torch.cat(biases).to(weight.device), torch.cat(units).to(weight.device)


class Nudged(TorchFunctionMode):
    """Gives the one `linear` that takes `weight` the output that it has with one entry displaced by `size`.

    `column` is the entry's place in the input, or `bias` is true; `unit` is its place in the output. All are `(1,)`. Of
    an activation that comes next only that unit is computed anew: it is a function of each number by itself.
    """

    def __init__(
        self, weight: torch.Tensor, column: torch.Tensor, bias: torch.Tensor, unit: torch.Tensor, size: torch.Tensor
    ) -> None:
        super().__init__()
        self.weight, self.column, self.bias, self.unit, self.size = weight, column, bias, unit, size
        # Times a number and added, which takes a tenth of the time of a choice by `where`.
        self.here = (torch.arange(len(weight), device=weight.device) == unit).to(weight.dtype)
        self.last: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None  # what the `linear` just gave

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        last, self.last = self.last, None
        in_place = any((kwargs or {}).get(name) not in (None, False) for name in ("inplace", "out"))
        if last is not None and func in _ACTIVATIONS and len(args) == 1 and args[0] is last[0] and not in_place:
            plain, moved = (func(part, **(kwargs or {})) for part in last[1:])
            return torch.addcmul(plain, moved - plain.index_select(-1, self.unit), self.here)
        output = func(*args, **(kwargs or {}))
        if func is F.linear and len(args) > 1 and args[1] is self.weight:
            factor = torch.where(self.bias, 1.0, args[0].index_select(-1, self.column)) * self.size
            nudged = torch.addcmul(output, factor, self.here)
            self.last = nudged, output, output.index_select(-1, self.unit) + factor
            return nudged
        return output


_ACTIVATIONS = {torch.tanh, torch.sigmoid, torch.Tensor.tanh, torch.Tensor.sigmoid, F.tanh, F.sigmoid}
_ACTIVATIONS |= {F.gelu, F.silu, F.softplus, F.elu, F.mish, F.logsigmoid}
"""Those that take far longer than a product and a sum."""
