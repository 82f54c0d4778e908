"""Keeps what is frozen still, frees what is to learn later, and proves bit by bit that nothing frozen has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from trainwright.parts.freezing import FOREVER, Freezing
from trainwright.tensors import digest


class Stillness:
    """Holds the parts of `model` that `freezing` names for a run of `planned_steps`.

    A function of the step alone: a run that goes on from a checkpoint holds what it held. Nothing is held before the
    first call of `before`, so that checks may look at the model as it will be.
    """

    def __init__(self, model: nn.Module, freezing: Freezing, *, planned_steps: int) -> None:
        self.freezing = freezing
        self._parameters = dict(model.named_parameters())
        self._modules = dict(model.named_modules())
        self._first = {until: _first_step(until, planned_steps) for until in (*freezing.parameters.values(),
                       *freezing.modules.values())}  # fmt: skip
        self._modes = {path: self._modules[path].training for path in freezing.modules}
        self._in_training = model.training
        self._root = model
        self._step = -1
        self._seen: dict[str, str] = {}

    def before(self, step: int) -> None:
        """Bring gradients and modes to what they are to be in `step`, whatever `train()` was called since the last."""
        for path, until in self.freezing.modules.items():
            module = self._modules[path]
            if module.training is not (step >= self._first[until]):
                module.training = not module.training
        changed = self._step < 0 or any(self._step < first <= step for first in self._first.values())
        if changed:
            for name, until in self.freezing.parameters.items():
                parameter, learns = self._parameters[name], step >= self._first[until]
                parameter.requires_grad_(learns and self.freezing.gradients[name])
                if not learns:
                    parameter.grad = None  # a gradient nobody clears would move it through any optimizer
            held = self._tensors(step)
            if self._step < 0:
                self._seen = {name: digest({"": tensor}) for name, tensor in held.items()}
            self._seen = {name: was for name, was in self._seen.items() if name in held}
        self._step = step

    def frozen(self, step: int) -> list[str]:
        """Return the names of the parameters that are frozen in `step`."""
        return [name for name, until in self.freezing.parameters.items() if step < self._first[until]]

    def moved(self) -> list[str]:
        """Return the names of the frozen weights and statistics that are not, bit by bit, what they were; exact.

        They are compared by their SHA-256: what is frozen may be large, and is not kept twice.
        """
        held = self._tensors(self._step)
        return [name for name, was in self._seen.items() if digest({"": held[name]}) != was]

    def kept(self) -> dict[str, Any]:
        """Return what a checkpoint needs: what everything that is held was at first, and when what is freed is free."""
        return {"seen": dict(self._seen), "first": [list(pair) for pair in self._first.items()]}

    def put_back(self, kept: Mapping[str, Any], step: int) -> None:
        """Go on from what `kept` returned, before `step`. What learns already goes on to, however long the run is."""
        self._first |= {until: first for until, first in kept["first"] if first < step}
        self.before(max(0, step - 1))  # modes and gradients are still those of the step that was made
        self._seen = dict(kept["seen"])

    @property
    def held(self) -> int:
        """How many weights and statistics are held now."""
        return len(self._seen)

    def release(self) -> None:
        """Give gradients and modes back as they were: the model is the caller's again."""
        give_back_gradients(self._root, self.freezing)
        for path, mode in self._modes.items():
            self._modules[path].training = mode if self._in_training else self._root.training

    def _tensors(self, step: int) -> dict[str, torch.Tensor]:
        """Return what is held in `step`: frozen weights, and the buffers of the modules in evaluation mode."""
        tensors: dict[str, torch.Tensor] = {name: self._parameters[name] for name in self.frozen(step)}
        for path, until in self.freezing.modules.items():
            if step < self._first[until]:
                tensors |= {f"{path}.{name}": one for name, one in self._modules[path].named_buffers(recurse=False)}
        return tensors


def _first_step(until: float, planned_steps: int) -> float:
    """Return the first step (from 0) at which what is frozen until that fraction of the run learns."""
    return FOREVER if until == FOREVER else round(until * planned_steps)


def give_back_gradients(model: nn.Module, freezing: Freezing) -> None:
    """Let each parameter take gradients again that did before it was frozen."""
    parameters = dict(model.named_parameters())
    for name, took in freezing.gradients.items():
        parameters[name].requires_grad_(took)


def without_gradients(model: nn.Module, freezing: Freezing) -> None:
    """Take the gradients off what never learns: for members of an array, and for checks before a run."""
    for name, parameter in model.named_parameters():
        if name in freezing.always:
            parameter.requires_grad_(False)
            parameter.grad = None


def hold_modes(model: nn.Module, freezing: Freezing) -> None:
    """Put the modules that never learn into evaluation mode."""
    for path, until in freezing.modules.items():
        if until == FOREVER:
            model.get_submodule(path).training = False
