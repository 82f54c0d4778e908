"""Which samples an epoch draws, and how rare classes are drawn as often as frequent ones."""

from __future__ import annotations

import torch

from trainwright.data.dataset import Dataset
from trainwright.errors import DataError, UsageError
from trainwright.randomness import generator, permutation


def epoch_order(seed: int, epoch: int, samples: int, cumulative: torch.Tensor | None) -> torch.Tensor:
    """Return the samples of an epoch in order: int64 `(samples,)`, a function of the arguments alone.

    Without weights, each sample once. `cumulative` (`cumulative_weights`) makes them as many independent draws with
    replacement, each sample's chance in proportion to its weight; one of weight 0 is never drawn.
    """
    if cumulative is None:
        return permutation(seed, epoch, samples)
    return drawn(cumulative, torch.rand(samples, dtype=torch.float64, generator=generator(seed, "draw", epoch)))


def drawn(cumulative: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Return the sample that each of `draws` in [0, 1) falls on: int64, the first whose running total exceeds it."""
    return torch.searchsorted(cumulative, draws, right=True)  # torch.multinomial takes 2**24 samples at most


def cumulative_weights(weights: torch.Tensor, samples: int) -> torch.Tensor:
    """Return the running total of `weights` as shares: float64 `(samples,)`, on the CPU, ending with exactly 1.

    Raises `DataError` unless there is one weight for each sample, finite and not negative, and at least one above 0.
    """
    if weights.shape != (samples,):
        raise DataError(
            "sample_weights must hold one number for each sample",
            evidence=f"shape {tuple(weights.shape)} for {samples} samples",
            remedy="pass a tensor of shape (samples,), such as balancing_weights(y)",
        )
    values = weights.detach().to("cpu", torch.float64)
    bad = ~torch.isfinite(values) | (values < 0)
    if bad.any() or not (values > 0).any():
        place = int(bad.to(torch.uint8).argmax())
        raise DataError(
            "sample_weights must be finite and not negative, and some must be above 0",
            evidence=f"weight {place} is {values[place]:g}" if bad.any() else "all weights are 0",
            remedy="only the weights' proportions count: 1 for every sample draws them alike",
        )
    total = torch.cumsum(values / values.max(), 0)  # by the largest, so that no sum overflows
    return total / total[-1]


def occurrences(order: torch.Tensor) -> torch.Tensor:
    """Return how often each entry of `order` has come before in it: int64, 0 for the first time."""
    ranked, places = torch.sort(order, stable=True)
    numbers = torch.arange(len(order))
    starts = torch.cat([torch.ones(min(1, len(order)), dtype=torch.bool), ranked[1:] != ranked[:-1]])
    first = torch.cummax(torch.where(starts, numbers, 0), 0).values
    return torch.empty_like(order).scatter_(0, places, numbers - first)


def balancing_weights(y: torch.Tensor) -> torch.Tensor:
    """Return the weight of each sample under which every class of `y` is drawn equally often: float64 `(n,)`.

    `y` holds class ids, whole numbers `(n,)` or `(n, 1)`. A sample of a class with c of n samples weighs n / (C c),
    C being the number of classes that occur, so the weights have the mean 1. Raises `UsageError` for other targets:
    with several labels a sample, no weights can balance all of them at once.
    """
    ids = _class_ids(y, "balancing_weights")
    if ids is None:
        raise UsageError(
            "samples can be balanced by classes only",
            evidence=f"y has the shape {tuple(y.shape)} and the type {y.dtype}",
            remedy=_instead_of_balancing(y),
        )
    _, places, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    return (len(ids) / (len(counts) * counts.double()))[places].cpu()


def _instead_of_balancing(y: torch.Tensor) -> str:
    if y.is_floating_point() and (y.ndim == 1 or y.shape[1] == 1):
        return "pass class ids as whole numbers; quantities have no classes, so leave train.sampler at 'shuffled'"
    if not y.is_floating_point() and not bool(((y == 0) | (y == 1)).all()):
        return "for a class at each of several places, weigh the loss instead: loss.weights = 'balanced'"
    return "for several labels, weigh the loss instead: pos_weight of bce_with_logits"


def class_counts(data: Dataset | torch.Tensor, classes: int | None = None) -> tuple[int, ...]:
    """Return how many samples each class has; for labels of 0 and 1 `(n, L)`, how many have each.

    `data` is a data set, whose training samples count, or its targets y. `classes` is the number of classes, for one
    that does not occur; without, it is that of the data set, or the largest id + 1. Tokens `(n, length)`, whole
    numbers, are counted one by one, but for negative ids, which are ignored ones. Raises `UsageError` for quantities
    and `DataError` for ids that are no classes.
    """
    if isinstance(data, Dataset):
        if data.shape.task == "regression":
            raise UsageError("a regression has no classes to count", remedy="count the classes of a classification")
        if data.train.stream is not None:
            return data.train.stream.class_counts
        y, classes = data.train.y, classes or data.shape.outputs
    else:
        y = data
    if y.is_floating_point():
        if y.ndim != 2 or not bool(((y == 0) | (y == 1)).all()):
            raise UsageError(
                "these targets are no classes that could be counted",
                evidence=f"y has the shape {tuple(y.shape)} and the type {y.dtype}",
                remedy="pass whole class ids (n,), or labels of 0 and 1 (n, labels)",
            )
        return tuple((y == 1).sum(0).tolist())
    ids = y.reshape(-1).to("cpu", torch.int64)
    if y.ndim == 2 and y.shape[1] > 1:
        ids = ids[ids >= 0]
    wrong = ids[(ids < 0) | (ids >= classes if classes is not None else False)]
    if len(wrong):
        raise DataError(
            "a target is no class id",
            evidence=f"y holds {int(wrong[0])}" + (f"; the classes are 0 to {classes - 1}" if classes else ""),
            remedy="number the classes 0, 1, 2, ...",
        )
    return tuple(torch.bincount(ids, minlength=classes or 0).tolist())


def _class_ids(y: torch.Tensor, caller: str) -> torch.Tensor | None:
    """Return class ids `(n,)`, None where `y` holds something else."""
    if y.is_floating_point() or y.is_complex() or not (y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)):
        return None
    if len(y) == 0:
        raise DataError(f"{caller} was given no targets", remedy="pass the targets of at least one sample")
    return y.reshape(-1)
