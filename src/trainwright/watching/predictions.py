"""Whether a classifier names one class whatever it is shown, and is sure of it: a sign that something drives it there.

Cross-entropy brings the mean probability of a class to its share among the labels within some dozen steps, long before
it tells samples apart. A network that stays sure of one class was made to, or cannot do otherwise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainwright.watching.answers import Answers
from trainwright.watching.losses import given_and_target
from trainwright.watching.places import caller

if TYPE_CHECKING:
    from trainwright.watching.tape import Tape

FROM_STEP = 20
"""Steps that a network gets to find the classes' shares."""
LOOKS, SAMPLES = 4, 96
"""Looks in a row, at different steps, that all show one class, and over how many labels."""
MOST_COMMON = 0.8
"""Share of the labels above which naming one class is the sensible thing to do for a while."""
RECENT, FEWEST_LOOKS = 16, 8
"""The last looks over which a class has to be named once."""
ASKED = 6
"""Samples of a class in them that were all answered otherwise."""
SURER = 0.25
"""By how much the mean probability of the class exceeds its share; bias and softmax bring the two together at first."""


class PredictionBooks:
    """Looks at what enters cross-entropy in sampled steps."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._looks: deque[tuple[int, float, float, float, int]] = deque(maxlen=LOOKS)
        self._step = -1
        self._classes: deque[list[float]] = deque(maxlen=RECENT)  # of each look: how many of each class, and found

    def predicted(self, function: str, arguments: Any, named: Mapping[str, Any]) -> None:
        """A loss was computed to learn from."""
        step = self._tape.sightings.step
        if function != "cross_entropy" or step < FROM_STEP or step == self._step:
            return
        given, target = given_and_target(arguments, named)
        if not isinstance(given, torch.Tensor) or not isinstance(target, torch.Tensor):
            return
        if given.dim() < 2 or given.shape[1] < 2 or target.shape != given.shape[:1] + given.shape[2:]:
            return
        if target.is_floating_point() or target.numel() < 2:
            return
        self._step = step
        place = caller()
        values = given.detach()
        chosen = values.argmax(1)
        first = chosen.reshape(-1)[0]
        probability = values.float().softmax(1).movedim(1, 0).flatten(1)[first].mean()
        several = (target != target.reshape(-1)[0]).any()
        measured = [first, (chosen == first).all(), (target == first).double().mean(), probability, several]

        def take(numbers: list[float]) -> None:
            index, all_same, share, sure, mixed = numbers
            if not (all_same and mixed):
                self._looks.clear()
                return
            if self._looks and self._looks[-1][0] != index:
                self._looks.clear()
            self._looks.append((int(index), share, sure, float(step), target.numel()))
            self._judge(place)

        self._tape.steps.delayed.read(measured, take)
        answers = Answers.of(given, target)
        if answers.there is not None and answers.found is not None:
            self._tape.steps.delayed.read([*answers.there, *answers.found], self._found)

    def _found(self, numbers: list[float]) -> None:
        """See whether a class that came often enough was never named in the last looks."""
        if self._classes and len(self._classes[-1]) != len(numbers):
            self._classes.clear()
        self._classes.append(numbers)
        if len(self._classes) < FEWEST_LOOKS:
            return
        sums = [sum(column) for column in zip(*self._classes, strict=True)]
        half = len(sums) // 2
        missed = [(of, place) for place, of in enumerate(sums[:half]) if of >= ASKED and sums[half + place] == 0]
        if missed:
            of, place = max(missed)
            self._tape.sightings.note("class-never-named", None, {"class": place, "asked": of}, count=1)
        else:
            self._tape.sightings.forget("class-never-named")

    def _judge(self, place: Any) -> None:
        samples = sum(look[4] for look in self._looks)
        if len(self._looks) < LOOKS or samples < SAMPLES:
            return
        share, sure = (sum(look[part] * look[4] for look in self._looks) / samples for part in (1, 2))
        if share <= MOST_COMMON and sure >= share + SURER:
            facts = {"class": self._looks[0][0], "samples": samples, "share": share, "probability": sure}
            self._tape.sightings.note("predictions-collapsed", place, facts, count=1)
