"""The answers of K networks to the same inputs: as one vectorised program where they are of one shape, else in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch

from trainwright.ensembles.network import Network, answer, ordered
from trainwright.records.ensemble import Lane
from trainwright.stacked.member import CannotStack, Loss, Member
from trainwright.stacked.stacked_array import StackedArray
from trainwright.tensors import evaluating

FASTER = 0.95
"""The stack must need less than this share of the loop's time, or the clock's noise would decide."""
TOLERANCE = 1e-4
"""By how much, of the largest answer, the stack may differ from the loop: sums in another order round differently."""
_TIMED = 3


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """`networks` as one. `lane` says how they are computed, `reason` why; `seconds` is a pass over a sample by lane."""

    networks: tuple[Network, ...]
    lane: Lane
    reason: str
    loop_seconds: float
    stacked_seconds: float | None
    _array: StackedArray | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs `(K, N, ...)` for `x` `(N, ...)` in evaluation mode; leaves no footprints."""
        return looped(self.networks, x) if self._array is None else _stacked(self._array, self.networks, x)


def looped(networks: Sequence[Network], x: torch.Tensor) -> torch.Tensor:
    """Return the outputs `(K, N, ...)` of one network after the other."""
    return torch.stack([answer(network, x) for network in networks])


def predictor(networks: Sequence[Network], x: torch.Tensor) -> Predictor:
    """Return the faster way to compute `networks`, tried and timed on the inputs `x`; both ways answer the same."""
    networks = tuple(networks)
    alone = _seconds(lambda: looped(networks, x)) / len(x)
    try:
        array = _array_of(networks)
        difference = _difference(_stacked(array, networks, x), looped(networks, x))
    except (CannotStack, RuntimeError) as problem:
        words = (
            f"{problem.what}: {problem.evidence}" if isinstance(problem, CannotStack) else str(problem).split("\n")[0]
        )
        return Predictor(networks=networks, lane="loop", reason=words, loop_seconds=alone, stacked_seconds=None)
    together = _seconds(lambda: _stacked(array, networks, x)) / len(x)
    told = f"a sample takes {1e6 * together:.3g} µs as one program and {1e6 * alone:.3g} µs in turn"
    if difference > TOLERANCE:
        told = f"as one program the answers differ by {difference:.2g} of the largest"
    faster = together < FASTER * alone and difference <= TOLERANCE
    return Predictor(
        networks=networks,
        lane="stacked" if faster else "loop",
        reason=told,
        loop_seconds=alone,
        stacked_seconds=together,
        _array=array if faster else None,
    )


def _array_of(networks: Sequence[Network]) -> StackedArray:
    if len(networks) < 2:
        raise CannotStack("there is a single network", evidence="nothing to compute beside it")
    with ExitStack() as modes:  # whatever modes they were left in, they are computed in that of evaluation
        for network in networks:
            modes.enter_context(evaluating(network.model))
        return StackedArray([_member(network) for network in networks])


def _member(network: Network) -> Member:
    trained = [parameter for parameter in network.model.parameters() if parameter.requires_grad]
    if not trained:
        raise CannotStack("nothing of the networks can be trained", evidence=f"'{network.name}' is frozen throughout")
    return Member(model=network.model, optimizer=torch.optim.SGD(trained, lr=0.0), loss=_NO_LOSS)


def _no_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    raise NotImplementedError("these networks are not trained here")


_NO_LOSS: Loss = _no_loss


def _stacked(array: StackedArray, networks: Sequence[Network], x: torch.Tensor) -> torch.Tensor:
    outputs = array.outputs(x)
    if not any(network.order for network in networks):
        return outputs
    return torch.stack([ordered(network, output) for network, output in zip(networks, outputs, strict=True)])


def _difference(one: torch.Tensor, other: torch.Tensor) -> float:
    largest = float(other.abs().max()) or 1.0
    difference = float((one - other).abs().max())
    return difference / largest if difference == difference else float("inf")


def _seconds(call: Callable[[], object]) -> float:
    found = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        call()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return min(found)
