"""Layer by layer, while training goes on: what the model's own passes show, with nothing computed twice.

Modules are seen by their calls; activations that are called as functions, inside of a model or outside of all, are read
from the graph of the loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from trainwright.records import LayerStats
from trainwright.tensors import global_norm
from trainwright.vitals.layers import measure_layer
from trainwright.vitals.output_graph import name_of
from trainwright.vitals.passing import channels_first_after, unit_dimension
from trainwright.vitals.signal import FLAT, MOSTLY
from trainwright.watching.graphs import nodes
from trainwright.watching.models import Call, Pass
from trainwright.watching.places import Place, location, making_line
from trainwright.watching.sightings import Sightings

_LOOKS = (0, 20, 70, 200)
_EVERY = 500
_SAMPLES = 256  # over which a unit must stay at zero to count as dead
_STEPS = 16  # that may be pooled for them
_RELUS = (nn.ReLU, nn.ReLU6)
_FUNCTIONS: dict[str, type[nn.Module]] = {"Relu": nn.ReLU, "Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh}


@dataclass(eq=False, slots=True)
class _Pool:
    """What one layer gave in the passes of a look; of activations unit by unit."""

    stats: LayerStats
    dimensions: tuple[int, ...]  # all but that of the units
    lowest: torch.Tensor | None = None  # of each unit of a ReLU, over all samples
    highest: torch.Tensor | None = None
    flat: torch.Tensor | None = None  # share of samples for which a sigmoid or tanh is flat, summed over passes
    samples: int = 0
    passes: int = 0


class LayerBooks:
    """Pools the passes of a few steps in a row, until enough samples went through."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self.records: list[LayerStats] = []
        self._pools: dict[str, _Pool] = {}
        self._began: int | None = 0
        self._next = _LOOKS[1]  # the step of the next look; one that was too dear is made up for
        self._calls: list[tuple[str, Call]] = []  # since the last backward pass
        self._places: dict[str, Place | None] = {}  # of functions, known from the first pass alone

    @property
    def looking(self) -> bool:
        """Whether a look is under way, which takes further steps."""
        return self._began is not None

    def due(self, step: int) -> bool:
        """Say whether a look is under way, or one is to begin at `step`."""
        return self._began is not None or step >= self._next

    def wants(self, step: int) -> bool:
        """Say whether the layers are looked at in `step`."""
        if self._began is not None:
            return True
        if step >= self._next:
            self._began = step
            self._next = next((look for look in _LOOKS if look > step), (step // _EVERY + 1) * _EVERY)
            self._pools.clear()
            return True
        return False

    def passed(self, seen: Pass, step: int) -> None:
        """A model was called to learn from."""
        if not self.wants(step):
            return
        paths = {id(module): path for path, module in seen.root.named_modules()}
        channels_first = True
        for call in seen.calls:
            path = paths.get(id(call.module), "")
            self._calls.append((path, call))
            channels_first = channels_first_after(call.module, channels_first)
            if call.leaf and call.outputs:
                self._add(path, call.module, call.outputs[0].detach(), channels_first, call.place)

    def backward_begins(self, loss: torch.Tensor) -> None:
        """Look, in the graph of a loss, for activations that no module stands for."""
        calls, self._calls = self._calls, []
        if self._began is None:
            return
        counts: dict[str, int] = {}
        for node in _activations(loss, [call for _, call in calls]):
            kind = _FUNCTIONS[name_of(node)]
            inside = _innermost(node, calls)
            path = f"{inside[0] if inside else ''}.{kind.__name__.lower()}".lstrip(".")
            counts[path] = counts.get(path, 0) + 1
            path = f"{path}({counts[path]})"
            output = _result(node)
            if output is None:
                continue
            if path not in self._places:
                self._places[path] = making_line(node) or (inside[1].place if inside else None)
            before = inside[1].inputs[0].dim() >= 4 if inside and inside[1].inputs else False
            self._add(path, kind(), output, before, self._places[path])

    def before_step(self, roots: Iterable[nn.Module], step: int) -> None:
        """The gradients are there: add their norms, and close the look where enough samples were seen."""
        if self._began is None or not self._pools:
            return
        if step == self._began:
            for root in roots:
                for path, module in root.named_modules():
                    own = [part for part in module.parameters(recurse=False) if part.grad is not None]
                    known = self._pools.get(path)
                    if known is not None and own:
                        gradients = [part.grad for part in own if part.grad is not None and not part.grad.is_sparse]
                        norm = float(global_norm(gradients)) if gradients else None  # syncs a device, rarely
                        known.stats = replace(known.stats, gradient_norm=norm)
        enough = all(pool.samples >= _SAMPLES for pool in self._pools.values())
        if enough or step - self._began >= _STEPS:
            self.records += [_closed(pool) for pool in self._pools.values()]
            self._pools.clear()
            self._began = None

    def _add(
        self, path: str, module: nn.Module, output: torch.Tensor, channels_first: bool, place: Place | None
    ) -> None:
        if not output.is_floating_point() or output.dim() < 2 or output.numel() == 0:
            return
        pool = self._pools.get(path)
        if pool is None:
            units = unit_dimension(output, channels_first)
            others = tuple(dimension for dimension in range(output.dim()) if dimension != units)
            stats = measure_layer(path, module, output, self._began or 0, channels_first)
            pool = self._pools[path] = _Pool(replace(stats, where=location(place)), others)
        elif output.dim() != len(pool.dimensions) + 1:
            return
        if isinstance(module, _RELUS):
            low, high = torch.aminmax(output, dim=0) if output.dim() == 2 else _extremes(output, pool.dimensions)
            if pool.lowest is None or pool.highest is None:
                pool.lowest, pool.highest = low, high
            elif pool.lowest.shape == low.shape:
                torch.minimum(pool.lowest, low, out=pool.lowest)
                torch.maximum(pool.highest, high, out=pool.highest)
        elif isinstance(module, nn.Sigmoid | nn.Tanh):
            flat = _flat(module, output).float().mean(dim=pool.dimensions)
            if pool.flat is None:
                pool.flat = flat
            elif pool.flat.shape == flat.shape:
                pool.flat += flat
        pool.samples += len(output)
        pool.passes += 1


def _extremes(output: torch.Tensor, dimensions: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    return output.amin(dim=dimensions), output.amax(dim=dimensions)


def _closed(pool: _Pool) -> LayerStats:
    """Return the statistics of a look. One transfer for each activation: on a device it waits, rarely."""
    stats = replace(pool.stats, samples=pool.samples)
    if pool.lowest is not None and pool.highest is not None:
        dead, on = torch.stack([(pool.highest == 0).double().mean(), (pool.lowest > 0).double().mean()]).tolist()
        return replace(stats, dead_fraction=dead, on_fraction=on)
    if pool.flat is not None:
        shares = (pool.flat / pool.passes).double()
        units, share = torch.stack([(shares >= MOSTLY).double().mean(), shares.mean()]).tolist()
        return replace(stats, flat_fraction=units, flat_share=share)
    return stats


def _flat(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    """Say where an activation has next to no slope."""
    slope = 4 * output * (1 - output) if isinstance(module, nn.Sigmoid) else 1 - output.square()
    return slope < FLAT


def _activations(loss: torch.Tensor, calls: list[Call]) -> Iterator[Any]:
    """Yield the nodes of activations behind a loss in the order in which they were computed.

    Left out are those that a module gave, those inside of a recurrent layer, and sigmoids and tanhs whose result is
    only multiplied with something: gates.
    """
    known = {output.grad_fn for call in calls if call.leaf for output in call.outputs if output.grad_fn is not None}
    recurrent = [(call.began, call.ended) for call in calls if isinstance(call.module, nn.RNNBase | nn.RNNCellBase)]
    found, gates, uses = [], {}, {}
    for node in nodes(loss):
        if name_of(node) in _FUNCTIONS and node not in known:
            found.append(node)
        multiplies = name_of(node) == "Mul"
        for before, _ in node.next_functions:
            if before is not None:
                uses[before] = uses.get(before, 0) + 1
                gates[before] = gates.get(before, 0) + multiplies
    for node in sorted(found, key=lambda node: node._sequence_nr()):
        gate = name_of(node) != "Relu" and 0 < uses.get(node, 0) == gates.get(node, 0)
        if not gate and not any(began <= node._sequence_nr() < ended for began, ended in recurrent):
            yield node


def _innermost(node: Any, calls: list[tuple[str, Call]]) -> tuple[str, Call] | None:
    """Return the innermost call in which a node was made, with the path of its module."""
    number = node._sequence_nr()
    inside = [(path, call) for path, call in calls if call.began <= number < call.ended]
    return min(inside, key=lambda entry: entry[1].ended - entry[1].began, default=None)


def _result(node: Any) -> torch.Tensor | None:
    try:
        return node._saved_result.detach()
    except RuntimeError:  # changed in place since, or let go already
        return None
