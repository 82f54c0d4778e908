"""Outputs that know the labels before anything was learnt: the right class is first, or last, for nearly every sample.

A network with the weights that it was drawn with answers no better than any constant, and that pays the entropy of the
labels at least. One that pays far less was told them; where the right class comes last it was told them to learn more
from them, as losses with a margin do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from trainwright.watching.losses import given_and_target
from trainwright.watching.places import caller

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

_FEWEST = 16  # samples
_LAYERS = (nn.Linear, nn.Embedding, nn.modules.conv._ConvNd)


def look(tape: Tape, arguments: Any, named: Mapping[str, Any]) -> None:
    """A cross-entropy was computed before the first step: see where the right classes stand."""
    given, target = given_and_target(arguments, named)
    if not isinstance(given, torch.Tensor) or not isinstance(target, torch.Tensor) or target.is_floating_point():
        return
    if given.dim() != 2 or given.shape[1] < 2 or target.shape != given.shape[:1] or len(target) < _FEWEST:
        return
    values, classes = given.detach().float(), given.shape[1]
    kept = (target >= 0) & (target < classes)
    labels = target.clamp(0, classes - 1)
    shares = torch.zeros(classes, dtype=torch.float64, device=target.device).scatter_add(0, labels, kept.double())
    shares = shares / shares.sum().clamp(min=1)
    entropy = -torch.xlogy(shares, shares).sum()
    loss = -(values.log_softmax(1).gather(1, labels[:, None])[:, 0] * kept).sum() / kept.sum().clamp(min=1)
    right = values.gather(1, labels[:, None])
    first, last = (values <= right).all(1), (values >= right).all(1)
    measured = [loss, entropy, *((part & kept).sum() / kept.sum().clamp(min=1) for part in (first, last))]
    place, drawn = caller(), _as_drawn(tape)

    def take(numbers: list[float]) -> None:
        names = ("loss", "entropy", "first", "last")
        facts = {**dict(zip(names, numbers, strict=True)), "classes": classes, "samples": len(target), "drawn": drawn}
        tape.sightings.note("right-classes-at-start", place, facts)

    tape.steps.delayed.read(measured, take)


def _as_drawn(tape: Tape) -> bool:
    """Say whether all of torch's layers hold what they were drawn with, as far as their makers told."""
    layers = [part for root in tape.models.roots() for part in root.modules() if isinstance(part, _LAYERS)]
    return bool(layers) and all(tape.origins.as_drawn(layer.weight) for layer in layers)
