"""A run's state in memory: all that one step hands to the next, so that a run can go back to it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.parts.schedules import Plateau
from trainwright.tensors import copy_state

if TYPE_CHECKING:
    from trainwright.training.loop import Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """The state before step `step`, when so many updates had been `performed`.

    Random numbers need no place here: they are a function of the seed and the step. Where a step left the schedule is
    no part of it either: time goes on, whatever the weights go back to.
    """

    step: int
    performed: int
    weights: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, Any]
    average: Any
    scaler: Mapping[str, Any]
    plateau: Plateau | None

    @classmethod
    def take(cls, training: Training, step: int) -> Snapshot:
        """Copy the state of `training` as it stands before `step`: as much memory as weights and optimizer hold."""
        return cls(
            step=step,
            performed=training.step.rates.performed,
            weights=copy_state(training.model),
            optimizer=copy.deepcopy(training.step.optimizer.state_dict()),
            average=training.average.kept(),
            scaler=training.step.precision.scaler.state_dict(),
            plateau=training.step.rates.plateau,
        )

    def restore(self, training: Training) -> None:
        """Put the state back. It may be needed again: what goes on from here works on copies."""
        training.model.load_state_dict(self.weights)
        training.step.optimizer.load_state_dict(copy.deepcopy(dict(self.optimizer)))
        training.average.put_back(self.average)
        training.step.precision.scaler.load_state_dict(dict(self.scaler))
        training.step.rates.plateau = self.plateau

    def mend_buffers(self, model: nn.Module) -> list[str]:
        """Put back the buffers of `model` that a batch left with values that are no numbers; return their names."""
        mended = []
        for name, value in model.state_dict().items():
            if name in self.weights and value.is_floating_point() and not bool(torch.isfinite(value).all()):
                value.copy_(self.weights[name])
                mended.append(name)
        return mended
