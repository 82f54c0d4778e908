"""What a loss is that the user passed: an entry of the catalogue, torch's class or function, or a stranger."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from trainwright.parts.loss_catalogue import CATALOGUE
from trainwright.parts.loss_classes import wide_sum
from trainwright.parts.loss_shapes import IGNORED
from trainwright.records import LossSpec

_OURS = {spec.factory: spec for spec in CATALOGUE.values()}
_TORCHS = {name: spec for spec in CATALOGUE.values() for name in spec.torch_names}


def recognise(loss: Any) -> LossSpec | None:
    """Return the catalogue's entry for a loss: ours, or torch's class or function of that name, whatever its options.

    A `functools.partial` of torch's function counts as that function. None for everything else: what a child of torch's
    class computes is its own affair.
    """
    if type(loss) in _OURS:
        return _OURS[type(loss)]
    function = loss.func if isinstance(loss, partial) and not loss.args else loss
    if isinstance(function, nn.Module):
        known = type(function).__module__.startswith("torch.nn")
        return _TORCHS.get(type(function).__name__) if known else None
    name = getattr(function, "__name__", "")
    return _TORCHS.get(name) if getattr(F, name, None) is function else None


def is_plain(loss: Any) -> bool:
    """Say whether a recognised loss is the catalogue's with every option at its default, and a mean.

    No weights, no smoothing, no sum: the loss of a constant guess, and the value at initialisation, are known for that
    alone.
    """
    if type(loss) in _OURS:
        return loss == type(loss)()
    spec = recognise(loss)
    usual: dict[str, Any] = {
        "reduction": "mean",
        "weight": None,
        "pos_weight": None,
        "label_smoothing": 0.0,
        "ignore_index": IGNORED,
        "log_target": False,
    }
    if spec is not None:
        usual |= {name: option.default for name, option in spec.options.items() if name in ("delta", "beta")}
    found = {name: _setting(loss, name, value) for name, value in usual.items()}
    if spec is not None and spec.name == "kl_div":  # torch's own default divides by the classes as well
        usual["reduction"], found["reduction"] = "batchmean", _setting(loss, "reduction", "mean")
    return all(found[name] is value or found[name] == value for name, value in usual.items())


def items(loss: Any, target: torch.Tensor) -> float | torch.Tensor:
    """Return what the mean that `loss` gives for `target` divides by, as a number or a scalar tensor.

    With it batches of any size add up to one: `(mean1 * count1 + mean2 * count2) / (count1 + count2)`. A loss with a
    method `count(target)` says it itself, as ours do; of torch's known ones it follows from their options. Any other is
    taken for a mean over samples, and counts them. A loss that is a sum (`reduction="sum"`) has no such number.
    """
    count: Any = getattr(loss, "count", None)
    if callable(count):
        return cast("float | torch.Tensor", count(target))
    spec = recognise(loss)
    samples = float(len(target)) if target.dim() else 1.0
    reduction = _setting(loss, "reduction", "mean")
    if spec is None or reduction != "mean":  # "batchmean" is one over samples
        return samples
    if spec.target != "class-index":
        return float(target.numel())
    if target.is_floating_point():  # torch does not divide by the weights here
        return target.numel() / target.shape[1] if target.dim() > 1 else samples
    ids = target.long()
    kept = ids != _setting(loss, "ignore_index", IGNORED)
    weight = _setting(loss, "weight", None)
    return wide_sum(kept if weight is None else weight[ids * kept] * kept)


def _setting(loss: Any, name: str, default: Any) -> Any:
    """Return an option of a loss: an attribute of a module, a keyword of a partial function."""
    if isinstance(loss, partial):
        return loss.keywords.get(name, default)
    return getattr(loss, name, default)
