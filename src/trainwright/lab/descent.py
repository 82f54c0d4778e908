"""Real optimizers of the catalogue on functions of a few numbers, in float64: the paths that the lab draws.

Several descents go at once: each has its own parameter group, so that one optimizer holds many learning rates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from trainwright.parts.catalogue import find, resolve_options
from trainwright.parts.optimizers import CATALOGUE
from trainwright.randomness import generator

Function = Callable[[torch.Tensor], torch.Tensor]
"""From points `(..., d)` to values `(...)`."""
FAR = 1e6
"""How far from the origin a descent may come before it counts as diverged: every surface of the lab lies within 10."""


@dataclass(frozen=True, kw_only=True)
class Descent:
    """One way down: `points[k]` after k steps, the loss there, the gradient that was followed, and what was kept.

    `state[k]` are the optimizer's own tensors after step k + 1, by their names in its state ("exp_avg"). A descent that
    diverged ends with the first point that is too far or is no number; that point is left out of `points`.
    """

    optimizer: str
    rate: float
    points: tuple[tuple[float, ...], ...]
    losses: tuple[float, ...]
    gradients: tuple[tuple[float, ...], ...]
    state: tuple[Mapping[str, tuple[float, ...]], ...]
    diverged: bool

    @property
    def steps(self) -> int:
        """How many steps were made before the end, or before it diverged."""
        return len(self.points) - 1

    def column(self, axis: int) -> tuple[float, ...]:
        """Return one coordinate of all points."""
        return tuple(point[axis] for point in self.points)

    def reversals(self, axis: int) -> int:
        """Return how often a step goes back along an axis, against the step before it."""
        moves = [after - before for before, after in itertools.pairwise(self.column(axis))]
        return sum(one * two < 0 for one, two in itertools.pairwise(moves))

    def reaches(self, level: float) -> int | None:
        """Return the first step from which on the loss stays at or below `level`, None where it does not."""
        if self.diverged or self.losses[-1] > level:
            return None
        above = [step for step, loss in enumerate(self.losses) if not loss <= level]
        return above[-1] + 1 if above else 0


def descend(
    function: Function,
    start: Sequence[float],
    optimizer: str,
    rates: Sequence[float],
    steps: int,
    *,
    options: Mapping[str, float] | None = None,
    noise: float = 0.0,
    seed: int = 0,
    multiple: Callable[[int], float] | None = None,
) -> list[Descent]:
    """Return one descent from `start` for each of `rates`.

    `options` are those of the optimizer's catalogue entry (momentum, beta1, weight_decay); `noise` is the standard
    deviation of what is added to each entry of each gradient, the same draws for every rate; `multiple(step)` that of
    the rate at a step, for a schedule.
    """
    spec = find(CATALOGUE, optimizer, "optimizer")
    weights = [torch.tensor(list(start), dtype=torch.float64, requires_grad=True) for _ in rates]
    # A decay that the catalogue gives by default would bend every path: the lab asks for it by name.
    plain = {"weight_decay": 0.0, **(options or {})}
    settings = [resolve_options(spec.options, {**plain, "lr": rate}, f"optimizer {optimizer}") for rate in rates]
    groups = [{"params": [weight], "lr": setting["lr"]} for weight, setting in zip(weights, settings, strict=True)]
    moving = spec.factory(groups, **settings[0])
    draws = generator(seed, "descent")
    points: list[list[tuple[float, ...]]] = [[tuple(map(float, start))] for _ in rates]
    losses: list[list[float]] = [[] for _ in rates]
    gradients: list[list[tuple[float, ...]]] = [[] for _ in rates]
    states: list[list[dict[str, tuple[float, ...]]]] = [[] for _ in rates]
    alive = [True] * len(weights)
    for step in range(steps + 1):
        for weight in weights:
            weight.grad = None
        values = function(torch.stack(weights))
        for place, value in enumerate(values.detach().tolist()):
            if alive[place] and not math.isfinite(value):
                alive[place] = False
                points[place].pop()
            elif alive[place]:
                losses[place].append(value)
        if step == steps or not any(alive):
            break
        values.sum().backward()
        jitter = noise * torch.randn(len(start), dtype=torch.float64, generator=draws) if noise else None
        for place, weight in enumerate(weights):
            if jitter is not None and weight.grad is not None:
                weight.grad += jitter
            if alive[place] and weight.grad is not None:
                gradients[place].append(tuple(weight.grad.tolist()))
        if multiple is not None:
            for group, setting in zip(moving.param_groups, settings, strict=True):
                group["lr"] = setting["lr"] * multiple(step)
        moving.step()
        for place, weight in enumerate(weights):
            if not alive[place]:
                continue
            point = tuple(weight.detach().tolist())
            if not all(abs(number) <= FAR for number in point):  # NaN compares false
                alive[place] = False
                continue
            points[place].append(point)
            states[place].append(_tensors(moving.state[weight]))
    return [
        Descent(
            optimizer=optimizer,
            rate=rate,
            points=tuple(points[place]),
            losses=tuple(losses[place]),
            gradients=tuple(gradients[place]),
            state=tuple(states[place]),
            diverged=not alive[place],
        )
        for place, rate in enumerate(rates)
    ]


def _tensors(state: Mapping[str, object]) -> dict[str, tuple[float, ...]]:
    return {
        name: tuple(value.detach().double().reshape(-1).tolist())
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
