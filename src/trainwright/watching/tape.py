"""Hears everything that happens in a loop, in order, and passes it to the books that keep it.

Nothing here may stop the program that is watched: whatever goes wrong is kept in `problem`, and no more is heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from trainwright.watching.byhand import StepsByHand
from trainwright.watching.costless import CostlessBooks
from trainwright.watching.cruise import Cruise
from trainwright.watching.erased import ErasedBooks
from trainwright.watching.events_built import Built
from trainwright.watching.events_computed import Computed
from trainwright.watching.events_learnt import Learnt
from trainwright.watching.flat import FlatBooks
from trainwright.watching.framing import Frames
from trainwright.watching.gradients import GradientBooks
from trainwright.watching.graphs import GraphBooks
from trainwright.watching.loaded import LoadedBooks
from trainwright.watching.loaders import LoaderBooks
from trainwright.watching.losses import LossBooks
from trainwright.watching.masks import MaskBooks
from trainwright.watching.membership import MembershipBooks
from trainwright.watching.models import Models
from trainwright.watching.modes import ModeBooks
from trainwright.watching.optimizers import OptimizerBooks
from trainwright.watching.origins import Origins
from trainwright.watching.precision import PrecisionBooks
from trainwright.watching.ranks import RankBooks
from trainwright.watching.relabelled import RelabelledBooks
from trainwright.watching.runs import Runs
from trainwright.watching.samples import SampleBooks
from trainwright.watching.schedulers import SchedulerBooks
from trainwright.watching.sightings import Sightings
from trainwright.watching.signs import SignBooks
from trainwright.watching.start import StartBooks
from trainwright.watching.steps import StepBooks
from trainwright.watching.thresholds import ThresholdBooks
from trainwright.watching.unwalked import UnwalkedBooks
from trainwright.watching.written import chosen_by_test

FORMATIVE_STEPS = 32
"""Steps whose calls are followed one by one; then three in a row of every so many, and some after whatever is new."""
WINDOW_STEPS, HEARD_STEPS, NEWS_STEPS = 32, 3, 4
RARE_STEPS = 8 * WINDOW_STEPS
"""The same where there is no time left for more."""


class Tape:
    """What torch tells, told on. `on` says that it is heard; `busy` that the watcher itself is at work in torch."""

    def __init__(self, level: str, judge: Callable[[], None]) -> None:
        self.level = level
        self.on = True
        self.busy = False
        self.inside_backward = False
        self.problem: Exception | None = None
        # Not the thread's own time, which takes a call of the system: on a busy machine both sides of the budget grow.
        self.clock = time.perf_counter
        self.started = self.clock()
        self.own_seconds = 0.0
        self.sightings = Sightings()
        self.gradients = GradientBooks(self.sightings)
        self.optimizers = OptimizerBooks(self.sightings, self.gradients.owners)
        self.schedulers = SchedulerBooks(self.sightings)
        self.precision = PrecisionBooks(self.sightings)
        self.loaders = LoaderBooks()
        self.losses = LossBooks()
        self.models = Models(lambda seen: self.computed.passed(seen), lambda: self.on and not self.busy)
        self.modes = ModeBooks(self.sightings, self.models)
        self.graphs = GraphBooks(self.sightings)
        self.signs = SignBooks(self.sightings)
        self.unwalked = UnwalkedBooks(self.sightings, self.models)
        self.origins = Origins()
        self.runs = Runs()
        self.ranks = RankBooks()
        self.loaded = LoadedBooks(self.sightings)
        self.erased = ErasedBooks(self.sightings)
        self.flat = FlatBooks(self.sightings)
        self.relabelled = RelabelledBooks(self.sightings)
        self.members = MembershipBooks(self.sightings, self.models, self.origins)
        self.samples = SampleBooks(self.sightings, self.loaders)
        self.steps = StepBooks(self)
        self.start = StartBooks(self)
        self.costless = CostlessBooks(self)
        self.masks = MaskBooks(self)
        self.thresholds = ThresholdBooks(self)
        self.frames = Frames()
        self.by_hand = StepsByHand()
        self._read = False  # the source of the program
        self.compiles = False
        self.judge = judge
        self.last_step: int | None = None  # where the program is to be ended
        self.cut = False
        self.attentive = True  # the order of calls is followed
        self.awaits_evaluation = True  # passes without gradients would be news
        self._attentive_until = FORMATIVE_STEPS
        self.cruise = Cruise(self)
        self.built, self.computed, self.learnt = Built(self), Computed(self), Learnt(self)
        self._hearers: dict[str, Callable[..., None]] = {
            name: getattr(part, name)
            for part in (self.built, self.computed, self.learnt)
            for name in vars(type(part))
            if not name.startswith("_")
        }

    def tell(self, event: str, *arguments: Any, **named: Any) -> None:
        """Hear one event; an error in hearing ends the hearing, and nothing else."""
        counted = self.steps.sampled or self.attentive  # what every step costs is not to be saved by looking less
        started = self.clock() if counted else 0.0
        self.busy = True
        try:
            if self.cruise.on:
                self.cruise.leave()
            self._hearers[event](*arguments, **named)
        except Exception as problem:  # whatever it is: the program that is watched must not feel it
            self.stand_down(problem)
        finally:
            self.busy = False
            if counted:
                self.own_seconds += self.clock() - started

    def begin(self) -> None:
        """Listen, and let autograd remember the line of each operation until the first backward pass."""
        self.started = self.clock()
        self.models.arm(detailed=True)
        self.frames.begin()

    def end(self) -> None:
        """Nothing more will come."""
        self.busy = True
        self.frames.end()
        if self.problem is None:
            try:
                self.cruise.leave()
                self.learnt.hand_step()
                if len(self.gradients.owners) > 1:
                    self.gradients.forgotten()
                self.unwalked.finish()
                self.steps.finish()
                self.ranks.finish()
            except Exception as problem:
                self.stand_down(problem)
        self.on = False
        self.models.disarm()  # last: a step that is counted at the end arms for the next one

    def stand_down(self, problem: Exception) -> None:
        """Hear nothing more."""
        self.problem, self.on = self.problem or problem, False
        self.frames.end()
        self.models.disarm()

    def study(self) -> None:
        """Look at what takes many samples together to be seen. Called before the chart is judged."""
        busy, self.busy = self.busy, True
        try:
            if self.problem is None:
                self.cruise.leave()
                self.samples.study(self.losses.order())
                self._read_source()
        except Exception as problem:
            self.stand_down(problem)
        finally:
            self.busy = busy

    def _read_source(self) -> None:
        """Once a few steps are over, read the program for what no event tells."""
        place = self.gradients.place
        if self._read or place is None or self.sightings.step < HEARD_STEPS:
            return
        self._read = True
        fresh = self.sightings.fresh
        found = chosen_by_test(place[0])
        if found is not None:
            line, figure, data = found
            self.sightings.note("chosen-by-test-data", (place[0], line), {"figure": figure, "data": data})
        self.sightings.fresh = fresh

    def attend(self, *, now: bool = False) -> None:
        """Something is new: follow the next steps call by call; `now`, as no step is under way, from here on."""
        self._attentive_until = max(self._attentive_until, self.sightings.step + NEWS_STEPS)
        if now and not self.attentive:
            self.gradients.begin_again()
            self.attentive = True

    def listen_on(self) -> None:
        """Decide whether the calls of the next step are followed."""
        step = self.sightings.step
        attentive = (
            step < self._attentive_until
            or step % self._window() < HEARD_STEPS
            or self.steps.sampled
            or self.precision.scaling
        )
        if attentive and not self.attentive:
            self.gradients.begin_again()
        self.attentive = attentive
        self.awaits_evaluation = self.modes.curious and not self.compiles

    def unheard(self) -> int:
        """Return for how many steps from now on the calls are not followed."""
        window = self._window()
        return window - self.sightings.step % window

    def _window(self) -> int:
        """Return how many steps lie between the beginnings of those that are followed."""
        return WINDOW_STEPS if self.level == "full" or self.steps.affordable else RARE_STEPS

    def news(self, *, always: bool = False) -> None:
        """Let the chart be judged where there is something new, or it is time."""
        if always or self.sightings.fresh:
            self.sightings.fresh = False
            self.judge()
