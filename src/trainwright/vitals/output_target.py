"""The targets as they enter a loss: their form, their range, and what they hint at of how they were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from trainwright.records.loss_call import LossTarget

Padding = Sequence[int]
_SAMPLES = 200_000  # values that shares are taken over
_BYTES = 255
_PADDED = 3  # rows that end alike, and in nothing that occurs elsewhere: fewer might by chance
_TOLERANCE = 1e-3  # of the bound, or of 1: how far beyond a bound a target still counts as on it


def paddings(model: nn.Module) -> Padding:
    """Return the padding ids of the model's embeddings."""
    ids = [
        module.padding_idx
        for module in model.modules()
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.padding_idx is not None
    ]
    return tuple(dict.fromkeys(ids))


def vocabularies(model: nn.Module) -> Iterator[int]:
    """Yield how many ids each of the model's embeddings has a row for."""
    for module in model.modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            yield module.num_embeddings


def target_facts(
    target: torch.Tensor,
    given: torch.Tensor,
    y: torch.Tensor,
    rest: torch.Tensor,
    *,
    ignored: int | None,
    reach: tuple[float | None, float | None],
    padding: Padding | None = (),
    tokens: torch.Tensor | None = None,
) -> LossTarget:
    """Measure the target of one call beside the input `given`.

    `padding` are the ids that the model takes for padding, None where padding is not looked for, and `tokens` the
    model's inputs, `(N, L)`, from whose rows the places of a flattened target are known.

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
    pad, share = _padding(target, ignored, padding, tokens)
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


def _padding(
    target: torch.Tensor, ignored: int | None, padding: Padding | None, tokens: torch.Tensor | None
) -> tuple[int | None, float | None]:
    """Return the padding id that ends, or begins, the rows of a target `(N, L)`, and its share; None without one.

    Padding alone fills the end (or the beginning) of rows: its id occurs nowhere else, and not in all of a row.
    """
    if ignored is None or padding is None:
        return None, None
    if target.dim() == 1 and _are_rows(tokens) and tokens is not None and target.numel() == tokens.numel():
        target = target.reshape(tokens.shape)
    if not _are_rows(target):
        return None, None
    for pad in padding:
        if pad != ignored and _fills_ends(target == pad):
            return pad, float((target == pad).double().mean())
    if tokens is None or tokens.shape != target.shape:
        return None, None
    for column in (-1, 0):  # an embedding need not be told which id is padding: then the inputs' own rows tell
        ids, counts = tokens[:, column].unique(return_counts=True)
        token = ids[counts.argmax()]
        there = (tokens == token).to(target.device)
        lengths = there.sum(1).unique()
        if int(counts.max()) < _PADDED or len(lengths) < 2 or not _fills_ends(there):
            continue  # of one length in all rows it is a mark of beginning or end
        pad = target[there][0]
        if int(pad) != ignored and bool(((target == pad) == there).all()):
            return int(pad), float(there.double().mean())
        if int(token) != ignored and _fills_ends(target == token):  # tokens that are moved on by one
            return int(token), float((target == token).double().mean())
    return None, None


def _are_rows(ids: torch.Tensor | None) -> bool:
    return ids is not None and ids.dim() == 2 and ids.shape[1] >= 2 and not ids.is_floating_point()


def _fills_ends(there: torch.Tensor) -> bool:
    """Say whether what is `there`, `(N, L)`, is nothing but the ends of rows, or their beginnings."""
    run = there.flip(1).cummin(1).values.flip(1), there.cummin(1).values
    return bool(there.any()) and any(bool((part == there).all()) for part in run)
