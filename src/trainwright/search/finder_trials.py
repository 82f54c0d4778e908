"""The finder's trials: one rate a row, from the same weights on the same batches, and what each comes to."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from trainwright.errors import DataError, ModelError, TrainwrightError
from trainwright.interruption import poll
from trainwright.parts.schedules import Schedule, fraction_of
from trainwright.randomness import isolated
from trainwright.stacked.copying import pair_copy
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import Loss, Member, TrialArray
from trainwright.stacked.probe import choose
from trainwright.stacked.room import rows_at_once
from trainwright.stacked.stacked_array import StackedArray

Batch = tuple[torch.Tensor, torch.Tensor]

TAIL = 0.2
"""Share of the steps, the last ones, whose losses are averaged where nothing is held out to judge by."""
_PROBED = 8  # rows at most that the probe tries: enough to tell the ways apart, also where each takes much memory


@dataclass(frozen=True, kw_only=True)
class Question:
    """A training of which the rate is asked for.

    `member(repeat)` gives model, optimizer and loss as the training has them; repeats may begin from other weights.
    `batches(repeat)` yields the batches of training, without end, in the order of that repeat. `held(repeat)` gives
    batches that it does not train on, to judge by; None judges by the training losses. `schedule` runs over each trial
    as it will run over the training of `planned_steps`. `seed` starts the model's own randomness. `refusal` says why no
    rate can be found, "" where nothing speaks against it. Losses below the share `solved` of their start are as good
    as one another; 0 tells all of them apart.
    """

    member: Callable[[int], Member]
    batches: Callable[[int], Iterator[Batch]]
    held: Callable[[int], Iterable[Batch]] | None
    schedule: Schedule
    planned_steps: int
    optimizer: str
    evaluation_loss: Loss
    judged_by: str
    seed: int = 0
    notes: tuple[str, ...] = ()
    refusal: str = ""
    solved: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Which way the rows are computed, and why; seconds of a step for a row, and alone; memory that a row takes."""

    stacked: bool
    reason: str
    row_seconds: float = 0.0
    alone_seconds: float = 0.0
    row_bytes: int = 0


def choose_lane(question: Question, rates: Sequence[float]) -> Lane:
    """Return the faster way for rows at `rates`, as the probe of the array finds it on the first batch."""
    member = question.member(0)
    rows = rates[: min(rows_at_once(member.model), _PROBED)]
    x, y = _first(question)
    with isolated():
        _, choice = choose([at_rate(member, rate) for rate in rows], x, y)
    return Lane(
        stacked=choice.lane == "stacked",
        reason=choice.reason,
        row_seconds=choice.step_seconds[choice.lane],
        alone_seconds=choice.step_seconds["loop"],
        row_bytes=choice.memory_per_row if choice.lane == "stacked" else 0,
    )


def at_rate(member: Member, rate: float) -> Member:
    """Return a copy of `member` at `rate`: each group keeps its multiple of the rate that the optimizer has."""
    model, optimizer = pair_copy(member.model, member.optimizer)
    base = base_rate(optimizer)
    for group in optimizer.param_groups:
        group["lr"] = float(group["lr"]) / base * rate if base > 0 else rate
    return replace(member, model=model, optimizer=optimizer)


def base_rate(optimizer: torch.optim.Optimizer) -> float:
    """Return the rate that the groups are multiples of: the optimizer's own where a group has it, else the first's."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    asked = optimizer.defaults.get("lr")
    return float(asked) if isinstance(asked, int | float) and asked in rates else rates[0]


def train(question: Question, repeat: int, rates: Sequence[float], steps: int, lane: Lane) -> list[float]:
    """Return what a training of `steps` updates at each of `rates` comes to; infinite where it diverges."""
    member = question.member(repeat)
    places = [fraction_of(step, steps) for step in range(steps)]
    multiples = [question.schedule.multiple(place) for place in places]
    momenta = [question.schedule.momentum(place) for place in places]
    planned = replace(
        member,
        rate=lambda step: multiples[min(step, steps - 1)],
        momentum=lambda step: momenta[min(step, steps - 1)],
        seed=question.seed + repeat,
    )
    found: list[float] = []
    size = rows_at_once(member.model, lane.row_bytes)
    for start in range(0, len(rates), size):
        members = [at_rate(planned, rate) for rate in rates[start : start + size]]
        with isolated():
            array: TrialArray = StackedArray(members) if lane.stacked else LoopArray(members)
            found += _results(question, array, repeat, steps)
    return found


def _results(question: Question, array: TrialArray, repeat: int, steps: int) -> list[float]:
    tail = max(1, round(TAIL * steps))
    total = torch.zeros(len(array.ids), dtype=torch.float64)
    for step, (x, y) in zip(range(steps), question.batches(repeat), strict=False):
        poll()
        losses = array.step(x, y)
        if question.held is None and step >= steps - tail:
            total += losses.double().cpu() / tail
    if question.held is not None:
        total = held_losses(question, array, repeat)
    dead = set(array.frozen)
    return [
        math.inf if id in dead or not math.isfinite(loss) else loss
        for id, loss in zip(array.ids, total.tolist(), strict=True)
    ]


def held_losses(question: Question, array: TrialArray, repeat: int) -> torch.Tensor:
    """Return the mean loss of each row on what is held out, float64 `(K,)`, each batch by its samples."""
    assert question.held is not None
    total = torch.zeros(len(array.ids), dtype=torch.float64)
    samples = 0
    for x, y in question.held(repeat):
        with torch.no_grad():
            values = [question.evaluation_loss(output, y) for output in array.outputs(x)]
        total += len(x) * torch.stack([value.detach().double().cpu() for value in values])
        samples += len(x)
    if samples == 0:
        raise DataError("nothing is held out to judge the rates by", evidence="the validation data are empty")
    return total / samples


def start_loss(question: Question, repeats: int) -> float:
    """Return the loss before training, on what the trials are judged by, in the mean over the repeats."""
    found = []
    for repeat in range(repeats):
        member = question.member(repeat)
        with isolated():
            if question.held is not None:
                found.append(float(held_losses(question, LoopArray([member]), repeat)))
            else:
                still = replace(member, rate=lambda step: 0.0)
                found.append(float(LoopArray([still]).step(*_first(question, repeat))))
    return sum(found) / len(found)


def _first(question: Question, repeat: int = 0) -> Batch:
    try:
        return next(iter(question.batches(repeat)))
    except StopIteration:
        raise DataError("the data hold no batch", remedy="pass at least one pair (x, y)") from None


def explained(problem: Exception) -> ModelError:
    """Return what a model or a loss of the user's raised as an error of ours."""
    if isinstance(problem, TrainwrightError):
        raise problem
    words = str(problem).strip().splitlines()
    return ModelError(
        "the model cannot make a training step on the data",
        evidence=f"{type(problem).__name__}: {words[0] if words else ''}",
        remedy="check the model's output against what the loss expects; trainwright verify says more",
    )


def copied(member: Member) -> Member:
    """Return a member over copies of its model and optimizer, so that the originals are not touched."""
    model, optimizer = pair_copy(member.model, member.optimizer)
    return replace(member, model=model, optimizer=optimizer, loss=copy.deepcopy(member.loss))
