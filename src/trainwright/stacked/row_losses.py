"""The loss of every row, from the outputs of all rows on one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from trainwright.errors import TrainwrightError
from trainwright.parts.loss_classes import CrossEntropy
from trainwright.parts.loss_functions import SquaredError
from trainwright.parts.loss_shapes import IGNORED
from trainwright.stacked.member import Loss

_Written = Callable[[torch.Tensor, torch.Tensor], torch.Tensor | None]


class RowLosses:
    """`losses`, one for each row, on outputs `(K, N, ...)` and the targets that all rows share.

    Cross entropy and squared errors are written out for all rows; other losses go through vmap where all rows have the
    same one and vmap can compute it, else each row computes its own.
    """

    def __init__(self, losses: Sequence[Loss]) -> None:
        self.losses = list(losses)
        self._written = _written(self.losses)
        self._alike = all(loss is self.losses[0] or loss == self.losses[0] for loss in self.losses)
        self._checked = False

    def __call__(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the losses `(K,)`."""
        if self._written is not None:
            if not self._checked:  # a loss refuses what cannot be right: it is asked once
                with torch.no_grad():
                    self.losses[0](outputs[0], y)
                self._checked = True
            found = self._written(outputs, y)
            if found is not None:
                return found
        if self._alike:
            try:
                return vmap(self.losses[0], in_dims=(0, None))(outputs, y)
            except TrainwrightError:
                raise
            except Exception:  # whatever vmap cannot do, each row can do for itself
                self._alike = False
        return torch.stack([loss(row, y) for loss, row in zip(self.losses, outputs.unbind(), strict=True)])


def _written(losses: Sequence[Loss]) -> _Written | None:
    """Return the loss of all rows at once, which gives None for shapes that it does not take."""
    smoothings = [_smoothing(loss) for loss in losses]
    known = [smoothing for smoothing in smoothings if smoothing is not None]
    if len(known) == len(losses):
        return lambda outputs, y: _cross_entropy(outputs, y, known)
    if all(map(_is_squared_error, losses)):
        return _squared_error
    return None


def _smoothing(loss: Any) -> float | None:
    """Return the label smoothing of a cross entropy without weights; None for every other loss."""
    if loss is F.cross_entropy:
        return 0.0
    if type(loss) is CrossEntropy:
        return None if loss.weights else float(loss.label_smoothing)
    if type(loss) is nn.CrossEntropyLoss and loss.weight is None and loss.reduction == "mean":
        return float(loss.label_smoothing) if loss.ignore_index == IGNORED else None
    return None


def _is_squared_error(loss: Any) -> bool:
    return loss is F.mse_loss or type(loss) is SquaredError or (type(loss) is nn.MSELoss and loss.reduction == "mean")


def _cross_entropy(outputs: torch.Tensor, y: torch.Tensor, smoothings: Sequence[float]) -> torch.Tensor | None:
    if outputs.dim() != 3 or y.dim() != 1 or y.is_floating_point() or outputs.dtype in _HALF:
        return None
    targets = y.long()
    # The classes second and in the memory's order of samples: torch's softmax over a short last axis takes seven times
    # as long as over one that whole vectors of samples lie behind.
    log_p = F.log_softmax(outputs.transpose(1, 2).contiguous(), 1)
    each = F.nll_loss(log_p, targets.expand(len(outputs), -1), ignore_index=IGNORED, reduction="none")
    if any(smoothings):
        share = torch.tensor(smoothings, dtype=each.dtype, device=each.device)[:, None]
        flat = torch.where(targets == IGNORED, 0.0, -log_p.mean(1))
        each = (1 - share) * each + share * flat
    return each.sum(1) / (targets != IGNORED).sum()


def _squared_error(outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor | None:
    if outputs.shape[1:] != y.shape or y.dtype != outputs.dtype or outputs.dtype in _HALF:
        return None
    return (outputs - y).square().flatten(1).mean(1)


_HALF = (torch.float16, torch.bfloat16)  # in which a sum over the rows' samples would be too coarse
