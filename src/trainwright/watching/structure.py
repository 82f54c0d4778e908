"""How a model is put together, as its first passes show it: dropout, and linear layers in a row. All of it exact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.vitals.linear_pairs import linear_pairs_behind
from trainwright.watching.models import Call, Pass
from trainwright.watching.places import Place

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

STRONG = 0.9
"""A dropout that leaves a tenth or less."""
_DROPOUTS = nn.modules.dropout._DropoutNd
_BATCH_NORMS = nn.modules.batchnorm._BatchNorm
_ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.ELU, nn.Tanh, nn.Identity, nn.Flatten)


class StructureBooks:
    """Looks at the passes of the first step."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._last: Pass | None = None

    def passed(self, seen: Pass) -> None:
        """A model was called to learn from."""
        if self._tape.sightings.step > 0:
            return
        self._last = seen
        paths = {id(module): path for path, module in seen.root.named_modules()}
        self._dropouts(seen, paths)
        self._before_norms(seen, paths)

    def backward_begins(self, loss: torch.Tensor, roots: Iterable[nn.Module]) -> None:
        """The graph of the first losses is there: find linear layers with nothing in between."""
        if self._tape.sightings.step > 0:
            return
        weights: dict[str, torch.Tensor] = {}
        owners: dict[str, nn.Module] = {}
        for root in roots:
            for path, module in root.named_modules():
                for name, parameter in module.named_parameters(recurse=False):
                    full = f"{path}.{name}".lstrip(".")
                    full = full if full not in weights else f"{type(root).__name__}.{full}"
                    weights[full], owners[full] = parameter, module
        held = {id(part): key for key, owner in self._tape.gradients.owners.items() for part in owner.parameters()}
        pairs = [  # two networks, each with an optimizer of its own, are not one
            pair
            for pair in linear_pairs_behind(loss, weights)
            if held.get(id(weights[pair.first])) == held.get(id(weights[pair.second]))
        ]
        if pairs:
            first = pairs[0]
            facts = {
                "first": first.first,
                "second": first.second,
                "sizes": f"{first.inputs} to {first.between} to {first.outputs}",
                "pairs": len(pairs),
            }
            place = self._tape.origins.of_module(owners[first.second]) or self._called(owners[first.second])
            self._tape.sightings.note("linear-in-a-row", place, facts, count=1)

    def backward_ends(self) -> None:
        """What the pass held is no longer needed."""
        self._last = None

    def _dropouts(self, seen: Pass, paths: dict[int, str]) -> None:
        strong: dict[str, tuple[float, Call]] = {}
        for call in seen.calls:
            p = _share(call.module)
            if call.module.training and p >= STRONG:
                strong[paths.get(id(call.module), "")] = (p, call)
        if strong:
            path, (p, call) = max(strong.items(), key=lambda entry: entry[1][0])
            place = self._tape.origins.of_module(call.module) or call.place
            facts = {"module": path, "p": p, "layers": len(strong)}
            self._tape.sightings.note("dropout-strong", place, facts, count=1)

    def _before_norms(self, seen: Pass, paths: dict[int, str]) -> None:
        """Follow what dropout gives, through activations, into a batch norm.

        Behind a layer of weights there is nearly always one in the end: the check before training looks there, too.
        """
        behind: dict[int, Call] = {}  # id of a tensor -> the dropout it comes from
        found: list[tuple[Call, Call]] = []
        for call in seen.calls:
            if not (call.leaf and call.inputs and call.outputs):
                continue
            came = behind.get(id(call.inputs[0]))
            if isinstance(call.module, _BATCH_NORMS) and came is not None:
                found.append((came, call))
            elif isinstance(call.module, _DROPOUTS) and call.module.p > 0 and call.module.training:
                behind[id(call.outputs[0])] = call
            elif came is not None and isinstance(call.module, _ELEMENTWISE):
                behind[id(call.outputs[0])] = came
        if found:
            dropout, norm = found[0]
            names = [paths.get(id(call.module), "") for call in (dropout, norm)]
            facts = {"dropout": names[0], "norm": names[1], "places": len(found)}
            place = self._tape.origins.of_module(dropout.module) or dropout.place
            self._tape.sightings.note("dropout-before-norm", place, facts, count=1)

    def _called(self, module: nn.Module) -> Place | None:
        calls = self._last.calls if self._last is not None else []
        return next((call.place for call in calls if call.module is module), None)


def _share(module: Any) -> float:
    """Return the share that a module drops of what passes through it, 0 where it drops nothing."""
    p = module.p if isinstance(module, _DROPOUTS) else 0.0
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        p = module.dropout
    return float(p) if isinstance(p, int | float) else 0.0
