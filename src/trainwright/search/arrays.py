"""The arena of real trainings: trials as rows of as few arrays as can be, and what cannot be a row by itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from torch import nn

from trainwright.data.feed import Batch, Feed, epoch_from
from trainwright.errors import RecipeError, TrainwrightError
from trainwright.interruption import poll
from trainwright.parts.optimizers import averaged
from trainwright.parts.own_module import told
from trainwright.randomness import isolated
from trainwright.records.study import Trial
from trainwright.search.arena import State
from trainwright.search.entrant import Enter, Entrant, LoneEntrant, RowEntrant
from trainwright.search.keeping import Keeper, Kept, evaluations
from trainwright.search.scoring import Scorer
from trainwright.stacked.buckets import buckets
from trainwright.stacked.copying import model_copy
from trainwright.stacked.loop_array import LoopArray
from trainwright.stacked.member import TrialArray, check_members
from trainwright.stacked.packing import packed, unpacked
from trainwright.stacked.probe import choose
from trainwright.stacked.room import rows_at_once
from trainwright.stacked.stacked_array import StackedArray

Say = Callable[[str], None]


class Rows:
    """Trials that are rows of one array, on the same batches."""

    def __init__(self, entrants: Mapping[int, RowEntrant], *, lane: str | None) -> None:
        first = next(iter(entrants.values()))
        self.feed, self.planned_steps = first.feed, first.planned_steps
        members, ids = [entrant.member for entrant in entrants.values()], list(entrants)
        self.made = 0
        self.array: TrialArray
        if len(members) == 1 and lane is None:
            self.lane, self.reason = "loop", "no other trial is of its shape"
            self.array = LoopArray(members, ids)
        elif lane is None:
            x, y = next(iter(self.feed.epoch(0)))
            self.array, choice = choose(members, x, y, ids, planned_steps=self.planned_steps)
            self.lane, self.reason = choice.lane, choice.reason
        else:  # as it was before: the other way would round differently
            self.lane, self.reason = lane, "as before"
            self.array = (StackedArray if lane == "stacked" else LoopArray)(members, ids)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trials that are left."""
        return self.array.ids

    @property
    def steps_per_epoch(self) -> int:
        """The steps of an epoch."""
        return self.feed.steps_per_epoch

    def train(self, target: int) -> None:
        """Train all rows until so many steps are made."""
        for x, y in islice(_from(self.feed, self.made), max(target - self.made, 0)):
            poll()
            self.array.step(x, y)
            self.made += 1

    def scores(self, scorer: Scorer) -> dict[int, float]:
        """Return the score of each row."""
        return scorer.rows(self.array)

    def model(self, number: int) -> nn.Module:
        """Return a copy of a row's model as it is evaluated."""
        member = self.array.member(number)
        with averaged(member.optimizer):
            return model_copy(member.model)

    def why(self, number: int) -> str:
        """Return why a row has failed, "" where it has not."""
        if number not in self.array.frozen:
            return ""
        made = dict(zip(self.array.ids, self.array.steps, strict=True))[number]
        return f"its loss or its gradient was not finite in step {made + 1}"

    def drop(self, numbers: Collection[int]) -> bool:
        """Let rows go; say whether any are left."""
        left = [number for number in self.array.ids if number not in numbers]
        if left and len(left) < len(self.array.ids):
            self.array.keep(left)
        return bool(left)

    def states(self) -> dict[int, Any]:
        """Return the state of each row."""
        state = self.array.state_dict()
        return dict(zip(state["ids"], state["rows"], strict=True))

    def load(self, states: Mapping[int, Any], made: int) -> None:
        """Go on from `states`, `made` steps into the run."""
        self.array.load_state_dict({"ids": list(self.array.ids), "rows": [states[id] for id in self.array.ids]})
        self.made = made


class Lone:
    """One trial with a training of its own, which always begins at its first step: it is a function of the seed."""

    def __init__(self, number: int, entrant: LoneEntrant) -> None:
        self.number = number
        self.training = entrant.training
        self.reason, self.lane = entrant.reason, "alone"
        self.made = 0
        self._steps = entrant.training.steps()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The trial."""
        return (self.number,)

    @property
    def planned_steps(self) -> int:
        """The steps of a whole run."""
        return self.training.planned_steps

    @property
    def steps_per_epoch(self) -> int:
        """The steps of an epoch."""
        return self.training.steps_per_epoch

    def train(self, target: int) -> None:
        """Train until so many steps are made."""
        with isolated():
            for _ in islice(self._steps, max(target - self.made, 0)):
                poll()
                self.made += 1

    def scores(self, scorer: Scorer) -> dict[int, float]:
        """Return the score."""
        if self.training.diverged is not None:
            return {self.number: math.nan}
        with self.training.average.shown():
            return {self.number: scorer.alone(self.training.model)}

    def model(self, number: int) -> nn.Module:
        """Return a copy of the model as it is evaluated."""
        with self.training.average.shown():
            return model_copy(self.training.model)

    def why(self, number: int) -> str:
        """Return why the trial has failed, "" where it has not."""
        return self.training.diverged or ""

    def drop(self, numbers: Collection[int]) -> bool:
        """Say whether the trial is left."""
        return self.number not in numbers


class Arrays:
    """Trains trials side by side, as `Arena` asks. `say` is told how, once for each array; `budget` is a whole run."""

    def __init__(self, enter: Enter, scorer: Scorer, *, budget: int, say: Say | None = None) -> None:
        self._enter, self._scorer, self._budget = enter, scorer, budget
        self._say = say or (lambda text: None)
        self._parts: list[Rows | Lone] = []
        self._failed: dict[int, str] = {}

    def start(self, trials: Sequence[Trial]) -> None:
        """Begin these trials."""
        self._parts += self._begun(trials, {})

    def advance(self, numbers: Sequence[int], steps: int) -> dict[int, float]:
        """Train these trials to `steps` of the budget, a trial of another length to the same share of its own."""
        wanted, scores = set(numbers), dict[int, float]()
        for part in list(self._parts):
            if wanted.isdisjoint(part.numbers):
                continue
            try:
                part.train(max(1, round(steps / self._budget * part.planned_steps)))
                scores |= part.scores(self._scorer)
            except Exception as problem:  # a trial's failure is data, whatever the user's model or loss raises
                self._fail(part.numbers, problem)
                self._parts.remove(part)
                continue
            self._failed |= {number: reason for number in part.numbers if (reason := part.why(number))}
        return {number: scores[number] for number in numbers if number in scores}

    def why(self, number: int) -> str:
        """Return why a trial has failed, "" where it has not."""
        return self._failed.get(number, "")

    def kept(self, loss: Scorer, *, every: int | None, patience: int | None) -> dict[int, Kept]:
        """Train all trials to the end and return each as a run of its own keeps it, without those that failed.

        `loss` tells the validation losses that the best checkpoint is chosen by, after each `every` steps, or else each
        epoch, and no more of them than `patience` allows.
        """
        kept: dict[int, Kept] = {}
        for part in self._parts:
            keeper = Keeper(part.model, patience)
            try:
                for step in evaluations(part.planned_steps, every or part.steps_per_epoch):
                    part.train(step)
                    keeper.look(part.scores(loss), step)
            except Exception as problem:
                self._fail(part.numbers, problem)
                continue
            kept |= {number: one for number, one in keeper.kept.items() if not part.why(number)}
        return kept

    def drop(self, numbers: Collection[int]) -> None:
        """Forget these trials."""
        self._parts = [part for part in self._parts if part.drop(numbers)]

    def state(self) -> State:
        """Return the state of the rows that are left, and how each trial was trained."""
        rows = [part for part in self._parts if isinstance(part, Rows)]
        states = {str(number): state for part in rows for number, state in part.states().items()}
        tensors, rest = packed(states)
        made = {str(number): part.made for part in self._parts for number in part.numbers}
        lanes = {str(number): part.lane for part in self._parts for number in part.numbers}
        return State(tensors=tensors, facts={"rows": rest, "made": made, "lanes": lanes})

    def restore(self, trials: Sequence[Trial], state: State) -> None:
        """Begin these trials where `state` left them; what trains alone is trained again up to there."""
        states = {int(number): row for number, row in unpacked(state.tensors, state.facts["rows"]).items()}
        made = {int(number): steps for number, steps in state.facts["made"].items()}
        lanes = {int(number): lane for number, lane in state.facts["lanes"].items()}
        begun = self._begun(trials, lanes)
        for part in begun:
            if isinstance(part, Rows):
                part.load(states, made[part.numbers[0]])
        self._parts += begun

    def _begun(self, trials: Sequence[Trial], lanes: Mapping[int, str]) -> list[Rows | Lone]:
        entrants: dict[int, Entrant] = {}
        for trial in trials:
            try:
                entrants[trial.number] = self._enter(trial)
            except Exception as problem:
                self._fail([trial.number], problem)
        parts: list[Rows | Lone] = [
            Lone(number, entrant) for number, entrant in entrants.items() if isinstance(entrant, LoneEntrant)
        ]
        rows = {number: entrant for number, entrant in entrants.items() if isinstance(entrant, RowEntrant)}
        # A fault of the factory, not of a trial: two that share weights would train each other.
        check_members([entrant.member for entrant in rows.values()])
        for together in _together(rows):
            try:
                parts.append(Rows(together, lane=lanes.get(next(iter(together)))))
            except Exception as problem:
                self._fail(together, problem)
        for text, count in Counter(_how(part) for part in parts).items():
            self._say(f"{count} trial{'s' if count > 1 else ''}{text}" if text.startswith(", ") else text)
        return parts

    def _fail(self, numbers: Iterable[int], problem: Exception) -> None:
        if isinstance(problem, RecipeError):
            reason = "; ".join(problem.problems)
        elif isinstance(problem, TrainwrightError):
            reason = f"{problem.what} ({problem.evidence})" if problem.evidence else problem.what
        else:
            reason = told(problem, [])
        self._failed |= dict.fromkeys(numbers, reason)


def _how(part: Rows | Lone) -> str:
    """Return how trials are trained: in full for an array, else what follows the number of all that are alike."""
    if len(part.numbers) > 1:
        way = "as one program" if part.lane == "stacked" else "one by one"
        return f"{len(part.numbers)} trials {way}: {part.reason}"
    return f", each by itself: {part.reason}"


def _together(entrants: Mapping[int, RowEntrant]) -> Iterator[dict[int, RowEntrant]]:
    """Yield the trials that can be rows of one array: alike, on the same batches, and no more than memory holds."""
    by_feed: dict[tuple[int, int], list[int]] = {}
    for number, entrant in entrants.items():
        by_feed.setdefault((id(entrant.feed), entrant.planned_steps), []).append(number)
    for numbers in by_feed.values():
        for places in buckets([entrants[number].member for number in numbers]):
            alike = [numbers[place] for place in places]
            most = rows_at_once(entrants[alike[0]].member.model)
            for start in range(0, len(alike), most):
                yield {number: entrants[number] for number in alike[start : start + most]}


def _from(feed: Feed, made: int) -> Iterator[Batch]:
    """Yield the batches of training from step `made` on, epoch after epoch."""
    epoch, place = divmod(made, feed.steps_per_epoch)
    while True:
        yield from epoch_from(feed, epoch, place)
        epoch, place = epoch + 1, 0
