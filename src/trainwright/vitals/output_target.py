"""The targets as they enter a loss: their form, their range, and what they hint at of how they were made."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from trainwright.records.loss_call import LossTarget

Padding = Sequence[int]
_SAMPLES = 200_000  # values that shares are taken over
_BYTES = 255
_TOLERANCE = 1e-3  # of the bound, or of 1: how far beyond a bound a target still counts as on it


def paddings(model: nn.Module) -> Padding:
    """Return the padding ids of the model's embeddings."""
    ids = [
        module.padding_idx
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None
    ]
    return tuple(dict.fromkeys(ids))


def target_facts(
    target: torch.Tensor,
    given: torch.Tensor,
    y: torch.Tensor,
    rest: torch.Tensor,
    *,
    ignored: int | None,
    reach: tuple[float | None, float | None],
    padding: Padding = (),
) -> LossTarget:
    """Measure the target of one call beside the input `given`.

    Where it holds the values of `y` unchanged, `rest`, the targets of further samples, is measured with it.
    """
    shape, floating = tuple(target.shape), target.is_floating_point()
    plain = target.dtype != torch.bool
    target = target if plain else target.to(torch.uint8)
    parts = [target.reshape(-1)]
    if len(rest) and rest.dim() and target.numel() == y.numel() and _equal(target, y):
        parts.append(rest.reshape(-1).to(target.dtype))
    if ignored is not None:  # widened first: as a byte, 156 would equal -100
        parts = [part[part.long() != ignored] for part in parts]
    counted = sum(part.numel() for part in parts)
    total = target.numel() + (rest.numel() if len(parts) > 1 else 0)
    pad, share = _padding(target, ignored, padding)
    if counted == 0:
        return LossTarget(shape=shape, floating=floating, total=total, ignored=ignored)
    ends = [float(end) for part in parts if part.numel() for end in part.aminmax()]
    some = torch.cat([_some(part) for part in parts]).double()
    fewest, most, error = _rows(target, given)
    return LossTarget(
        shape=shape,
        floating=floating,
        total=total,
        counted=counted,
        ignored=ignored,
        minimum=min(ends),
        maximum=max(ends),
        whole=not floating or bool((some == some.round()).all()),
        outside=_outside(some, reach),
        below_half=float((some < 0.5).double().mean()),
        byte_scaled=floating and _byte_scaled(some),
        fewest=fewest,
        most=most,
        row_sum_error=error,
        padding=share,
        padding_id=pad,
    )


def _equal(target: torch.Tensor, y: torch.Tensor) -> bool:
    return not y.is_complex() and bool((target.reshape(-1) == y.reshape(-1).to(target.device)).all())


def _some(values: torch.Tensor) -> torch.Tensor:
    return values[:: max(1, values.numel() // _SAMPLES)]


def _outside(values: torch.Tensor, reach: tuple[float | None, float | None]) -> float:
    low, high = reach
    beyond = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    if low is not None:
        beyond |= values < low - _TOLERANCE * max(1.0, abs(low))
    if high is not None:
        beyond |= values > high + _TOLERANCE * max(1.0, abs(high))
    return float(beyond.double().mean())


def _byte_scaled(values: torch.Tensor) -> bool:
    """Say whether all values are some whole number over 255, and not all are whole."""
    scaled = values * _BYTES
    return bool(((scaled - scaled.round()).abs() < 1e-4).all()) and not bool((values == values.round()).all())


def _rows(target: torch.Tensor, given: torch.Tensor) -> tuple[int | None, int | None, float | None]:
    """Return, for targets with a column for each class, the fewest and most ones in a row, and the row-sum error."""
    if target.shape != given.shape or target.dim() < 2 or target.shape[1] < 2:
        return None, None, None
    values = target.double()
    sums = values.sum(1)
    error = float((sums - 1).abs().max()) if bool(((values >= 0) & (values <= 1)).all()) else None
    if not bool(((values == 0) | (values == 1)).all()):
        return None, None, error
    return int(sums.min()), int(sums.max()), error


def _padding(target: torch.Tensor, ignored: int | None, padding: Padding) -> tuple[int | None, float | None]:
    """Return the padding id that ends, or begins, the rows of a target `(N, L)`, and its share; None without one."""
    if ignored is None or target.dim() != 2 or target.shape[1] < 2:
        return None, None
    for pad in padding:
        there = target == pad
        run = there.flip(1).cummin(1).values.flip(1), there.cummin(1).values
        # Padding alone fills the end (or the beginning) of rows: the id occurs nowhere else, and not in all of a row.
        if pad != ignored and bool(there.any()) and any(bool((part == there).all()) for part in run):
            return pad, float(there.double().mean())
    return None, None
