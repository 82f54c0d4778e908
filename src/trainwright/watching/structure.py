"""How a model is put together, as its first passes show it: dropout, and linear layers in a row. All of it exact."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.vitals.linear_pairs import layers_in_a_row, linear_layers, linear_pairs_behind
from trainwright.watching.models import Call, Pass
from trainwright.watching.places import Place

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_LAYERS = 3  # layers one behind the other, with sums around them, that no factorisation of a matrix has
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
        self._model: Pass | None = None  # the same, where it is no loss that is a module

    def passed(self, seen: Pass) -> None:
        """A model was called to learn from."""
        if self._tape.sightings.step > 0:
            return
        self._last = seen
        if isinstance(seen.output, torch.Tensor) and next(seen.root.parameters(), None) is not None:
            self._model = seen
        paths = {id(module): path for path, module in seen.root.named_modules()}
        self._dropouts(seen, paths)
        self._before_norms(seen, paths)

    def backward_begins(self, loss: torch.Tensor, roots: Iterable[nn.Module]) -> None:
        """The graph of the first losses is there: find linear layers with nothing in between."""
        if self._tape.sightings.step > 0:
            return
        weights: dict[str, torch.Tensor] = {}
        owners: dict[str, nn.Module] = {}
        roots = list(roots)
        nets = [{id(part) for part in root.parameters()} for root in roots if next(root.children(), None) is not None]
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
            and not _meet(nets, weights[pair.first], weights[pair.second])
        ]
        if not pairs and self._model is not None:
            self._throughout(self._model.output, weights, owners)
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

    def _throughout(self, output: torch.Tensor, weights: dict[str, torch.Tensor], owners: dict[str, nn.Module]) -> None:
        """Note a model of several layers whose output is linear in its input, by way of sums around its layers too."""
        names = {id(weight): name for name, weight in weights.items()}
        found = linear_layers(output, names)
        if found is None or layers_in_a_row(output, names) < _LAYERS:
            return  # a sum of several layers beside one another is a linear model that is meant
        if not all(bool(weights[name].any()) for name in found):
            return
        inputs, outputs = min(weights[name].shape[1] for name in found), weights[found[0]].shape[0]
        if any(weights[name].shape[0] < min(inputs, outputs) for name in found[1:]):
            return  # a bottleneck: it is there to be narrow
        facts = {"layers": len(found), "first": found[-1], "last": found[0]}
        middle = owners[found[len(found) // 2]]
        place = self._called(middle) or self._tape.origins.of_module(middle)
        self._tape.sightings.note("linear-throughout", place, facts, count=1)

    def backward_ends(self) -> None:
        """What the pass held is no longer needed."""
        self._last = self._model = None

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
        calls = [call for seen in (self._model, self._last) if seen is not None for call in seen.calls]
        return next((call.place for call in calls if call.module is module), None)


def _meet(nets: list[set[int]], first: torch.Tensor, second: torch.Tensor) -> bool:
    """Say whether two weights are of two networks, each called by itself: what the first gives is wanted for itself."""
    its = [id(first) in net for net in nets]
    other = [id(second) in net for net in nets]
    return any(its) and any(other) and not any(one and two for one, two in zip(its, other, strict=True))


def _share(module: Any) -> float:
    """Return the share that a module drops of what passes through it, 0 where it drops nothing."""
    p = module.p if isinstance(module, _DROPOUTS) else 0.0
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        p = module.dropout
    return float(p) if isinstance(p, int | float) else 0.0
