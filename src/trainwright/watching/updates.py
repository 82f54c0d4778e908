"""What a step did to the weights: measured on a small sample of each tensor, so that no copy of the model is made."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch

from trainwright.doctor.loop_precision import MOST_UNCHANGED, STANDS, UNCHANGED
from trainwright.watching.delayed import Delayed
from trainwright.watching.owners import Owner
from trainwright.watching.rows import Row
from trainwright.watching.sightings import Sightings

_TENSORS = 32
_ELEMENTS = 2048  # of each tensor, evenly spread
_VANISHED = 0.05
"""Share of half-precision gradients that are left where nearly all are exactly zero: healthy ones leave a third."""


class Updates:
    """Looks at the weights before and after a step."""

    def __init__(self, sightings: Sightings, delayed: Delayed) -> None:
        self._sightings = sightings
        self._delayed = delayed
        self.half = False  # the model computes in float16, and no scaler is at work
        self.decay_to_gradient: dict[int, float] = {}  # by optimizer: the newest median over its weight matrices
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
        self._decay(owner, kept)
        old, gradients = [before for _, before, _ in kept], [gradient for *_, gradient in kept]
        new, matrices = [_some(part) for part, *_ in kept], [part.dim() >= 2 for part, *_ in kept]
        numbers = [*_norms(list(torch._foreach_sub(new, old))), *_norms(old)]
        count = len(numbers)
        devices = {part.device for part in new}  # one, but for a model that is spread over several
        for device in devices:
            there = [place for place, part in enumerate(new) if part.device == device]
            moved = torch.cat([new[place] for place in there]).ne(torch.cat([old[place] for place in there]))
            known = torch.cat([gradients[place] for place in there]).ne(0)
            numbers += [moved.sum(), known.sum(), (known & ~moved).sum()]
        dtype = str(kept[0][0].dtype).replace("torch.", "")
        end = len(numbers)
        if dtype in ("bfloat16", "float16"):
            numbers += [
                number for now, (part, *before) in zip(new, kept, strict=True) for number in _lost(part, now, *before)
            ]
        optimizer = owner.optimizer()
        rate = 0.0 if optimizer is None else max(float(group.get("lr", 0.0)) for group in optimizer.param_groups)
        name, place = owner.name, owner.step_place
        elements, loss = sum(part.numel() for part in old), row.loss

        def take(values: list[float]) -> None:
            pairs = zip(values[: count // 2], values[count // 2 : count], matrices, strict=True)
            ratios = [update / weight for update, weight, matrix in pairs if matrix and weight]
            row.update_ratio = statistics.median(ratios) if ratios else None
            moved, known, still = (sum(values[count + column : end : 3]) for column in range(3))
            worst = max(
                (lost / of for lost, of in zip(values[end::2], values[end + 1 :: 2], strict=True) if of), default=0.0
            )
            self._sightings.chance("weights-unchanged")
            if (self.half or dtype == "float16") and loss > 0 and known < _VANISHED * elements:
                facts = {"share": 1 - known / max(elements, 1), "dtype": "float16"}
                self._sightings.note("gradients-underflowed", place, facts)
            if known == 0:
                return
            facts: dict[str, Any] = {"optimizer": name, "rate": rate, "dtype": dtype, "share": still / known}
            if moved == 0:
                self._sightings.note("weights-unchanged", place, facts)
            elif still > UNCHANGED * known or (still > MOST_UNCHANGED * known and worst > STANDS):
                facts["worst"] = worst
                self._sightings.note("weights-mostly-unchanged", place, facts)

        self._delayed.read(numbers, take)

    def _decay(self, owner: Owner, kept: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
        """Measure how the pull of the weight decay compares with that of the loss."""
        optimizer = owner.optimizer()
        decay = 0.0 if optimizer is None else float(optimizer.param_groups[0].get("weight_decay") or 0.0)
        matrices = [(old, gradient) for part, old, gradient in kept if part.dim() >= 2]
        if decay == 0.0 or not matrices:
            return
        norms = _norms([old for old, _ in matrices]) + _norms([gradient for _, gradient in matrices])

        def take(values: list[float]) -> None:
            pairs = zip(values[: len(matrices)], values[len(matrices) :], strict=True)
            known = [decay * weight / pull for weight, pull in pairs if pull > 0]
            if known:
                self.decay_to_gradient[id(owner)] = statistics.median(known)

        self._delayed.read(norms, take)


def _lost(
    part: torch.Tensor, new: torch.Tensor, old: torch.Tensor, gradient: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how many elements of a matrix did not move though they have a gradient, and how many have one."""
    known = gradient.ne(0) & (part.dim() >= 2)
    return (known & new.eq(old)).sum(), known.sum()


def _norms(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return list(torch._foreach_norm([tensor.float() for tensor in tensors]))


def _some(tensor: torch.Tensor) -> torch.Tensor:
    """Return a few elements of a tensor, evenly spread, without a copy."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // _ELEMENTS)]
