"""What a training weighs: all that one update hands to the next, copied, so that a run can go back to it.

A repair goes back to one in memory; a checkpoint holds one on disk (`state`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.parts.schedules import Plateau
from trainwright.tensors import copy_state
from trainwright.training import optimizer_state

if TYPE_CHECKING:
    from trainwright.training.loop import Training


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """The state before step `step`, when so many updates had been `performed`.

    `unsaved` holds the buffers that a model does not count to its state (`persistent=False`). Random numbers need no
    place here: they are a function of the seed and the step. Where a step left the schedule is no part of it either:
    time goes on, whatever the weights go back to.
    """

    step: int
    performed: int
    weights: Mapping[str, torch.Tensor]
    unsaved: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, Any]
    average: Any
    scaler: Mapping[str, Any]
    plateau: Plateau | None

    @classmethod
    def take(cls, training: Training, step: int) -> Snapshot:
        """Copy the state of `training` as it stands before `step`: as much memory as weights and optimizer hold."""
        weights = copy_state(training.model)
        return cls(
            step=step,
            performed=training.step.rates.performed,
            weights=weights,
            unsaved={name: value.clone() for name, value in training.model.named_buffers() if name not in weights},
            optimizer=optimizer_state.kept_of(training.step.optimizer, training.model),
            average=training.average.kept(),
            scaler=training.step.precision.scaler.state_dict(),
            plateau=training.step.rates.plateau,
        )

    def restore(self, training: Training) -> None:
        """Put the state back. It may be needed again: what goes on from here works on copies."""
        training.model.load_state_dict(self.weights)
        with torch.no_grad():
            for name, buffer in training.model.named_buffers():
                if name in self.unsaved:
                    buffer.copy_(self.unsaved[name])
        optimizer_state.put_back(training.step.optimizer, training.model, self.optimizer)
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

    def tree(self) -> dict[str, Any]:
        """Return the snapshot as plain values and tensors."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**plain, "plateau": None if self.plateau is None else asdict(self.plateau)}

    @classmethod
    def of(cls, tree: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot that gave `tree`."""
        plateau = tree["plateau"]
        return cls(**{**tree, "plateau": None if plateau is None else Plateau(**plateau)})
