"""What comes next in a study: its rounds and the trials of its chunks, as functions of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.randomness import derive
from trainwright.records.space import Axis, Space
from trainwright.records.study import Move, Plan, Round, Trial
from trainwright.search.halving import cost
from trainwright.search.ledger import Ledger
from trainwright.search.rounds import move, moved
from trainwright.search.samplers import SAMPLERS, Sampler, points, size


def next_round(ledger: Ledger, sampler: Sampler) -> Round | None:
    """Return the round that follows, of an even share of the trials and steps left, or None where nothing is left."""
    rounds, plan = ledger.rounds, ledger.plan
    assert plan is not None
    number = len(rounds)
    first = sum(sum(one.chunks) for one in rounds)
    is_extra = number >= plan.rounds and not ledger.is_new_space
    if first >= plan.trials or (is_extra and sampler == "grid"):
        return None  # a grid may have fewer points than it was allowed
    space, moves = _moves(ledger, is_extra=is_extra)
    rounds_left = max(plan.rounds - number, 1)
    count = size(sampler, space, -(-(plan.trials - first) // rounds_left))
    if plan.steps is not None:
        left = plan.steps - sum(cost(plan, each) for one in rounds for each in one.chunks)
        share = max(left // rounds_left, min(left, cost(plan, 1)))
        while count > 0 and _cost(plan, count) > share:
            count -= 1
    if count < 1:
        return None
    name = sampler if isinstance(sampler, str) else type(sampler).__name__
    return Round(number=number, space=space, sampler=name, first=first, chunks=_split(count, plan.chunk), moves=moves)


def is_over(ledger: Ledger, sampler: Sampler) -> bool:
    """Return whether nothing is left to do: every chunk is over, and no round follows."""
    begun = len(ledger.rounds) == 0 or all(
        (ledger.rounds[-1].number, place) in ledger.chunks for place in range(len(ledger.rounds[-1].chunks))
    )
    is_idle = all(chunk.is_over for chunk in ledger.chunks.values())
    return begun and is_idle and next_round(ledger, sampler) is None


def draw(ledger: Ledger, one: Round, place: int, sampler: Sampler) -> list[Trial]:
    """Return the trials of a chunk. The round keeps the sampler that it was opened with, where that has a name."""
    plan, start = ledger.plan, sum(one.chunks[:place])
    assert plan is not None
    places = range(start, start + one.chunks[place])
    sampler = one.sampler if one.sampler in SAMPLERS else sampler
    seed, told = derive(plan.seed, "round", one.number), list(ledger.trials.values())
    values = points(sampler, one.space, places, total=sum(one.chunks), seed=seed, told=told)
    return [
        Trial(
            number=(one.first + at) * plan.repeats + repeat,
            configuration=one.first + at,
            round=one.number,
            chunk=place,
            values=values[at - start],
            # Common random numbers: all configurations start from the same weights and see the same batches.
            seed=derive(plan.seed, "repeat", repeat),
        )
        for at in places
        for repeat in range(plan.repeats)
    ]


def _moves(ledger: Ledger, *, is_extra: bool) -> tuple[dict[str, Axis], tuple[Move, ...]]:
    if not ledger.rounds:
        return ledger.given, ()
    last = ledger.rounds[-1]
    if ledger.is_new_space:
        changed = {name: axis for name, axis in ledger.given.items() if last.space.get(name) != axis}
        return ledger.given, tuple(_by_hand(last, name, axis) for name, axis in changed.items())
    if is_extra:  # more trials were asked for, and no more rounds
        reason = "more trials were asked for after the last round, and are drawn from the same range"
        return dict(last.space), tuple(
            Move(round=last.number, name=name, action="kept", before=axis, after=axis, reason=reason)
            for name, axis in last.space.items()
        )
    guess = None if ledger.plan is None else ledger.plan.guess
    trials = list(ledger.trials.values())
    moves = move(last.space, trials, number=last.number, first=_first(ledger.rounds), guess=guess)
    return moved(last.space, moves), moves


def _by_hand(last: Round, name: str, axis: Axis) -> Move:
    before = last.space.get(name, axis)
    return Move(round=last.number, name=name, action="given", before=before, after=axis, reason="changed by hand")


def _first(rounds: Sequence[Round]) -> Space:
    """Return for each axis the range that it was given with: the first, or the last that was changed by hand."""
    given = dict(rounds[0].space)
    for one in rounds:
        given |= {each.name: each.after for each in one.moves if each.action == "given"}
    return given


def _cost(plan: Plan, count: int) -> int:
    return sum(cost(plan, each) for each in _split(count, plan.chunk))


def _split(count: int, chunk: int) -> tuple[int, ...]:
    """Return chunks of at most `chunk`, as even as can be: halving among two would decide nothing."""
    parts = -(-count // chunk)
    return tuple(count // parts + (place < count % parts) for place in range(parts)) if parts else ()
