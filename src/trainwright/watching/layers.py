"""Layer by layer, while training goes on: what the model's own passes show, with nothing computed twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn

from trainwright.records import LayerStats
from trainwright.tensors import global_norm
from trainwright.vitals.layers import measure_layer
from trainwright.vitals.passing import channels_first_after, unit_dimension
from trainwright.watching.models import Pass
from trainwright.watching.sightings import Sightings

_LOOKS = (0, 20, 70, 200)
_EVERY = 500
_SAMPLES = 256  # over which a unit must stay at zero to count as dead
_STEPS = 16  # that may be pooled for them


@dataclass(eq=False, slots=True)
class _Pool:
    stats: LayerStats
    alive: torch.Tensor
    samples: int


class LayerBooks:
    """Pools the passes of a few steps in a row, until enough samples went through."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self.records: list[LayerStats] = []
        self._pools: dict[str, _Pool] = {}
        self._began: int | None = 0
        self._norms: dict[str, tuple[float, float]] = {}

    def wants(self, step: int) -> bool:
        """Say whether the layers are looked at in `step`."""
        if self._began is not None:
            return True
        if step in _LOOKS or (step > 0 and step % _EVERY == 0):
            self._began = step
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
            channels_first = channels_first_after(call.module, channels_first)
            output = call.outputs[0].detach() if call.outputs else None
            path = paths.get(id(call.module), "")
            if not call.leaf or output is None or not output.is_floating_point() or output.dim() < 2:
                continue
            if output.numel() == 0:
                continue
            units = unit_dimension(output, channels_first)
            others = tuple(dimension for dimension in range(output.dim()) if dimension != units)
            alive = (output != 0).any(dim=others)
            known = self._pools.get(path)
            if known is None:
                stats = measure_layer(path, call.module, output, self._began or 0, channels_first)
                self._pools[path] = _Pool(stats, alive, len(output))
            elif known.alive.shape == alive.shape:
                known.alive |= alive
                known.samples += len(output)

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
            for pool in self._pools.values():
                dead = 1.0 - float(pool.alive.double().mean())
                self.records.append(replace(pool.stats, dead_fraction=dead, samples=pool.samples))
            self._pools.clear()
            self._began = None
