"""Arenas without a network: a formula with noise, and a recurrence whose state must survive to be continued."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch

from trainwright.randomness import derive, generator
from trainwright.records.study import Trial
from trainwright.search.arena import State

Score = Callable[[Mapping[str, Any]], float]


class Formula:
    """Scores a trial by a function of its values; fewer steps see it through more noise. Keeps what it was asked."""

    def __init__(self, score: Score, *, noise: float = 0.0, early: float = 0.0) -> None:
        self.score, self.noise, self.early = score, noise, early
        self.trials: dict[int, Trial] = {}
        self.log: list[tuple[int, tuple[int, ...]]] = []

    def start(self, trials: Sequence[Trial]) -> None:
        self.trials |= {trial.number: trial for trial in trials}

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        self.log.append((steps, tuple(numbers)))
        return {number: self._score(self.trials[number], steps) for number in numbers}

    def _score(self, trial: Trial, steps: int) -> float:
        drawn = generator(trial.seed, "noise", trial.number, steps)
        noise = torch.randn(2, generator=drawn, dtype=torch.float64).tolist()
        return self.score(trial.values) + self.noise * noise[0] + self.early * noise[1] / math.sqrt(steps)

    def why(self, number: int) -> str:
        return ""

    def drop(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self.trials.pop(number, None)

    def state(self) -> State:
        return State(facts={"numbers": sorted(self.trials)})

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        assert state.facts["numbers"] == [trial.number for trial in trials]
        self.start(trials)


class Walk(Formula):
    """Gradient descent with momentum on a bowl, by noisy gradients: a score depends on every step since the start."""

    def __init__(self, *, pause: float = 0.0) -> None:
        super().__init__(lambda values: 0.0)
        self.rows: dict[int, tuple[int, torch.Tensor]] = {}
        self.pause = pause
        self.steps = 0

    def start(self, trials: Sequence[Trial]) -> None:
        super().start(trials)
        for trial in trials:
            place = torch.ones(4, dtype=torch.float64)
            self.rows[trial.number] = (0, torch.stack([place, torch.zeros_like(place)]))

    def advance(self, numbers: Sequence[int], steps: int) -> Mapping[int, float]:
        self.log.append((steps, tuple(numbers)))
        for number in numbers:
            done, state = self.rows[number]
            trial = self.trials[number]
            for step in range(done, steps):
                noise = torch.randn(4, dtype=torch.float64, generator=generator(trial.seed, "step", step))
                velocity = 0.9 * state[1] + state[0] * torch.arange(1, 5) + 0.1 * noise
                state = torch.stack([state[0] - float(trial.values["lr"]) * velocity, velocity])
                self.steps += 1
            self.rows[number] = (steps, state)
            time.sleep(self.pause)
        return {number: float(self.rows[number][1][0].square().sum()) for number in numbers}

    def why(self, number: int) -> str:
        return ""

    def drop(self, numbers: Collection[int]) -> None:
        super().drop(numbers)
        for number in numbers:
            self.rows.pop(number, None)

    def state(self) -> State:
        return State(
            tensors={str(number): state for number, (_, state) in self.rows.items()},
            facts={str(number): steps for number, (steps, _) in self.rows.items()},
        )

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        self.trials |= {trial.number: trial for trial in trials}
        for trial in trials:
            self.rows[trial.number] = (state.facts[str(trial.number)], state.tensors[str(trial.number)])


def bowl(space: Any, optimum: Mapping[str, float], *, wall: float = math.inf) -> Score:
    """Return 1 plus three times the squared distance from `optimum` in the units of `space`; NaN past `wall`."""

    def score(values: Mapping[str, Any]) -> float:
        units = {name: space[name].unit(values[name]) for name in optimum}
        if any(unit > optimum[name] + wall for name, unit in units.items()):
            return math.nan
        return 1.0 + 3.0 * sum((unit - optimum[name]) ** 2 for name, unit in units.items())

    return score


def drawn(seed: int, *place: str | int, low: float = 0.0, high: float = 1.0) -> float:
    """Return a number in [low, high), a function of the seed and the place."""
    return low + (high - low) * (derive(seed, *place) / 2**63)
