"""The learning-rate finder: many rates as rows of one array, coarse over all decades, then dense where it is best."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from trainwright.errors import UsageError, did_you_mean
from trainwright.records.learning_rate import LearningRate, Method, RatePoint
from trainwright.search.finder_curve import Reading, read
from trainwright.search.finder_sweep import sweep
from trainwright.search.finder_trials import Lane, Question, choose_lane, explained, start_loss, train

METHODS: tuple[Method, ...] = ("array", "sweep")
LOWEST, HIGHEST = 1e-7, 1e2
"""What can be tried: below, float32 loses the updates of weights near 1; above, nothing that is normalised trains."""
REPEATS = 3
_COARSE, _DENSE = 2, 6  # rates in a decade
_REACH = 0.75  # decades to either side of the best coarse rate that are looked at densely, and by which the look moves
_MOVES = 4


SECONDS = 20.0
"""What all trials together may take, in seconds; or as long as the planned run, where that is longer."""
_FEWEST_STEPS = 50
HORIZON = 0.75
"""How the best rate falls with the length of the training: as length ** -0.75. Measured on the tasks to fit on in
benchmarks/find_lr.py, where the best rate of a training half as long is 1.8 times as high in the median, of a quarter
3.2 times: what counts is nearly rate times steps."""


def steps_for(planned_steps: int, repeats: int, lane: Lane) -> int:
    """Return for how many updates a rate is tried, where a run of `planned_steps` is planned: all of it if it is cheap.

    A rate that is best in a short training is too high for a long one, on small data above all, which a long training
    overfits: the nearer to the run, the better. It is halved until the trials fit the time.
    """
    rows = _COARSE * math.log10(HIGHEST / LOWEST) + 1 + repeats * (2 * _REACH * _DENSE + 1)
    allowed = max(SECONDS, planned_steps * lane.alone_seconds)
    steps = planned_steps
    while steps // 2 >= _FEWEST_STEPS and rows * steps * lane.row_seconds > allowed:
        steps //= 2
    return steps


def transferred(rate: float, steps: int, planned_steps: int) -> float:
    """Return the rate for a run of `planned_steps` where `rate` was the best for one of `steps`; see `HORIZON`."""
    return rate * min(1.0, steps / planned_steps) ** HORIZON


def find(
    question: Question, *, method: Method = "array", repeats: int = REPEATS, trial_steps: int | None = None
) -> LearningRate:
    """Return the rate that promises the lowest loss at the end of the planned run, or none, with the reason.

    Raises `UsageError` for an unknown method and for numbers that make no sense, and `ModelError` where the model
    cannot make a step on the data. Changes nothing that the question holds.
    """
    check(method, repeats, trial_steps)
    started = time.perf_counter()
    try:
        with torch.enable_grad():
            if question.refusal:
                start = start_loss(question, repeats)
                found = replace(_answer(question, {}, start, 0, repeats, "", reason=question.refusal), method=method)
            elif method == "sweep":
                found = sweep(question, repeats=repeats, steps=trial_steps)
            else:
                found = _array(question, repeats, trial_steps)
    except Exception as problem:  # whatever the user's model or loss raises
        raise explained(problem) from problem
    return _with_seconds(found, time.perf_counter() - started)


def check(method: str, repeats: int, trial_steps: int | None) -> None:
    """Raise `UsageError` for what cannot be asked of the finder."""
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}' of finding a rate", remedy=did_you_mean(method, METHODS))
    for name, value, least, most in (("repeats", repeats, 1, 1_000), ("trial_steps", trial_steps, 2, 1_000_000)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise UsageError(f"{name} must be a whole number from {least} to {most:,}", evidence=f"it is {value!r}")


def _array(question: Question, repeats: int, asked: int | None) -> LearningRate:
    start = start_loss(question, repeats)
    if not math.isfinite(start):
        return _answer(question, {}, start, 0, repeats, "", reason=f"the loss is {start} before the first step")
    coarse = _grid(LOWEST, HIGHEST, _COARSE)
    lane = choose_lane(question, coarse)
    steps = asked if asked is not None else steps_for(question.planned_steps, repeats, lane)
    tried: dict[float, list[float | None]] = {}
    _try(question, tried, coarse, [0], steps, lane, repeats)
    seen = [tried[rate][0] for rate in coarse]
    first = read(coarse, [[loss for loss in seen if loss is not None]], start, solved=question.solved)
    if first.best is None:
        return _answer(question, tried, start, steps, repeats, lane.reason, reason=first.reason)
    reading, rates = _looked(question, tried, first.best, steps, lane, repeats, start)
    if (reading.best is None or reading.edge) and repeats > 1:
        # The first repeat was lucky where the others are not: what all of them come to says where to look. Their losses
        # are averaged, not the logarithms, or a single 0 would count for more than two repeats that diverge.
        _try(question, tried, coarse, range(repeats), steps, lane, repeats)
        means = [_mean([min(_known(loss), start) for loss in tried[rate]]) for rate in coarse]
        every = read(coarse, [means], start, solved=question.solved)
        if every.best is not None and not every.edge:
            reading, rates = _looked(question, tried, every.best, steps, lane, repeats, start)
    if reading.best is not None and reading.edge:
        side = "lower" if reading.edge < 0 else "upper"
        reason = f"the lowest loss stands at the {side} end of what was tried, {rates[reading.edge]:.2g}"
        return _answer(question, tried, start, steps, repeats, lane.reason, reason=reason)
    return _answer(question, tried, start, steps, repeats, lane.reason, reading=reading)


def _looked(
    question: Question,
    tried: dict[float, list[float | None]],
    centre: float,
    steps: int,
    lane: Lane,
    repeats: int,
    start: float,
) -> tuple[Reading, list[float]]:
    """Try the rates around `centre` densely, and read them; go on where the lowest loss stands at an end."""
    low, high = _around(centre, _REACH)
    reading, rates = _look(question, tried, _grid(low, high, _DENSE), steps, lane, repeats, start)
    for _ in range(_MOVES):
        if reading.edge == 0 or (reading.edge < 0 and low <= LOWEST) or (reading.edge > 0 and high >= HIGHEST):
            break
        low, high = (_around(low, _REACH)[0], high) if reading.edge < 0 else (low, _around(high, _REACH)[1])
        reading, rates = _look(question, tried, _grid(low, high, _DENSE), steps, lane, repeats, start)
    return reading, rates


def _look(
    question: Question,
    tried: dict[float, list[float | None]],
    rates: list[float],
    steps: int,
    lane: Lane,
    repeats: int,
    start: float,
) -> tuple[Reading, list[float]]:
    """Try the rates in every repeat, and read them."""
    _try(question, tried, rates, range(repeats), steps, lane, repeats)
    losses = [
        [math.inf if (loss := tried[rate][repeat]) is None else loss for rate in rates] for repeat in range(repeats)
    ]
    return read(rates, losses, start, solved=question.solved), rates


def _try(
    question: Question,
    tried: dict[float, list[float | None]],
    rates: Sequence[float],
    chosen: Sequence[int],
    steps: int,
    lane: Lane,
    repeats: int,
) -> None:
    """Train at each of `rates` in each of the `chosen` repeats, unless that has been done."""
    for repeat in chosen:
        missing = [rate for rate in rates if tried.get(rate, [None] * repeats)[repeat] is None]
        if missing:
            for rate, loss in zip(missing, train(question, repeat, missing, steps, lane), strict=True):
                tried.setdefault(rate, [None] * repeats)[repeat] = loss


def _grid(low: float, high: float, to_a_decade: int) -> list[float]:
    """Return the rates from `low` to `high`, `to_a_decade` each; a denser grid holds those of a coarser one."""
    first, last = (round(to_a_decade * math.log10(end), 6) for end in (low, high))
    places = range(math.ceil(first), math.floor(last) + 1)
    return [float(f"{10 ** (place / to_a_decade):.12g}") for place in places]


def _around(rate: float, decades: float) -> tuple[float, float]:
    return max(LOWEST, rate * 10**-decades), min(HIGHEST, rate * 10**decades)


def _answer(
    question: Question,
    tried: dict[float, list[float | None]],
    start: float,
    steps: int,
    repeats: int,
    lane: str,
    *,
    reason: str = "",
    reading: Reading | None = None,
) -> LearningRate:
    best = None if reading is None else reading.best
    interval, notes = None, ()
    if reading is not None and reading.solved:
        share = f"{100 * question.solved:g} %"
        notes = (f"every rate of the interval brings the loss below {share} of its start: one well inside is safest",)
    if reading is not None and reading.interval is not None:
        ends = reading.interval
        if reading.solved:
            ends = _widened(ends, tried, question.solved * start)
        low, high = (transferred(end, steps, question.planned_steps) for end in ends)
        interval = (low, high)
    return LearningRate(
        suggestion=None if best is None else transferred(best, steps, question.planned_steps),
        interval=interval,
        tried_best=best,
        curve=tuple(
            RatePoint(rate=rate, loss=_mean(losses), losses=tuple(losses)) for rate, losses in sorted(tried.items())
        ),
        reason=reason or (reading.reason if reading is not None else ""),
        method="array",
        optimizer=question.optimizer,
        judged_by=question.judged_by,
        loss_at_start=start,
        steps=steps,
        planned_steps=question.planned_steps,
        repeats=repeats,
        seed=question.seed,
        lane=lane,
        notes=(*question.notes, *notes),
    )


def _widened(
    interval: tuple[float, float], tried: dict[float, list[float | None]], enough: float
) -> tuple[float, float]:
    """Return the interval with the rates next to it, tried or tried again, as far as all their losses are `enough`."""
    low, high = interval
    good = {rate: all(loss <= enough for loss in losses if loss is not None) for rate, losses in tried.items()}
    for rate in sorted(rate for rate in tried if rate > high):
        if not good[rate]:
            break
        high = rate
    for rate in sorted((rate for rate in tried if rate < low), reverse=True):
        if not good[rate]:
            break
        low = rate
    return low, high


def _known(loss: float | None) -> float:
    return math.inf if loss is None else loss


def _mean(losses: Sequence[float | None]) -> float:
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if known else math.nan


def _with_seconds(found: LearningRate, seconds: float) -> LearningRate:
    return replace(found, seconds=seconds)
