"""Whether numbers from 0 up are ids of classes or steps of a scale: where the inputs of neighbouring numbers lie."""

from __future__ import annotations

import torch

from trainwright.randomness import generator

FEWEST_CLASSES, MOST_CLASSES = 3, 30
"""Of two there is but one order; and of many, a few hundred samples do not show where each lies."""
SAMPLES_PER_CLASS = 6
"""In each half of a class, at least half of these."""
TOLD_APART = 0.25
"""How far above chance the nearest class mean must be right, on samples that it was not made of, averaged over classes:
where the inputs do not tell the numbers apart, nothing is known of their order."""
_ORDERS = 500  # random ones: their mean length is known to 1 %
_FEATURES = 4096
_LEAST_EDGE = 16  # samples on borders, besides a tenth of all


def order_of_ids(x: torch.Tensor, y: torch.Tensor) -> float | None:
    """Return the length of the way through the class means of `x` by number, over that of a random way.

    Of a scale it is about 0.75 for three steps, and less for more: neighbours are alike. Of names of classes it is
    about 1. None where `y`, `(N,)` or `(N, 1)`, are no whole numbers from 0 without gaps, of each of which some samples
    are there; where the inputs `(N, ...)` do not tell them apart; and where they change along a curve, however wound:
    then the samples that lie closest to one of another number mostly have the number beside it.
    """
    if not x.is_floating_point() or x.dim() < 2 or y.is_complex() or y.numel() != len(x):
        return None
    values = y.detach().reshape(-1).double().cpu()
    rows = x.detach().reshape(len(x), -1).double().cpu()
    if rows.shape[1] > _FEATURES or not bool(torch.isfinite(rows).all()) or not bool((values == values.round()).all()):
        return None
    if float(values.min()) != 0 or not FEWEST_CLASSES <= float(values.max()) + 1 <= MOST_CLASSES:
        return None
    ids = values.long()
    counts = ids.bincount()
    if int(counts.min()) < SAMPLES_PER_CLASS:
        return None
    spread = rows.std(0)
    rows = (rows - rows.mean(0))[:, spread > 0] / spread[spread > 0]
    if rows.shape[1] == 0 or _right(rows, ids, len(counts)) - 1 / len(counts) < TOLD_APART:
        return None
    if _beside(rows, ids) > (1 + 2 / len(counts)) / 2:  # half way from chance, 2 / C, to all
        return None
    return _way(rows, ids, counts)


def _beside(rows: torch.Tensor, ids: torch.Tensor) -> float:
    """Return the share, of the samples on borders, whose nearest sample of another number has one beside theirs."""
    apart = torch.cdist(rows, rows)
    same = ids[:, None] == ids[None, :]
    other = apart.masked_fill(same, float("inf")).min(1)
    own = apart.fill_diagonal_(float("inf")).masked_fill(~same, float("inf")).amin(1)
    edge = (other.values / own.clamp_min(1e-12)).argsort()[: max(_LEAST_EDGE, len(ids) // 10)]
    return float(((ids[edge] - ids[other.indices[edge]]).abs() == 1).double().mean())


def _means(rows: torch.Tensor, ids: torch.Tensor, classes: int) -> torch.Tensor:
    total = torch.zeros(classes, rows.shape[1], dtype=rows.dtype).index_add(0, ids, rows)
    return total / ids.bincount(minlength=classes)[:, None]


def _right(rows: torch.Tensor, ids: torch.Tensor, classes: int) -> float:
    """Return how often the nearest mean of one half of each class is right on the other, averaged over classes."""
    order = ids.argsort(stable=True)  # every second sample of each class
    halves = order[::2], order[1::2]
    shares = []
    for known, asked in (halves, halves[::-1]):
        nearest = torch.cdist(rows[asked], _means(rows[known], ids[known], classes)).argmin(1)
        right = (nearest == ids[asked]).double()
        shares.append(_means(right[:, None], ids[asked], classes).mean())
    return float(sum(shares)) / 2


def _way(rows: torch.Tensor, ids: torch.Tensor, counts: torch.Tensor) -> float:
    means = _means(rows, ids, len(counts))
    # A mean of few samples lies off its place by chance, which would make all ways alike.
    noise = (rows - means[ids]).square().sum() / max(1, len(ids) - len(counts))
    squares = torch.cdist(means, means).square() - noise * (1 / counts[:, None] + 1 / counts[None, :])
    apart = squares.clamp_min(0).sqrt()
    draw = generator(0, "order of ids")
    orders = torch.stack([torch.randperm(len(counts), generator=draw) for _ in range(_ORDERS)])
    lengths = apart[orders[:, :-1], orders[:, 1:]].sum(1)
    own = float(apart.diagonal(1).sum())
    return own / float(lengths.mean()) if float(lengths.mean()) > 0 else 0.0
