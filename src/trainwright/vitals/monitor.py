"""Watches training steps from outside, on a schedule that starts dense and backs off, and changes nothing.

The step itself knows nothing of this: the monitor looks at the parameters before and after, and asks the model for
the loss of the same batch at other points along the update. Buffers and random state are put back.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from trainwright.randomness import isolated
from trainwright.records import LayerStats, StepProbe
from trainwright.tensors import buffers_restored
from trainwright.vitals.layers import layer_stats

LEVELS = ("off", "light", "full")

Batches = Sequence[tuple[torch.Tensor, torch.Tensor]]
Objective = Callable[[Batches, int], float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one sampled step showed."""

    update_ratio: float | None = None
    probe: StepProbe | None = None


class Monitor:
    """Takes a run's vital signs. `level`: "off" takes none, "light" samples ever more rarely, "full" every 10 steps.

    `objective(batches, step)` gives what a step minimises on its batches, under the step's own dropout masks, at the
    weights as they are.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        *,
        level: str = "light",
        reference: torch.Tensor | None = None,
    ) -> None:
        self.model = model
        self.objective = objective
        self.level = level
        self.reference = reference  # the samples that layers are measured on, the same each time

    def samples_step(self, step: int) -> bool:
        """Say whether the updates of `step` are measured."""
        if self.level == "off":
            return False
        return step < 4 or (step % 10 == 0 and (step <= 200 or step % 100 == 0 or self.level == "full"))

    def samples_layers(self, step: int) -> bool:
        """Say whether the layers are measured before `step`."""
        if self.level == "off" or self.reference is None:
            return False
        return step in (0, 50, 200) or (step > 0 and step % (500 if self.level == "light" else 100) == 0)

    def before(self, step: int) -> list[torch.Tensor] | None:
        """Return a copy of the trainable parameters where `step` is sampled, else None."""
        if not self.samples_step(step):
            return None
        return [parameter.detach().clone() for parameter in self._trainable()]

    def after(self, before: list[torch.Tensor] | None, step: int, batches: Batches, value: float) -> Measured:
        """Measure the update that `step` made from `before` on `batches`, whose objective was `value` there."""
        if before is None:
            return Measured()
        parameters = self._trainable()
        after = [parameter.detach().clone() for parameter in parameters]
        updates = [new - old for new, old in zip(after, before, strict=True)]
        ratios = [
            float(update.norm() / old.norm())  # syncs the device; sampled steps alone come here
            for update, old in zip(updates, before, strict=True)
            if old.dim() >= 2 and bool(old.any())
        ]
        same = self._value(step, batches)
        lowered = same < value
        try:
            further = self._value_at(parameters, before, updates, 10.0 if lowered else 0.1, step, batches)
        finally:
            with torch.no_grad():
                for parameter, new in zip(parameters, after, strict=True):
                    parameter.copy_(new)
        return Measured(
            update_ratio=statistics.median(ratios) if ratios else None,
            probe=StepProbe(
                before=value,
                same=same,
                tenth=None if lowered else further,
                tenfold=further if lowered else None,
            ),
        )

    def layers(self, step: int) -> tuple[LayerStats, ...]:
        """Measure the layers on the reference samples now."""
        if self.reference is None:
            return ()
        return layer_stats(self.model, self.reference, step)

    def _trainable(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _value_at(
        self,
        parameters: list[nn.Parameter],
        before: list[torch.Tensor],
        updates: list[torch.Tensor],
        multiple: float,
        step: int,
        batches: Batches,
    ) -> float:
        """Return the step's objective at `before` plus `multiple` times `updates`."""
        with torch.no_grad():
            for parameter, old, update in zip(parameters, before, updates, strict=True):
                parameter.copy_(old).add_(update, alpha=multiple)
        return self._value(step, batches)

    def _value(self, step: int, batches: Batches) -> float:
        """Return the step's objective at the weights as they are."""
        with torch.no_grad(), isolated(), buffers_restored(self.model):
            return self.objective(batches, step)
