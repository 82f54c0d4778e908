"""What one step did, as its caller sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

Batch = tuple[torch.Tensor, torch.Tensor]
Refused = Literal["loss", "gradient"] | None
"""What of a step was not finite, so that no update was made."""


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What a step did: its loss, its penalty, and the norm of its gradient before and after clipping.

    `refused` says why no update was made: the loss or the gradient was not finite, and would have ruined the weights;
    `batch` is then the place, within the step, of the batch that showed it. `skipped` says that float16 overflowed
    under its scale, which is no fault: the next step goes on with a lower one.
    """

    loss: float
    rate: float
    penalty: float | None = None
    gradient_norm: float | None = None
    clipped_norm: float | None = None
    clipped: bool = False
    skipped: bool = False
    refused: Refused = None
    batch: int = 0


class NotFinite(Exception):
    """The loss of one of a step's batches is no number."""

    def __init__(self, loss: float, batch: int) -> None:
        super().__init__()
        self.loss = loss
        self.batch = batch
