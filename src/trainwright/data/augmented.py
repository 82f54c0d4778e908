"""The form of an augmentation, and what is asked of its answer."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trainwright.errors import DataError

Batch = tuple[torch.Tensor, torch.Tensor]
"""Inputs `(n, ...)` and targets `(n, ...)`."""
Augment = Callable[..., Batch]
"""`augment(x, y, *, epoch: int, indices: Tensor) -> (x, y)`: a pure function of its arguments and its own seed.

`indices`, int64 `(n,)`, on the CPU, tell the samples of an epoch apart. What happens to a sample must follow from its
index and the epoch alone, so that it is the same in whatever batch it comes.
"""


def augmented(augment: Augment, batch: Batch, epoch: int, indices: torch.Tensor) -> Batch:
    """Return the augmented batch. Raises `DataError` where the answer is no batch of as many samples."""
    answer = augment(*batch, epoch=epoch, indices=indices)
    tensors = isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, torch.Tensor) for part in answer)
    if not tensors or any(part.ndim == 0 or len(part) != len(indices) for part in answer):
        shapes = (
            [tuple(part.shape) if isinstance(part, torch.Tensor) else type(part).__name__ for part in answer]
            if (isinstance(answer, tuple))
            else type(answer).__name__
        )
        raise DataError(
            "an augmentation must return a pair (x, y) with as many samples as it was given",
            evidence=f"for {len(indices)} samples it gave {shapes}",
            remedy="return (x, y), two tensors of the batch's length",
        )
    return answer
