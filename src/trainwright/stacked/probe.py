"""Which way to compute an array: proven on a step in float64, timed both ways, and said why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from trainwright.randomness import isolated
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import CannotStack, Member, TrialArray
from trainwright.stacked.proof import disagreement
from trainwright.stacked.stacked_array import StackedArray

ADVANTAGE = 0.95
"""The stack must need less than this share of the loop's time: near 1 the clock's noise would decide, and the loop has
less that can go wrong."""
_TIMED = 3  # steps each at least, of which the fastest counts: whatever else the machine does only ever adds time
_MOST = 10  # steps each at most
_LONG_ENOUGH = 0.15  # seconds after which three steps are enough
_LOOPED = 4  # members that the loop is timed on: its time is in proportion to their number


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which way an array computes, and why.

    `step_seconds` holds the time of a step of all rows by lane, as far as it was measured; `half_step_seconds` that of
    the stack with half the rows, None where there are fewer than four. `memory_per_row` is what a further row takes, in
    bytes: weights, gradient, optimizer and buffers, and in the stack what its forward pass keeps for the backward one.
    """

    lane: Literal["stacked", "loop"]
    reason: str
    step_seconds: Mapping[str, float]
    half_step_seconds: float | None = None
    memory_per_row: int = 0

    @property
    def worth_shrinking(self) -> bool:
        """Whether fewer rows make a step of the stack shorter, so that a freed row is better left empty than refilled.

        Half the rows must save a quarter of the time: halfway between no saving at all and a saving in proportion.
        """
        whole = self.step_seconds.get("stacked")
        if self.lane == "loop" or whole is None:
            return True
        return self.half_step_seconds is not None and self.half_step_seconds < 0.75 * whole


def choose(
    members: Sequence[Member], x: torch.Tensor, y: torch.Tensor, ids: Sequence[int] | None = None
) -> tuple[TrialArray, Choice]:
    """Return an array of `members`, which has made no step yet, computed in the faster way, and why.

    Makes some steps on the batch `(x, y)` with copies: ten of each way at most, fewer where they are long. The stack is
    taken only where a step of two rows in float64 agrees with their stand-alone steps in losses, gradients and buffers.
    What fails in a stand-alone step is raised.
    """
    with isolated():
        looped = LoopArray(members[:_LOOPED])
        looped.step(x, y)
        held = _held_bytes(looped)
        share = len(members) / len(looped.ids)
        try:
            found = disagreement(members[:2], x, y)
            if found is not None:
                raise CannotStack("a row would not train as it does alone", evidence=found)
            whole = StackedArray(members)
            kept = _kept_bytes(lambda: whole.step(x, y), [x, y]) // len(members)
            seconds, one_by_one = _fastest([lambda: whole.step(x, y), lambda: looped.step(x, y)])
            half = _half_seconds(members, x, y)
        except Exception as problem:  # whatever it is, the loop trains these members all the same
            return LoopArray(members, ids), Choice(
                lane="loop",
                reason=_words(problem),
                step_seconds={"loop": _fastest([lambda: looped.step(x, y)])[0] * share},
                memory_per_row=held,
            )
    loop_seconds = one_by_one * share
    faster = seconds < ADVANTAGE * loop_seconds
    rows = f"{len(members)} row{'s' if len(members) > 1 else ''}"
    reason = (
        f"a step of {rows} takes {_milliseconds(seconds)} as one program and {_milliseconds(loop_seconds)} one by one"
    )
    array: TrialArray = StackedArray(members, ids) if faster else LoopArray(members, ids)
    return array, Choice(
        lane="stacked" if faster else "loop",
        reason=reason,
        step_seconds={"stacked": seconds, "loop": loop_seconds},
        half_step_seconds=half,
        memory_per_row=held + (kept if faster else 0),
    )


def _half_seconds(members: Sequence[Member], x: torch.Tensor, y: torch.Tensor) -> float | None:
    """Return the seconds of a step of the stack with half the rows, None where there are fewer than four."""
    if len(members) < 4:
        return None
    half = StackedArray(members[: len(members) // 2])
    half.step(x, y)
    return _fastest([lambda: half.step(x, y)])[0]


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
