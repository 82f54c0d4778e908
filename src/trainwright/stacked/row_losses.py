"""The loss of every row, from the outputs of all rows on one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.func import vmap

from trainwright.errors import TrainwrightError
from trainwright.stacked.member import Loss


class RowLosses:
    """`losses`, one for each row, on outputs `(K, N, ...)` and the targets that all rows share."""

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = list(losses)
        self._alike = all(loss is self.losses[0] or loss == self.losses[0] for loss in self.losses)

    def __call__(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the losses `(K,)`."""
        if self._alike:
            try:
                return vmap(self.losses[0], in_dims=(0, None))(outputs, y)
            except TrainwrightError:
                raise
            except Exception:  # whatever vmap cannot do, each row can do for itself
                self._alike = False
        return torch.stack([loss(row, y) for loss, row in zip(self.losses, outputs.unbind(), strict=True)])
