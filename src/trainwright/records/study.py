"""What a search for hyperparameters writes down: the trials, the rounds, the moves between them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from trainwright.records.findings import Scalar
from trainwright.records.space import Axis

TrialStatus = Literal["running", "stopped", "finished", "pruned", "failed"]
Action = Literal["widened", "zoomed", "kept", "dropped", "moved", "given"]
StudyStatus = Literal["running", "finished", "stopped"]
Side = Literal["low", "high"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One configuration under one seed. `scores[i]` is the validation score (lower is better) after `budgets[i]` steps.

    `score` is the last finite one; None where there is none yet, and for a trial that failed at once. `rung` counts the
    rungs that it was judged at. "stopped" is a trial that is not over, and that nobody goes on with at present. Repeats
    of one `configuration` share their values and differ in their seeds.
    """

    number: int
    configuration: int
    round: int
    chunk: int
    values: Mapping[str, Scalar]
    seed: int
    status: TrialStatus = "running"
    rung: int = 0
    score: float | None = None
    budgets: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    reason: str = ""


def ranked(trials: Iterable[Trial]) -> list[Trial]:
    """Return the trials from best to worst: who came further first, then by score; failures last, ties by number."""
    return sorted(trials, key=_rank)


def all_alike(trials: Iterable[Trial]) -> bool:
    """Say whether no score differs from another at the same step: then nothing that was searched makes a difference,
    and who went on was whoever came first.
    """
    at: dict[int, set[float]] = {}
    for trial in trials:
        if trial.budgets:
            for budget, score in zip(trial.budgets, trial.scores, strict=True):
                at.setdefault(budget, set()).add(score)
        elif trial.score is not None:
            at.setdefault(trial.rung, set()).add(trial.score)
    return all(len(scores) < 2 for scores in at.values())


BETTER = 0.01
"""Share of the score of guessing by which a trial must be below it: less is what the choice of the samples makes."""


def is_guessing(score: float | None, guess: float | None) -> bool:
    """Say whether a score (None: there is none) is no better than that of guessing, as far as that is known."""
    return guess is not None and (score is None or not score < guess - BETTER * abs(guess))


def merged(trials: Iterable[Trial]) -> list[Trial]:
    """Return one trial for each configuration: the repeat whose score is the median, failures last, of an even number
    the worse.

    The best of several seeds would be luck; repeats that came less far than others do not count.
    """
    repeats: dict[int, list[Trial]] = {}
    for trial in trials:
        repeats.setdefault(trial.configuration, []).append(trial)
    middle = []
    for each in repeats.values():
        furthest = max(trial.rung for trial in each)
        order = ranked(trial for trial in each if trial.status == "failed" or trial.rung == furthest)
        middle.append(order[len(order) // 2])
    return middle


def _rank(trial: Trial) -> tuple[bool, int, float, int]:
    lost = trial.status == "failed" or trial.score is None
    return lost, -trial.rung, math.inf if trial.score is None else trial.score, trial.number


@dataclass(frozen=True, kw_only=True)
class Move:
    """What became of one axis after round `round`, and why."""

    round: int
    name: str
    action: Action
    before: Axis
    after: Axis
    reason: str


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An end of a range (of all rounds together) that the best values hug; a limit cannot be passed."""

    name: str
    side: Side
    value: Scalar
    axis: Axis
    is_limit: bool


@dataclass(frozen=True, kw_only=True)
class Importance:
    """The share of a parameter in the variance of the score, in [0, 1], and the standard deviation of that share."""

    name: str
    share: float
    deviation: float


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round: the space it was drawn from, its first configuration, and how many configurations each chunk has."""

    number: int
    space: Mapping[str, Axis]
    sampler: str
    first: int
    chunks: tuple[int, ...]
    moves: tuple[Move, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a study was asked to do.

    `trials` counts configurations, each trained under `repeats` seeds for `budget` steps at most; `steps` bounds the
    steps of all trials together. Halving judges first after `least` steps (a ninth of the budget where none are given)
    and keeps one in `eta`; eta 1 prunes nothing. All trials of a chunk are trained side by side. `guess` is the score
    of the same answer for every sample, None where it is not known.
    """

    sampler: str = "sobol"
    trials: int = 54
    rounds: int = 3
    chunk: int = 18
    repeats: int = 1
    budget: int
    least: int | None = None
    eta: int = 3
    save_every: int | None = None
    steps: int | None = None
    seed: int = 0
    guess: float | None = None


@dataclass(frozen=True, kw_only=True)
class StudyInfo:
    """A study as it stands: everything that a report needs, in the order in which it happened."""

    plan: Plan
    rounds: tuple[Round, ...] = ()
    trials: tuple[Trial, ...] = ()
    status: StudyStatus = "running"
    reason: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def moves(self) -> tuple[Move, ...]:
        """Return all moves, in order."""
        return tuple(move for one in self.rounds for move in one.moves)

    @property
    def best(self) -> Trial | None:
        """Return the best configuration of those that came furthest, by its median repeat; None where all failed."""
        order = ranked(merged(self.trials))
        return order[0] if order and order[0].score is not None and order[0].status != "failed" else None

    @property
    def steps(self) -> int:
        """Return the steps of all trials together."""
        return sum(trial.steps for trial in self.trials)
