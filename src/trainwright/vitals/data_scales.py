"""Where two samples of data lie, feature by feature, and how far apart they are in the units of the first."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_FEATURES = 4096  # evenly spread ones are compared where there are more
_ACTIVE = 20  # values of a feature beside its most frequent one, in training, that its scale needs
_ACTIVE_HELD = 8.0  # and so many to be expected in validation ...
_SEEN_HELD = 4  # ... where so many must be seen: a rare category may be missing, and noise on it in training hides that


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a second sample lies beside a first, as medians over features.

    `shift` is |location - location| in scales of the first, `log_ratio` |log(scale / scale)|; `shift_error` the
    standard error of a shift by sampling. `features` counts those that vary enough to be compared, `pooled` says that
    they are the channels of images. `centred` says that the second sample has means of zero and deviations of one for
    every feature, more exactly than a part of standardised data can.
    """

    shift: float
    log_ratio: float
    shift_error: float
    features: int
    pooled: bool
    centred: bool
    first: str  # a word on each: "mean 0.1, standard deviation 0.9"
    second: str


def difference(first: torch.Tensor, second: torch.Tensor, *, pooled: bool | None = None) -> Difference | None:
    """Compare two samples `(n, ...)` of inputs, images `(n, C, H, W)` by channel, all else feature by feature.

    Location and scale are median and half the width of the middle 68 %, which outliers do not move; mean and standard
    deviation for features that are mostly one value. None where no feature varies enough.
    """
    by_channel = first.dim() == 4 if pooled is None else pooled
    one, other = _columns(first, by_channel), _columns(second, by_channel)
    if one.shape[1] != other.shape[1]:
        return None
    places = torch.arange(0, one.shape[1], max(1, one.shape[1] // _FEATURES))
    one, other = one[:, places], other[:, places]
    usual = one.nanmedian(0).values
    active = ((one != usual) & torch.isfinite(one)).double().sum(0)
    chosen = (active >= _ACTIVE) & (active / len(one) * len(other) >= _ACTIVE_HELD)
    seen = ((other != other.nanmedian(0).values) & torch.isfinite(other)).sum(0)
    if seen.any():  # else nothing varies in the second sample, which is a difference
        chosen &= seen >= _SEEN_HELD
    if not chosen.any():
        return None
    one, other = one[:, chosen], other[:, chosen]
    (at, width), (held_at, held_width) = _place(one, other)
    shift = (held_at - at).abs() / width
    ratio = (held_width.clamp_min(1e-12) / width).log().abs()
    size = (len(first), len(second))
    between = _between_samples(first, by_channel) / width if by_channel else torch.ones_like(width)
    errors = between * (1.25 * (1 / size[0] + 1 / size[1]) ** 0.5)
    return Difference(
        shift=float(shift.median()),
        log_ratio=float(ratio.median()),
        shift_error=float(errors.median()),
        features=int(chosen.sum()),
        pooled=by_channel,
        centred=_centred(other) and not _few_valued(other),
        first=_words(one),
        second=_words(other),
    )


def _columns(x: torch.Tensor, by_channel: bool) -> torch.Tensor:
    values = x.detach().cpu().double()
    values = torch.where(torch.isfinite(values), values, torch.nan)
    if not by_channel:
        return values.reshape(len(values), -1)
    if values[0, 0].numel() > 256:  # some hundred pixels of each image tell as much
        step = max(1, values[0, 0].numel() // 256)
        values = values.reshape(len(values), values.shape[1], -1)[:, :, ::step]
    return values.reshape(len(values), values.shape[1], -1).movedim(1, 2).reshape(-1, values.shape[1])


def _between_samples(x: torch.Tensor, by_channel: bool) -> torch.Tensor:
    """Return the standard deviation of the samples' own channel means: pixels of one image are not independent."""
    values = torch.nan_to_num(x.detach().cpu().double()).reshape(len(x), x.shape[1], -1)
    return values.mean(2).std(0)


def _place(one: torch.Tensor, other: torch.Tensor) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Return location and scale of each feature in both samples, by the same measure in both."""
    quantiles = torch.tensor([0.16, 0.5, 0.84], dtype=torch.float64)
    q, held_q = (_quantiles(part, quantiles) for part in (one, other))
    widths, held_widths = (q[2] - q[0]) / 2, (held_q[2] - held_q[0]) / 2
    means, held_means = one.nanmean(0), other.nanmean(0)
    stds, held_stds = ((part - part.nanmean(0)).square().nanmean(0).sqrt() for part in (one, other))
    robust = (widths > 0.1 * stds) & (held_widths > 0.1 * held_stds) & (held_widths > 0)
    return (
        (torch.where(robust, q[1], means), torch.where(robust, widths, stds.clamp_min(1e-12))),
        (torch.where(robust, held_q[1], held_means), torch.where(robust, held_widths, held_stds)),
    )


def _quantiles(values: torch.Tensor, quantiles: torch.Tensor) -> torch.Tensor:
    ordered = values[:: max(1, len(values) // 8192)].nan_to_num().sort(0).values
    return ordered[(quantiles * (len(ordered) - 1)).round().long()]


def _centred(values: torch.Tensor) -> bool:
    means = values.nanmean(0)
    stds = (values - means).square().nanmean(0).sqrt()
    unit = ((stds - 1).abs() < 1e-4) | ((stds * (len(values) / max(len(values) - 1, 1)) ** 0.5 - 1).abs() < 1e-4)
    return bool((means.abs() < 1e-5).all() and unit.all())


def _few_valued(values: torch.Tensor) -> bool:
    return any(len(column.unique()) < 16 for column in values[:1000].T[:8])


def _words(values: torch.Tensor) -> str:
    means = values.nanmean(0)
    stds = (values - means).square().nanmean(0).sqrt()
    return f"mean {float(means.median()):.3g}, standard deviation {float(stds.median()):.3g}"
