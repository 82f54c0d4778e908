"""Gradient scaling and half precision: what was scaled, what was divided again, what was skipped."""

from __future__ import annotations

from typing import Any

import torch

from trainwright.watching.owners import Owner
from trainwright.watching.places import Place, caller
from trainwright.watching.sightings import Sightings


class PrecisionBooks:
    """Follows a `GradScaler` through its steps."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self._scaled = False  # the last backward pass ran on a scaled loss
        self._divided: set[int] = set()  # optimizers whose gradients the scaler has divided since
        self._optimizer: int | None = None  # that the scaler is stepping
        self._stepped = False  # and that has really been stepped
        self._place: Place | None = None
        self.steps = 0
        self.skipped = 0

    def scales(self, scaler: Any) -> None:
        """A loss is being scaled."""
        if scaler.is_enabled():
            self._scaled = True

    def divides(self, optimizer: torch.optim.Optimizer) -> None:
        """The scaler has divided an optimizer's gradients."""
        self._divided.add(id(optimizer))

    def clipped(self, owners: list[Owner]) -> None:
        """Gradients were clipped."""
        for owner in owners:
            if self._scaled and owner.backwards and id(owner.optimizer()) not in self._divided:
                self._sightings.note("clipping-scaled-gradients", caller(), {"optimizer": owner.name})

    def step_begins(self, scaler: Any, optimizer: torch.optim.Optimizer) -> None:
        """The scaler is asked to step an optimizer, and will not where a gradient is not finite."""
        self._optimizer = id(optimizer) if scaler.is_enabled() else None
        self._stepped, self._place = False, self._place or caller()

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer is being stepped."""
        if self._optimizer == id(optimizer):
            self._stepped = True

    def step_ends(self) -> bool:
        """The scaler has finished; say whether it skipped the step."""
        if self._optimizer is None:
            return False
        self._optimizer = None
        self.steps += 1
        self._sightings.chance("scaler-skipped")
        if self._stepped:
            return False
        self.skipped += 1
        self._sightings.note(
            "scaler-skipped", self._place, {"skipped": self.skipped, "steps": self.steps}, count=self.skipped
        )
        return True

    def updates(self) -> None:
        """The scaler ends its round."""
        self._scaled = False
        self._divided.clear()
