"""Training and evaluation mode: what was on when a step was made, and what was on when nothing was to be learnt."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import nn

from trainwright.watching.models import Models, Pass, acts_differently
from trainwright.watching.places import Place
from trainwright.watching.sightings import Sightings

_FRUITLESS = 40  # times that passes without gradients are waited for, and do not come
_FRUITFUL = 24  # evaluations that are looked at
_FORWARDS = 8  # passes of each
_VALUES = 8  # of an input, by which it is known again


class ModeBooks:
    """Compares modes at steps and at evaluations."""

    def __init__(self, sightings: Sightings, models: Models) -> None:
        self._sightings = sightings
        self._models = models
        self._acting: dict[int, list[str]] = {}
        self._trained: set[int] = set()  # modules that made steps in training mode
        self._changed: weakref.WeakKeyDictionary[nn.Module, Place | None] = weakref.WeakKeyDictionary()
        self._waits = 0
        self._looks = 0
        self._forwards = 0
        self._inputs: list[Any] = []  # what the passes of this evaluation were given: identity, shape, a few values

    def changed(self, module: nn.Module, mode: bool, place: Place | None) -> None:
        """A module was put into training or evaluation mode."""
        if not mode:
            for part in (module, *module.children()):
                self._changed[part] = place
            self.await_evaluation()

    @property
    def curious(self) -> bool:
        """Whether another evaluation is of interest."""
        return self._waits < _FRUITLESS and self._looks < _FRUITFUL and not self._models.armed

    def await_evaluation(self) -> None:
        """Passes that teach nothing may follow: look at the first of them."""
        if self.curious:
            self._waits += 1
            self._forwards = 0
            self._inputs.clear()
            self._models.arm()

    def passed(self, seen: Pass) -> None:
        """A pass is over that no gradient was wanted of, or that ran in evaluation mode."""
        if seen.grad and seen.training:
            return
        if self._forwards == 0:
            self._looks += 1
            self._waits = 0
        self._forwards += 1
        if not seen.grad and seen.training and id(seen.root) in self._trained:
            acting = self._kinds(seen.root)
            fresh = _print(seen.arguments or tuple(seen.named.values()))
            if acting and fresh not in self._inputs:
                self._inputs.append(fresh)
                if len(self._inputs) > 1:  # one input again and again is a sampling of dropout's masks
                    facts = {"modules": ", ".join(acting)}
                    self._sightings.note("evaluating-in-training-mode", seen.place, facts)
        if self._forwards >= _FORWARDS:
            self._models.disarm()

    def stepping(self) -> None:
        """An optimizer is about to step on what the last passes taught."""
        for root in self._models.roots():
            acting = self._kinds(root)
            if not acting:
                continue
            if root.training:
                self._trained.add(id(root))
            elif not any(part.training for part in root.modules()):
                facts = {"modules": ", ".join(acting), "flipped": id(root) in self._trained}
                self._sightings.note("training-in-evaluation-mode", self._changed.get(root), facts)

    def _kinds(self, module: nn.Module) -> list[str]:
        known = self._acting.get(id(module))
        if known is None:
            known = self._acting[id(module)] = acts_differently(module)
        return known


def _print(values: tuple[Any, ...]) -> Any:
    """Return something by which the same inputs are known again.

    On the CPU a few values, since memory that one batch leaves the next one takes; nothing waits for a device.
    """
    return tuple(_of_tensor(value) if isinstance(value, torch.Tensor) else type(value) for value in values)


def _of_tensor(tensor: torch.Tensor) -> Any:
    if not tensor.is_cpu or tensor.layout is not torch.strided or tensor.numel() == 0:
        return tensor.data_ptr() if tensor.layout is torch.strided else 0, tuple(tensor.shape), tensor._version
    flat = tensor.detach().reshape(-1)
    return tuple(flat[:: max(1, len(flat) // _VALUES)][:_VALUES].tolist()), tuple(tensor.shape)
