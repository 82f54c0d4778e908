"""Weights that one `linear` alone takes: a displaced entry adds to one column of its output, and needs no copy of all.

w x + b with h added to w[i, j] is what it was, and h x[j] more at i. That is how `linear` is defined, and this project
does not check torch's forward; what the model makes of the output is computed for every displaced entry as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from trainwright.checks.wiring import nodes


class Uses(TorchFunctionMode):
    """Notes the functions that take each parameter, by the parameter's id."""

    def __init__(self, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.ids = {id(parameter) for parameter in parameters.values()}
        self.found: dict[int, list[str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for place, part in enumerate((*args, *(kwargs or {}).values())):
            for each in part if isinstance(part, tuple | list) else (part,):
                if id(each) in self.ids:
                    weight = func is F.linear and place == 1 and len(args) > 1 and each is args[1]
                    self.found.setdefault(id(each), []).append("weight" if weight else "other")
        return func(*args, **(kwargs or {}))


def linear_weights(parameters: Mapping[str, torch.Tensor], uses: Uses, value: torch.Tensor) -> set[str]:
    """Return the matrices that nothing takes but one `linear`, as its weight: so by their uses, and so in the graph."""
    edges: dict[int, int] = {}
    for node in nodes(value):
        for before, _ in node.next_functions:
            leaf = id(getattr(before, "variable", None))
            edges[leaf] = edges.get(leaf, 0) + 1
    return {
        name
        for name, parameter in parameters.items()
        if uses.found.get(id(parameter)) == ["weight"]
        and edges.get(id(parameter)) == 1
        and parameter.dim() == 2
        and not parameter.is_complex()
    }


class Nudged(TorchFunctionMode):
    """Gives the one `linear` that takes `weight` the output that it has with one entry displaced.

    `column` `(1,)` is the entry's place in the input, `change` `(out,)` the displacement at its place in the output.
    """

    def __init__(self, weight: torch.Tensor, column: torch.Tensor, change: torch.Tensor) -> None:
        super().__init__()
        self.weight, self.column, self.change = weight, column, change

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is F.linear and len(args) > 1 and args[1] is self.weight:
            return torch.addcmul(output, args[0].index_select(-1, self.column), self.change)
        return output
