"""What a step did to the weights: measured on a small sample of each tensor, so that no copy of the model is made."""

from __future__ import annotations

import statistics
from typing import Any

import torch

from trainwright.watching.delayed import Delayed
from trainwright.watching.owners import Owner
from trainwright.watching.rows import Row
from trainwright.watching.sightings import Sightings

_TENSORS = 32
_ELEMENTS = 2048  # of each tensor, evenly spread
_LOST = 0.9
"""Share of weights with a gradient that did not move at all: their updates are below the format's resolution."""


class Updates:
    """Looks at the weights before and after a step."""

    def __init__(self, sightings: Sightings, delayed: Delayed) -> None:
        self._sightings = sightings
        self._delayed = delayed
        self._before: dict[int, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = {}

    def before_step(self, owner: Owner) -> None:
        """Copy a few elements of the weights that are about to move, and of their gradients."""
        chosen = [part for part in owner.parameters() if part.grad is not None and not part.grad.is_sparse]
        stride = max(1, len(chosen) // _TENSORS)
        self._before[id(owner)] = [
            (part, _some(part).clone(), _some(part.grad)) for part in chosen[::stride] if part.grad is not None
        ]

    def after_step(self, owner: Owner, row: Row) -> None:
        """Compare, and write the ratio of update to weight into `row`."""
        kept = self._before.pop(id(owner), [])
        if not kept:
            return
        numbers: list[torch.Tensor] = []
        matrices: list[bool] = []
        for part, old, gradient in kept:
            new = _some(part)
            moved = new.ne(old)
            known = gradient.ne(0)
            numbers += [
                (new - old).float().norm(),
                old.float().norm(),
                moved.sum(),
                known.sum(),
                (known & ~moved).sum(),
            ]
            matrices.append(part.dim() >= 2)
        dtype = str(kept[0][0].dtype).replace("torch.", "")
        optimizer = owner.optimizer()
        rate = 0.0 if optimizer is None else max(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
        name, place = owner.name, owner.step_place

        def take(values: list[float]) -> None:
            rows = [values[start : start + 5] for start in range(0, len(values), 5)]
            ratios = [
                update / weight
                for (update, weight, *_), matrix in zip(rows, matrices, strict=True)
                if matrix and weight
            ]
            row.update_ratio = statistics.median(ratios) if ratios else None
            moved, known, still = (sum(row[column] for row in rows) for column in (2, 3, 4))
            self._sightings.chance("weights-unchanged")
            if known == 0:
                return
            facts: dict[str, Any] = {"optimizer": name, "rate": rate, "dtype": dtype, "share": still / known}
            if moved == 0:
                self._sightings.note("weights-unchanged", place, facts)
            elif still > _LOST * known:
                self._sightings.note("weights-mostly-unchanged", place, facts)

        self._delayed.read(numbers, take)


def _some(tensor: torch.Tensor) -> torch.Tensor:
    """Return a few elements of a tensor, evenly spread, without a copy."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // _ELEMENTS)]
