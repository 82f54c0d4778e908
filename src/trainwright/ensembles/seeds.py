"""Further members: the same training under other seeds, all of them as one array."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import nn

from trainwright.data.feed import Batch, Feed
from trainwright.errors import ModelError
from trainwright.parts.losses import items
from trainwright.randomness import isolated
from trainwright.records.ensemble import Lane
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Loss, Member, TrialArray
from trainwright.stacked.probe import Choice, choose

SHARED_ORDER = 0.007
"""Share of the NLL that an ensemble loses where its members share the order of their batches: five MLPs of 784-64-10 on
6,000 pictures of Fashion-MNIST came to 0.4244, and to 0.4216 each in an order of its own (0.0028 +- 0.0005 over three
repeats), at 2.2 instead of 5 times the cost of one. One batch for all rows shares the first layer's work and memory.
"""


_TIMED = 4  # steps of one member alone, of which the fastest counts


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Members as they are after `steps` updates each, without those that diverged, whose places are in `diverged`.

    `lane` says how they were trained and `reason` why; `ratio` is what all of them cost, in times of one of them alone,
    as the probe, or else the training itself, measured a step.
    """

    models: tuple[nn.Module, ...]
    places: tuple[int, ...]
    steps: int
    lane: Lane
    reason: str
    seconds: float
    ratio: float | None = None
    diverged: tuple[int, ...] = ()


def train_rows(
    members: Sequence[Member], feed: Feed, steps: int, *, validation: Feed | None = None, loss: Loss | None = None
) -> Rows:
    """Train members for `steps` updates each, on the same batches in the same order.

    With `validation` and the `loss` of evaluation each is returned as it was at the end of its best epoch, as a run of
    its own would be; else as it is after its last step. Their first weights and the masks of their dropout are their
    own. Rows of one program share the order of the batches, see `SHARED_ORDER`; members that are trained one after the
    other have each their own. Raises `ModelError` where every one of them diverged.
    """
    started = time.perf_counter()
    x, y = next(iter(feed.epoch(0)))
    with isolated():
        array, choice = choose(members, x, y, planned_steps=steps)
    parts: list[tuple[TrialArray, Feed]] = [(array, feed)]
    if choice.lane == "loop":
        parts = [(LoopArray([member], [place]), reordered(feed, member.seed)) for place, member in enumerate(members)]
    measured = choice.step_seconds.get("loop")
    single = measured or (_alone_seconds(members[0], x, y) if choice.lane == "stacked" else None)
    models: dict[int, nn.Module] = {}
    began = time.perf_counter()
    for part, batches_of_part in parts:
        models |= _trained(part, batches_of_part, steps, validation, loss)
    trained = time.perf_counter() - began
    places = tuple(sorted(models))
    if not places:
        raise ModelError(
            "every further member diverged",
            evidence=f"{len(members)} of {len(members)} met a loss or a gradient that is not finite",
            remedy="lower the learning rate",
        )
    return Rows(
        models=tuple(models[place] for place in places),
        places=places,
        steps=steps,
        lane=choice.lane,
        reason=choice.reason,
        seconds=time.perf_counter() - started,
        ratio=_ratio(choice, len(members), trained / max(steps, 1), single),
        diverged=tuple(place for place in range(len(members)) if place not in models),
    )


def _ratio(choice: Choice, count: int, step: float, single: float | None) -> float | None:
    """Return what `count` members cost, in times of one: by the probe's measurement, else by the training itself."""
    if choice.lane == "loop":
        return float(count)
    row = choice.step_seconds.get("stacked")
    if not single:
        return None
    return (count * row if row else step) / single


def _alone_seconds(member: Member, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the seconds of a step of one member, on a copy of it."""
    array = LoopArray([copy.deepcopy(member)])
    found = []
    with isolated():
        for _ in range(_TIMED):
            started = time.perf_counter()
            array.step(x, y)
            found.append(time.perf_counter() - started)
    return min(found)


def reordered(feed: Feed, seed: int) -> Feed:
    """Return the same data in the order of another seed, as far as the feed has one."""
    other = copy.copy(feed)
    if hasattr(other, "seed"):
        other.seed = seed  # type: ignore[attr-defined]
    return other


def _trained(
    array: TrialArray, feed: Feed, steps: int, validation: Feed | None, loss: Loss | None
) -> dict[int, nn.Module]:
    """Train an array; return the models of the rows that did not diverge, by their ids."""
    best = _Best(array, validation, loss)
    with isolated():
        for step, (x, y) in enumerate(islice(batches(feed), steps), start=1):
            array.step(x, y)
            if step % feed.steps_per_epoch == 0 or step == steps:
                best.look()
    return {id: best.model(id) for id in array.ids if id not in array.frozen}


class _Best:
    """The rows of an array at their lowest losses on `validation`; as they are now where there is none."""

    def __init__(self, array: TrialArray, validation: Feed | None, loss: Loss | None) -> None:
        self._array, self._validation, self._loss = array, validation, loss
        self._lowest = dict.fromkeys(array.ids, math.inf)
        self._models: dict[int, nn.Module] = {}

    def look(self) -> None:
        """Measure every row, and keep those that are better than before."""
        if self._validation is None or self._loss is None:
            return
        totals, weight = [0.0] * len(self._array.ids), 0.0
        for x, y in self._validation.in_order():
            count = float(items(self._loss, y))
            if count:
                values = torch.stack([self._loss(output, y) for output in self._array.outputs(x)])
                totals = [total + value * count for total, value in zip(totals, values.tolist(), strict=True)]
                weight += count
        for id, total in zip(self._array.ids, totals, strict=True):
            if weight and total / weight < self._lowest[id]:
                self._lowest[id] = total / weight
                self._models[id] = self._array.model(id)

    def model(self, id: int) -> nn.Module:
        """Return the best of a row."""
        return self._models[id] if id in self._models else self._array.model(id)


def batches(feed: Feed) -> Iterator[Batch]:
    """Yield the batches of training, epoch after epoch, without end."""
    epoch = 0
    while True:
        yield from feed.epoch(epoch)
        epoch += 1
