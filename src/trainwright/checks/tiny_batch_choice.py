"""A handful of samples whose targets differ, and what the loss can be on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from trainwright.checks.check import Skip
from trainwright.checks.guessing import answer_for_each, least, one_answer
from trainwright.checks.inputs import count, rows, tensors
from trainwright.checks.subject import Subject

SAMPLES = 8
CONTRADICTORY = 0.5
"""Where samples that contradict one another take this share of what there is to learn, the labels are the finding."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The samples, and what the loss can be on them: for one answer to all (None where unknown), and at best."""

    x: Any
    y: Any
    constant: float | None
    floor: float | None
    endless: bool = False  # the loss falls below zero and on: no share of its start means anything
    contradiction: float = 0.0  # how much of constant - floor the samples with the same input take


def tiny_batch(subject: Subject) -> Batch:
    """Return some samples whose targets differ, and the bounds of the loss on them."""
    places = _differing(subject.y, count(subject.x))
    if len(places) < 2:
        raise Skip("there are not two samples to tell apart")
    x, y = rows(subject.x, places), rows(subject.y, places)
    with torch.no_grad():
        output = subject.output(x)
    if not isinstance(output, torch.Tensor) or output.dim() == 0 or len(output) != len(places):
        return Batch(x=x, y=y, constant=None, floor=None)
    spec, loss = subject.spec, subject.loss
    groups = _same_inputs(x, len(places)).to(output.device)
    alone = torch.arange(len(places), device=output.device)
    constant = least(loss, y, output, one_answer(output, y, spec), spec=spec)
    floor = least(loss, y, output, answer_for_each(output, y, alone, spec), alone, spec)
    if constant is None or floor is None or (spec is None and floor < -1e-6):
        endless = floor is not None or constant is not None
        return Batch(x=x, y=y, constant=None, floor=None, endless=endless)
    if constant - floor < 1e-6 * max(abs(constant), 1.0):
        if spec is None:  # a loss within the batch, or one whose targets are not in y
            return Batch(x=x, y=y, constant=None, floor=None)
        if all(torch.equal(part, part[:1].expand_as(part)) for part in tensors(y)):
            raise Skip("the samples have all the same target: there is nothing to memorise")
        raise Skip("one answer for all samples has as low a loss as one for each: the loss does not tell them apart")
    contradiction = 0.0
    shared = least(loss, y, output, answer_for_each(output, y, groups, spec), groups, spec)
    if shared is not None and int(groups.max()) + 1 < len(places):
        contradiction = min(1.0, max(0.0, (shared - floor) / (constant - floor)))
        if contradiction < CONTRADICTORY:
            floor = shared
    floor = max(floor, _prefix_floor(x, y, output))
    return Batch(x=x, y=y, constant=constant, floor=floor, contradiction=contradiction)


def _differing(y: Any, samples: int) -> torch.Tensor:
    """Return the places of samples with different targets: of each class in turn, or spread over the values."""
    wanted = min(SAMPLES, samples)
    parts = tensors(y)
    if not parts or len(parts[0]) != samples:
        return torch.arange(wanted)
    target = parts[0]
    if target.dim() > 1 and not target.is_floating_point() and target[0].numel() > 1:
        return torch.arange(wanted)  # tokens: every sample has many targets
    key = target.reshape(samples, -1)[:, 0] if target.dim() else target
    if key.is_floating_point():
        even = torch.linspace(0, samples - 1, wanted).round().long()
        return key.argsort(stable=True).cpu()[even].sort().values
    seen: dict[int, int] = {}
    turn = [(seen.setdefault(int(k), 0), seen.update({int(k): seen[int(k)] + 1})) for k in key.tolist()]
    order = sorted(range(samples), key=lambda place: (turn[place][0], place))
    return torch.tensor(sorted(order[:wanted]))


def _same_inputs(x: Any, samples: int) -> torch.Tensor:
    """Return a number for each sample, the same for samples whose inputs are equal, bit for bit."""
    flat = [part.reshape(samples, -1).double().cpu() for part in tensors(x) if part.dim() and len(part) == samples]
    if not flat:
        return torch.arange(samples)
    return torch.cat(flat, 1).unique(dim=0, return_inverse=True)[1]


def _prefix_floor(x: Any, y: Any, output: torch.Tensor) -> float:
    """Return the least mean surprise of a model of tokens that sees what came before: of equal beginnings, no more.

    0 where the samples are no tokens, each with a target of its own.
    """
    tokens = isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor) and x.shape == y.shape and x.dim() == 2
    if not tokens or x.is_floating_point() or y.is_floating_point() or output.dim() != 3:
        return 0.0
    surprise, counted = 0.0, 0
    for place in range(x.shape[1]):
        targets: dict[tuple[int, ...], list[int]] = {}
        for row, target in zip(x[:, : place + 1].tolist(), y[:, place].tolist(), strict=True):
            if target >= 0:
                targets.setdefault(tuple(row), []).append(target)
        for found in targets.values():
            counted += len(found)
            surprise -= sum(math.log(found.count(target) / len(found)) for target in found)
    return surprise / counted if counted else 0.0
