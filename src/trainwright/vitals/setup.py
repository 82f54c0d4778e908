"""Vital facts of a setup, before any step: the inputs, the targets, and what a trivial predictor would reach."""

from __future__ import annotations

import torch
from torch import nn

from trainwright.records import InputStats, TargetStats
from trainwright.tensors import is_normalisation

_IGNORED = -100  # a target that does not count ...
_IGNORING = ("cross_entropy", "nll", "kl_div", "focal")  # ... for these losses
_SAMPLES = 4096  # enough for three digits of every statistic below, and a bound on what any of them costs
_VALUES = 100_000  # targets that are counted and averaged


def input_stats(x: torch.Tensor) -> InputStats:
    """Measure the inputs `(n, ...)` as the network sees them; a feature is one position of a sample.

    The statistics are over the finite values of some thousand samples; `non_finite` counts the others among all.
    """
    rows = x[:: max(1, len(x) // _SAMPLES)][:_SAMPLES]
    sample = rows.reshape(len(rows), -1).double()
    if _is_finite(sample):  # as they nearly always are: then nothing has to be put aside, which takes long
        means = sample.mean(0)
        deviations = (sample - means).square_().mean(0).sqrt_()
        values = sample.reshape(-1)
    else:
        finite = torch.isfinite(sample)
        known = torch.where(finite, sample, torch.nan)
        means = known.nanmean(0)
        deviations = (known - means).square().nanmean(0).sqrt()
        values = sample[finite]
    varying = deviations > 1e-12 * (means.abs() + 1e-30)
    varied = sample if bool(varying.all()) else sample[:, varying]
    # Medians, because the rarely lit pixels and rare categories of healthy data are nearly constant.
    spread = deviations[varying].max() / deviations[varying].median() if varying.any() else torch.tensor(1.0)
    offset = (means[varying].abs() / deviations[varying]).median() if varying.any() else torch.tensor(0.0)
    if values.numel() == 0:
        values = torch.zeros(1, dtype=torch.float64)
    wrong = None if _is_finite(x) else torch.isfinite(x).logical_not().reshape(len(x), -1)
    first = int(wrong.any(1).to(torch.uint8).argmax()) if wrong is not None and wrong.any() else None
    low, high = values.aminmax()
    some = values[:_SAMPLES]  # most inputs show here already that they are no whole numbers
    integral = bool((some == some.round()).all()) and bool((values == values.round()).all())
    return InputStats(
        samples=len(sample),
        features=sample.shape[1],
        mean=float(values.mean()),
        std=float(values.std(correction=0)),
        minimum=float(low),
        maximum=float(high),
        spread=float(spread),
        offset=float(offset),
        integral=integral,
        non_finite=0 if wrong is None else int(wrong.sum()),
        constant_features=int((~varying).sum()),
        zero_share=(varied.numel() - int(varied.count_nonzero())) / max(varied.numel(), 1),
        non_finite_sample=first,
        non_finite_feature=None if first is None or wrong is None else int(wrong[first].to(torch.uint8).argmax()),
    )


def _is_finite(x: torch.Tensor) -> bool:
    """Say whether all of some numbers are finite: NaN and infinity show in their extremes, which are found fast."""
    return x.numel() > 0 and bool(torch.isfinite(torch.stack(x.aminmax())).all())


def target_stats(y: torch.Tensor, loss: str) -> TargetStats:
    """Measure the targets `(n,)` or `(n, columns)`, and what the best constant predictor reaches under `loss`.

    `loss` is a name of the catalogue, or "" where the loss is not known (then there is no constant loss). Samples with
    a target that is not finite are counted, and otherwise left out.
    """
    broken = torch.isfinite(y).logical_not().reshape(len(y), -1).any(1)
    wrong = int(torch.isfinite(y).logical_not().sum()) if broken.any() else 0
    first = int(broken.to(torch.uint8).argmax()) if wrong else None
    known = y[~broken] if wrong and not broken.all() else y
    values = known.reshape(-1)
    floating = values.is_floating_point()
    if not floating and loss in _IGNORING:
        counting = values[values.long() != _IGNORED]
        values = counting if len(counting) else values
    some = values[:: max(1, len(values) // _VALUES)][:_VALUES]
    numbers = some.double()
    counts = some.unique(return_counts=True)[1]
    return TargetStats(
        samples=len(y),
        minimum=float(values.min()),
        maximum=float(values.max()),
        integral=not floating or bool((values == values.round()).all()),
        distinct=len(counts),
        constant_loss=constant_loss(known, loss),
        mean=float(numbers.mean()),
        std=float(numbers.std(correction=0)),
        rarest=int(counts.min()) / len(some),
        commonest=int(counts.max()) / len(some),
        non_finite=wrong,
        non_finite_sample=first,
    )


def constant_loss(y: torch.Tensor, loss: str) -> float | None:
    """Return the loss of the best constant predictor: the entropy of the labels in nats, the variance, or the mean
    distance from the median.

    None for a loss that is not known here, and for targets that are class probabilities.
    """
    if loss in ("cross_entropy", "nll") and not y.is_floating_point():
        labels = y.long()[y.long() != _IGNORED]  # widened first: as a byte, 156 would equal -100
        shares = torch.unique(labels, return_counts=True)[1].double() / max(len(labels), 1)
        return float(-(shares * shares.log()).sum())
    if loss == "bce_with_logits":  # targets between 0 and 1 included: the best guess is their mean
        share = y.double().reshape(len(y), -1).mean(0)
        return float(-(torch.xlogy(share, share) + torch.xlogy(1 - share, 1 - share)).mean())
    if loss == "mse":
        return float(y.double().reshape(len(y), -1).var(0, correction=0).mean())
    if loss == "mae":
        values = y.double().reshape(len(y), -1)
        return float((values - values.median(0).values).abs().mean())
    return None


def has_input_norm(model: nn.Module) -> bool:
    """Say whether the first layer with numbers of its own normalises its input."""
    for module in model.modules():
        if is_normalisation(module):
            return True
        if any(True for _ in module.parameters(recurse=False)):
            return False
    return False
