"""Which way to compute an array: proven on a step in float64, timed both ways, and said why."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from trainwright.randomness import isolated
from trainwright.stacked.chain import is_chain
from trainwright.stacked.layout import comparable, structure
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import CannotStack, Member, TrialArray
from trainwright.stacked.proof import disagreement
from trainwright.stacked.stacked_array import StackedArray

ADVANTAGE = 0.95
"""The stack must need less than this share of the loop's time: near 1 the clock's noise would decide, and the loop has
less that can go wrong."""
SHARE = 0.05  # of the planned work that looking for the better way may cost
_TIMED = 3  # steps each at least, of which the fastest counts: whatever else the machine does only ever adds time
_MOST = 10  # steps each at most
_LONG_ENOUGH = 0.05  # seconds after which three steps are enough
_LOOPED = 4  # rows that the loop is timed on, and
_STACKED = 16  # those that the stack is: more are not slower for each
_PROOF = 12  # what the proof costs, in steps of a single row: two rows, alone and stacked, with numbers twice as wide
_COST = _PROOF + (1 + _TIMED) * (_LOOPED + _STACKED)  # and what all costs
_REMEMBERED: dict[Hashable, Choice] = {}  # a search asks again and again for members of the same structure
_MANY = 256  # structures that are remembered


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which way an array computes, and why.

    `step_seconds` holds the time of a step of one row by lane, as far as it was measured. `memory_per_row` is what a
    further row takes, in bytes, 0 where it was not measured: weights, gradient, optimizer and buffers, and in the stack
    what its forward pass keeps for the backward one.
    """

    lane: Literal["stacked", "loop"]
    reason: str
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    memory_per_row: int = 0


def choose(
    members: Sequence[Member],
    x: torch.Tensor,
    y: torch.Tensor,
    ids: Sequence[int] | None = None,
    *,
    planned_steps: int | None = None,
) -> tuple[TrialArray, Choice]:
    """Return an array of `members`, which has made no step yet, computed in the faster way, and why.

    Makes some steps on the batch `(x, y)` with copies, unless this process has chosen for such members before. The
    stack is taken only where a step of two rows in float64 agrees with their stand-alone steps in losses, gradients and
    buffers. For `planned_steps` that are too few to repay a measurement, chains of plain layers are stacked after the
    proof alone, and all else goes into the loop. What fails in a stand-alone step is raised, here or by the first step.
    """
    key = _key(members, x, y)
    choice = _REMEMBERED.get(key)
    if choice is None:
        work = math.inf if planned_steps is None else planned_steps * len(members)
        with isolated():
            if work * SHARE >= _COST:
                choice = _measured(members, x, y)
                if len(_REMEMBERED) >= _MANY:
                    _REMEMBERED.clear()
                _REMEMBERED[key] = choice
            else:
                choice = _guessed(members, x, y, work)
    if choice.lane == "stacked":
        try:
            return StackedArray(members, ids), choice
        except CannotStack as problem:  # these differ from one another, as those before did not
            choice = Choice(lane="loop", reason=_words(problem))
    return LoopArray(members, ids), choice


def _key(members: Sequence[Member], x: torch.Tensor, y: torch.Tensor) -> Hashable:
    batch = tuple((values.shape, values.dtype, values.device) for values in (x, y))
    rows = min(len(members), _STACKED)
    return (structure(members[0]), comparable(members[0].loss), batch, rows, torch.get_num_threads())


def _guessed(members: Sequence[Member], x: torch.Tensor, y: torch.Tensor, work: float) -> Choice:
    """Choose without a measurement."""
    if not (is_chain(members[0].model) and len(members) >= _LOOPED and work > 2 * _PROOF):
        return Choice(lane="loop", reason=f"{work:g} steps of single rows are too few to repay a measurement")
    try:
        found = disagreement(members[:2], x, y)
    except Exception as problem:
        return Choice(lane="loop", reason=_words(problem))
    if found is not None:
        return Choice(lane="loop", reason=f"a row would not train as it does alone: {found}")
    return Choice(lane="stacked", reason=f"a chain of plain layers; {work:g} steps are too few to repay a measurement")


def _measured(members: Sequence[Member], x: torch.Tensor, y: torch.Tensor) -> Choice:
    looped = LoopArray(members[:_LOOPED])
    looped.step(x, y)
    held, count = _held_bytes(looped), min(len(members), _STACKED)
    try:
        found = disagreement(members[:2], x, y)
        if found is not None:
            raise CannotStack("a row would not train as it does alone", evidence=found)
        some = StackedArray(members[:count])
        kept = _kept_bytes(lambda: some.step(x, y), [x, y]) // count
        whole, one_by_one = _fastest([lambda: some.step(x, y), lambda: looped.step(x, y)])
    except Exception as problem:  # whatever it is, the loop trains these members all the same
        alone = _fastest([lambda: looped.step(x, y)])[0] / len(looped.ids)
        return Choice(lane="loop", reason=_words(problem), step_seconds={"loop": alone}, memory_per_row=held)
    stacked, alone = whole / count, one_by_one / len(looped.ids)
    faster = stacked < ADVANTAGE * alone
    rows = f"{count} row{'s' if count > 1 else ''}"
    return Choice(
        lane="stacked" if faster else "loop",
        reason=f"a step takes {_milliseconds(stacked)} a row as one program of {rows} and {_milliseconds(alone)} alone",
        step_seconds={"stacked": stacked, "loop": alone},
        memory_per_row=held + (kept if faster else 0),
    )


def _fastest(steps: Sequence[Callable[[], object]]) -> list[float]:
    """Return the seconds of the fastest of several calls of each, in turn, so that a busy moment meets all alike."""
    # The processor time of this thread, where it does all the work, is blind to what else the machine does.
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_initialized()
    clock = time.thread_time if alone else time.perf_counter
    found: list[list[float]] = [[] for _ in steps]
    while len(found[0]) < _TIMED or (len(found[0]) < _MOST and sum(map(sum, found)) < _LONG_ENOUGH):
        for step, seconds in zip(steps, found, strict=True):
            started = clock()
            step()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            seconds.append(clock() - started)
    return [min(seconds) for seconds in found]


def _kept_bytes(step: Callable[[], object], shared: Sequence[torch.Tensor]) -> int:
    """Return the bytes that the forward pass within `step` keeps for the backward pass, each storage counted once."""
    storages: dict[int, int] = {}
    known = {tensor.untyped_storage().data_ptr() for tensor in shared}

    def packed(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if not tensor.is_leaf and storage.data_ptr() not in known:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
        step()
    return sum(storages.values())


def _held_bytes(array: LoopArray) -> int:
    """Return the bytes of weights, gradients, buffers and optimizer of one row that has made a step."""
    alone = array.member(array.ids[0])
    tensors = [*alone.model.parameters(), *alone.model.buffers()]
    trained = [entry for group in alone.optimizer.param_groups for entry in group["params"]]
    slots = [slot for state in alone.optimizer.state.values() for slot in state.values()]
    return sum(tensor.nbytes for tensor in [*tensors, *trained, *slots] if isinstance(tensor, torch.Tensor))


def _words(problem: Exception) -> str:
    if isinstance(problem, CannotStack):
        return f"{problem.what}: {problem.evidence}"
    said = str(problem).splitlines()
    return f"the stacked program failed with {type(problem).__name__}{': ' + said[0] if said else ''}"


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
