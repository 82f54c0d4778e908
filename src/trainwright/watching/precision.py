"""Gradient scaling and half precision: what was scaled, what was divided again, what was skipped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from trainwright.watching.models import Call
from trainwright.watching.owners import Owner
from trainwright.watching.places import Place, caller
from trainwright.watching.sightings import Sightings

_REDUCED = (nn.Linear, nn.modules.conv._ConvNd)
_HALVES = (torch.float16, torch.bfloat16)


class PrecisionBooks:
    """Follows a `GradScaler` through its steps."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings
        self.scaling = False  # a loss was scaled, ever
        self._scaled = False  # the last backward pass ran on a scaled loss
        self._divided: set[int] = set()  # optimizers whose gradients the scaler has divided since
        self._optimizer: int | None = None  # that the scaler is stepping
        self._stepped = False  # and that has really been stepped
        self._place: Place | None = None
        self.copies = False  # what is stepped are copies in float32 of weights in float16
        self.steps = 0
        self.skipped = 0
        self._autocast: tuple[str, Place | None] | None = None  # dtype and line of the first that is switched on
        self._refused: tuple[str, Place | None, str] | None = (
            None  # and the device of the first that torch switches off
        )
        self._computed = 0  # passes of layers that autocast would compute in fewer bits
        self._reduced = 0  # of them, those that were

    @property
    def unscaled_half(self) -> bool:
        """Whether gradients are computed in float16 while no scaler ever scaled a loss."""
        half = self.copies or (self._autocast is not None and self._autocast[0] == "float16")
        return half and not self.scaling

    def made(self, block: Any, device: str, *, asked: bool) -> None:
        """Autocast was asked for; torch switches it off where it has no such device."""
        if self._refused is None and asked and not getattr(block, "_enabled", False):
            self._refused = (_dtype(block), caller(), device)

    def entered(self, block: Any) -> None:
        """A block under autocast began."""
        if self._autocast is None and getattr(block, "_enabled", False):
            self._autocast = (_dtype(block), caller())

    def passed(self, calls: Iterable[Call]) -> None:
        """A model was called with gradients on."""
        for call in calls:
            if isinstance(call.module, _REDUCED) and call.outputs:
                self._computed += 1
                self._reduced += call.outputs[0].dtype in _HALVES

    def judged(self) -> None:
        """A few steps are over: say whether autocast did anything."""
        if self._autocast is not None and self._computed and not self._reduced:
            dtype, place = self._autocast
            self._sightings.note("autocast-without-effect", place, {"dtype": dtype}, count=self._computed)
        elif self._autocast is None and self._refused is not None and self._computed and not self._reduced:
            dtype, place, device = self._refused
            facts = {"dtype": dtype, "missing": device}
            self._sightings.note("autocast-without-effect", place, facts, count=self._computed)

    def scales(self, scaler: Any) -> None:
        """A loss is being scaled."""
        if scaler.is_enabled():
            self._scaled = self.scaling = True

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


def _dtype(block: Any) -> str:
    return str(getattr(block, "fast_dtype", "")).replace("torch.", "")
